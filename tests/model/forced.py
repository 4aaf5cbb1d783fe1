"""A forced failover: it runs on its target alone, and looks at the peer once more right before its first start."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from . import calls, points, rows
from .acting import go, send, start_breaks, who
from .state import NAMES, PRESENT, WITH_CONTENT, Call, Claimed, Kind, Move, Op, Past, Server, Step, Verb, Volume, World

if TYPE_CHECKING:
    from .model import Model


def is_forced(op: Op) -> bool:
    return op.kind is Kind.FORCED


def to_fence(model: "Model", world: World, site: int, op: Op) -> Call | None:
    """The next call that fences what is older: on its own site (SWEEP), and on the peer as long as it answers (FORCE_FENCES)."""
    call = _still_up(model, world, site, site, op) if model.rules.SWEEP else None
    if call or not (model.rules.FORCE_FENCES and world.connected):
        return call
    peer = world.rows[1 - site]
    if max(peer.fence, peer.epoch) < op.epoch:
        return Call(Verb.FENCE, 1 - site, -1, op.id, site, epoch=op.epoch)
    return _still_up(model, world, site, 1 - site, op)


def _still_up(model: "Model", world: World, site: int, where: int, op: Op) -> Call | None:
    for i, c in enumerate(world.copies):
        if c.site != where or c.epoch >= op.epoch or c.operation == op.id or c.server not in PRESENT:
            continue
        if where == site and not c.accepted:
            continue  # the sweep removes it
        if model.rules.LOCK and not c.locked:
            return Call(Verb.LOCK, where, i, op.id, site)
        if c.server is Server.RUNNING:
            return Call(Verb.STOP, where, i, op.id, site)
    return None


def to_sweep(model: "Model", world: World, site: int, op: Op) -> Call | None:
    """The next call that removes what a lower claim left on this site; contents are kept, unbootable."""
    if not model.rules.SWEEP:
        return None
    for i, c in enumerate(world.copies):
        if c.site == site and not c.accepted and c.operation != op.id and c.volume in WITH_CONTENT:
            if c.server in PRESENT:
                return Call(Verb.DELETE_SERVER, site, i, op.id, site)
            if c.volume is Volume.BOOTABLE:
                return Call(Verb.DESTROY, site, i, op.id, site, flag=True)
    return None


def moves(model: "Model", world: World, site: int, op: Op, higher: bool) -> list[Move]:
    if op.step is Step.F_CREATE:
        return _create(model, world, site, op, higher)
    return _STEPS[op.step](model, world, site, op)


def _stamp(model: "Model", world: World, site: int, op: Op) -> list[Move]:
    return send(world, op, Call(Verb.STAMP, site, -1, op.id, site, epoch=op.epoch))


def _fence(model: "Model", world: World, site: int, op: Op) -> list[Move]:
    call = to_fence(model, world, site, op)
    return send(world, op, call) if call else go(world, op, Step.F_SWEEP, "the peer is fenced, or does not answer")


def _sweep(model: "Model", world: World, site: int, op: Op) -> list[Move]:
    call = to_sweep(model, world, site, op)
    return send(world, op, call) if call else go(world, op, Step.F_PICK, f"nothing foreign is left on {NAMES[site]}")


def _pick(model: "Model", world: World, site: int, op: Op) -> list[Move]:
    """Chosen once, and recorded before it is used."""
    if op.point >= 0:
        return go(world, op, Step.F_COPY, "keeps its recovery point")
    chosen = points.choose(model, world, site, op.id)
    if chosen is None:
        row = world.rows[site]._replace(claim=Claimed.REVOKED, trouble=True)
        return [Move(f"{who(op)}: no recovery point: ends", world.with_op(site, None).with_row(site, row))]
    then = world.with_op(site, op._replace(step=Step.F_COPY, point=chosen.content, parent=chosen.epoch))
    label = f"{who(op)}: takes recovery point {chosen.content:b} (epoch {chosen.epoch})"
    return [Move(label, then, points.breaks(world, site, op.id, chosen))]


def _copy(model: "Model", world: World, site: int, op: Op) -> list[Move]:
    if world.made_by(op.id) >= 0:
        return go(world, op, Step.F_CREATE, "copy is there")
    return send(world, op, Call(Verb.COPY, site, -1, op.id, site, op.epoch, op.parent, op.point))


def _create(model: "Model", world: World, site: int, op: Op, higher: bool) -> list[Move]:
    own = world.made_by(op.id)
    made = world.copies[own]
    runs = made.server is Server.RUNNING
    if runs and (model.rules.KEY_BY_OP or made.lease == op.lease):
        return go(world, op, Step.F_COMMIT, "server is there")
    if to_fence(model, world, site, op):
        return go(world, op, Step.F_FENCE, "the peer answers now: fences it first")
    if to_sweep(model, world, site, op):
        return go(world, op, Step.F_SWEEP, "something foreign appeared: sweeps again")
    if runs:
        return go(world, op, Step.F_COMMIT, "create would be refused, volume in use: takes the server that holds it")
    if made.locked:
        return send(world, op, Call(Verb.UNLOCK, site, own, op.id, site))
    verb = Verb.START if made.server in (Server.STOPPED, Server.DOWN) else Verb.CREATE
    call = Call(verb, site, own, op.id, site, epoch=op.lease)
    return send(world, op, call, start_breaks(world, own, higher=higher))


def _commit(model: "Model", world: World, site: int, op: Op) -> list[Move]:
    own = world.made_by(op.id)
    if world.copies[own].server is not Server.RUNNING:
        return go(world, op, Step.F_CREATE, "its server does not run")
    row, past = world.rows[site], Past(op.epoch, op.parent, site, op.id)
    after = rows.commit(row, past) if model.rules.CLAIM else rows.commit_unchecked(row, past)
    if after is None:
        return [Move(f"{who(op)}: its claim is lost: ends", world.with_op(site, None).troubled(site))]
    done = calls.activate(world.with_row(site, after._replace(owes=True)), own, op.epoch, lossy=True)
    then = done.world.with_op(site, op._replace(step=Step.F_END, done=True))
    return [Move(f"{who(op)}: commits epoch {op.epoch}, active {NAMES[site]}; the ledger is open", then, done.broken)]


def _end(model: "Model", world: World, site: int, op: Op) -> list[Move]:
    if model.rules.DRAIN and any(call.operation == op.id for call in world.late):
        return []
    return [Move(f"{who(op)}: ends (completed)", world.with_op(site, None))]


_STEPS: "dict[Step, Callable[[Model, World, int, Op], list[Move]]]" = {
    Step.F_STAMP: _stamp,
    Step.F_FENCE: _fence,
    Step.F_SWEEP: _sweep,
    Step.F_PICK: _pick,
    Step.F_COPY: _copy,
    Step.F_COMMIT: _commit,
    Step.F_END: _end,
}
