"""Who starts and who stops next: by priority, by dependency, and by whether those before are up (or down). Pure.

Priority 1 starts first and stops last. A dependency is stronger than a priority: what somebody depends on counts as at least as important as he is.
A member that is not up (or down) within its own limit is not waited for any longer: the others are worth more than the order."""

import dataclasses
from collections.abc import Sequence


@dataclasses.dataclass(frozen=True)
class Standing:
    """One member in the queue."""

    name: str
    priority: int
    depends_on: tuple[str, ...]
    passed: bool
    """It is where it shall be, or its limit has passed: nobody waits for it."""
    moving: bool
    """It has been told already, or is where it shall be."""


def to_start(members: Sequence[Standing]) -> list[str]:
    """Names of those to be told to start now."""
    ranks = effective(members)
    open_ = {member.name for member in members if not member.passed}
    first = min((ranks[name] for name in open_), default=0)
    return [
        member.name
        for member in members
        if not member.moving
        and (member.passed or (ranks[member.name] <= first and not open_.intersection(member.depends_on)))
    ]


def to_stop(members: Sequence[Standing]) -> list[str]:
    """Names of those to be told to stop now."""
    ranks = effective(members)
    open_ = {member.name for member in members if not member.passed}
    last = max((ranks[name] for name in open_), default=0)
    needed = {other for member in members if not member.passed for other in member.depends_on if other != member.name}
    return [
        member.name
        for member in members
        if not member.moving and (member.passed or (ranks[member.name] >= last and member.name not in needed))
    ]


def effective(members: Sequence[Standing]) -> dict[str, int]:
    """Each member's priority, bettered to that of the best one that depends on it, directly or through others."""
    ranks = {member.name: member.priority for member in members}
    needs = {member.name: member.depends_on for member in members}
    ahead = list(ranks)
    while ahead:
        name = ahead.pop()
        for other in needs[name]:
            if other in ranks and ranks[other] > ranks[name]:
                ranks[other] = ranks[name]
                ahead.append(other)
    return ranks
