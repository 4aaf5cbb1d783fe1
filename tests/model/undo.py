"""Undo of a planned move, and the end of either way."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from .acting import start_breaks, who
from .state import ABSENT, Move, Server, Step, Verb, Volume

if TYPE_CHECKING:
    from .planned import Scene


def _at_target(step: "Callable[[Scene], list[Move]]") -> "Callable[[Scene], list[Move]]":
    """HANDOVER: once a create-server was sent, nothing is given up that the target has not answered."""

    def guarded(s: "Scene") -> list[Move]:
        if s.op.step is Step.U_REVOKE and not (s.model.rules.CLAIM and s.model.rules.REVOKE):
            return s.go(Step.U_DELETE_SERVER, "undo begins")
        if s.target_answers:
            return step(s)
        if s.model.rules.HANDOVER and s.op.handed:
            return []  # waits; people see it as failed, the group in error
        world = s.world.troubled(s.op.at) if s.made else s.world
        then = world.with_op(s.op.at, s.op._replace(step=Step.U_UNLOCK))
        return [Move(f"{who(s.op)}: target unreachable, its undo there is given up", then)]

    return guarded


def _at_source(step: "Callable[[Scene], list[Move]]") -> "Callable[[Scene], list[Move]]":
    def guarded(s: "Scene") -> list[Move]:
        if not s.source_answers:
            then = s.world.with_op(s.op.at, s.op._replace(step=Step.U_RELEASE)).troubled(s.op.at)
            return [Move(f"{who(s.op)}: source unreachable, its undo there is given up", then)]
        if s.newer_tag(s.op.source):
            return s.go(Step.U_RELEASE, "newer tag on the source: not started")
        return step(s)

    return guarded


@_at_target
def _revoke(s: "Scene") -> list[Move]:
    return s.call(Verb.REVOKE, s.op.target)


@_at_target
def _delete_server(s: "Scene") -> list[Move]:
    found = s.made is not None and s.made.server not in ABSENT
    if not found or not (s.model.rules.KEY_BY_OP or (s.made is not None and s.made.lease == s.op.lease)):
        return s.go(Step.U_DESTROY, "finds no server of its own on the target")
    return s.call(Verb.DELETE_SERVER, s.op.target, s.own)


@_at_target
def _destroy(s: "Scene") -> list[Move]:
    if s.made is None or s.made.volume is not Volume.BOOTABLE:
        return s.go(Step.U_UNLOCK, "finds no volume of its own on the target")
    return s.call(Verb.DESTROY, s.op.target, s.own)


@_at_source
def _unlock(s: "Scene") -> list[Move]:
    if s.original.locked:
        return s.call(Verb.UNLOCK, s.op.source, s.op.original)
    return s.go(Step.U_START, "source is not locked")


@_at_source
def _start(s: "Scene") -> list[Move]:
    if s.original.server is Server.RUNNING:
        return s.go(Step.U_RELEASE, "source runs")
    broken = start_breaks(s.world, s.op.original, higher=s.higher)
    return s.call(Verb.START, s.op.source, s.op.original, broken=broken)


def _release(s: "Scene") -> list[Move]:
    peer = 1 - s.op.at
    if s.world.rows[peer].pushed_hold == s.op.id and s.world.reaches(s.op.at, peer):
        return s.call(Verb.RELEASE, peer)
    return s.go(Step(s.op.step + 1), "is about to end")


def _end(s: "Scene") -> list[Move]:
    if s.model.rules.DRAIN:
        if any(call.operation == s.op.id for call in s.world.late):
            return []
        hurt = s.original.server in (Server.STOPPED, Server.DOWN) or s.original.locked
        if s.op.step is Step.U_END and s.source_answers and not s.newer_tag(s.op.source) and hurt:
            return s.go(Step.U_UNLOCK, "after the drain the source is not as it was")
    outcome = "completed" if s.op.done else "failed"
    return [Move(f"{who(s.op)}: ends ({outcome})", s.world.with_op(s.op.at, None))]


STEPS: "dict[Step, Callable[[Scene], list[Move]]]" = {
    Step.RELEASE: _release,
    Step.END: _end,
    Step.U_REVOKE: _revoke,
    Step.U_DELETE_SERVER: _delete_server,
    Step.U_DESTROY: _destroy,
    Step.U_UNLOCK: _unlock,
    Step.U_START: _start,
    Step.U_RELEASE: _release,
    Step.U_END: _end,
}
