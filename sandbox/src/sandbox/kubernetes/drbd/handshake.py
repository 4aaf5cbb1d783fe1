"""What two replicas decide when they meet (again): who is newer, or that they have to part."""

from __future__ import annotations

from enum import Enum

from sandbox.kubernetes.drbd.model import Disk, Replica, Resource


class Verdict(Enum):
    """What becomes of a connection."""

    CONNECT = "nothing to do but connect"
    FIRST_IS_SOURCE = "the second is filled from the first"
    SECOND_IS_SOURCE = "the first is filled from the second"
    SPLIT_BRAIN = "both were written while apart"
    CONFLICT = "a Primary stands in the way: two of them, or one whose data would change under its guest"
    WAIT = "another pair has to come to terms first"


def meet(resource: Resource, one: Replica, other: Replica) -> Verdict:
    """Judge one pair; nothing is changed."""
    here, there = resource.primary_near(one.node), resource.primary_near(other.node)
    rivals = here is not None and there is not None and here is not there
    if not (one.diskful and other.diskful):
        return Verdict.WAIT if rivals else Verdict.CONNECT
    data = _newer(one, other)
    if data is Verdict.SPLIT_BRAIN:
        return data
    if rivals:
        return Verdict.CONFLICT if one.primary and other.primary else Verdict.WAIT
    older = {Verdict.FIRST_IS_SOURCE: other, Verdict.SECOND_IS_SOURCE: one}.get(data)
    return Verdict.CONFLICT if older is not None and older.primary else data


def _newer(one: Replica, other: Replica) -> Verdict:
    if one.current == other.current:
        return _whole(one, other)
    if not other.current or other.current in one.history:
        return Verdict.FIRST_IS_SOURCE
    if not one.current or one.current in other.history:
        return Verdict.SECOND_IS_SOURCE
    return Verdict.SPLIT_BRAIN


def _whole(one: Replica, other: Replica) -> Verdict:
    """Both name the same data; one of them may not have all of it yet."""
    if one.disk is Disk.INCONSISTENT and other.disk is Disk.UP_TO_DATE:
        return Verdict.SECOND_IS_SOURCE
    if other.disk is Disk.INCONSISTENT and one.disk is Disk.UP_TO_DATE:
        return Verdict.FIRST_IS_SOURCE
    return Verdict.CONNECT
