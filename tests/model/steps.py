"""What every operation's step has in common: look at the peer first, issue one call, take its answer."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from . import forced, planned, rows, settle
from .acting import who
from .calls import apply
from .state import Call, Kind, Move, Op, Step, Verb, World

if TYPE_CHECKING:
    from .model import Model

Steps = Callable[["Model", World, int, Op, bool], list[Move]]

STEPS: dict[Kind, Steps] = {
    Kind.PLANNED: planned.moves,
    Kind.FORCED: forced.moves,
    Kind.SETTLE: settle.moves,
    Kind.CHANGE: settle.change,
}


def moves(model: "Model", world: World, site: int, op: Op) -> list[Move]:
    if op.call is not None:
        return [_delivered(model, world, site, op, op.call)]
    row, peer = world.rows[site], world.rows[1 - site]
    peer_op = world.ops[1 - site]
    heed = rows.heed(row, op.id, op.id, op.epoch, peer, peer_op.id if peer_op else 0) if world.connected else None
    if model.rules.RETURN_ASKS:
        if heed == "adopt":
            return []  # duties: it adopts first
        if heed == "stop" or (op.kind is not Kind.SETTLE and rows.must_yield(row, op.id, op.epoch)):
            then = world.with_op(site, None).troubled(site)
            return [Move(f"{who(op)}: sees a fence, or a live claim above its own: ends, starts nothing", then)]
    return STEPS[op.kind](model, world, site, op, heed == "adopt")


def _delivered(model: "Model", world: World, site: int, op: Op, call: Call) -> Move:
    """The call is applied and its answer recorded, or it times out and was not applied."""
    label = f"{who(op)}: {call.text}"
    op = op._replace(call=None)
    free = world.with_op(site, op)
    if not world.reaches(site, call.at) or (call.verb is Verb.SNAPSHOT and not world.reaches(site, op.source)):
        return Move(f"{label} times out, not applied", free)
    done = apply(model, free, call)
    op = _answered(model, done.world, op, call, done.accepted)
    then = done.world.with_op(site, op)
    if call.verb is Verb.DESTROY and op.kind is Kind.PLANNED and not done.accepted and not model.rules.UNDO_BARRIER:
        then = then.troubled(site)
    return Move(f"{label} is {'applied and recorded' if done.accepted else 'refused'}", then, done.broken)


_LOOK_AGAIN = {
    Kind.PLANNED: {Step.STOP},
    Kind.FORCED: {Step.F_FENCE, Step.F_SWEEP, Step.F_CREATE},
    Kind.SETTLE: {Step.S_PAY},
    Kind.CHANGE: set[Step](),
}


def _answered(model: "Model", world: World, op: Op, call: Call, accepted: bool) -> Op:
    """Where the operation goes from here."""
    if op.step in _LOOK_AGAIN[op.kind]:
        return op
    if op.kind is Kind.PLANNED:
        return _planned_answered(model, world, op, accepted)
    return op._replace(step=Step(op.step + 1))


def _planned_answered(model: "Model", world: World, op: Op, accepted: bool) -> Op:
    step = op.step
    if step is Step.CLAIM:
        claimed = world.rows[op.target].claim_epoch
        return op._replace(step=Step.STAMP, epoch=claimed) if accepted else op._replace(step=Step.RELEASE)
    if step is Step.SNAPSHOT:
        return op._replace(step=Step.COPY, point=world.arrays[op.target].point)
    if step is Step.U_REVOKE:
        return op._replace(step=Step.U_DELETE_SERVER if accepted else Step.LEARN)
    if step is Step.U_DESTROY and not accepted:
        return op._replace(step=Step.U_DELETE_SERVER if model.rules.UNDO_BARRIER else Step.U_UNLOCK)
    if step is Step.U_START and not accepted:
        return op._replace(step=Step.U_UNLOCK)
    if step <= Step.COMMIT and not accepted:
        return op._replace(step=Step.U_REVOKE)
    return op._replace(step=Step(step + 1))
