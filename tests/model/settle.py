"""sync-force (fence the peer, pay what is owed there, push), and a change of the metadata."""

from typing import TYPE_CHECKING

from . import rows
from .acting import go, send, who
from .state import WITH_CONTENT, Call, Move, Op, Server, Step, Verb, Volume, World

if TYPE_CHECKING:
    from .model import Model


def moves(model: "Model", world: World, site: int, op: Op, higher: bool) -> list[Move]:
    peer, row = 1 - site, world.rows[site]
    if not world.connected:
        return [Move(f"{who(op)}: the peer is lost again: ends, the debts stay", world.with_op(site, None))]
    if op.step is Step.S_PAY:
        call = _next_debt(model, world, site, op)
        return send(world, op, call) if call else go(world, op, Step.S_PUSH, "the debts are paid")
    if op.step is Step.S_PUSH:
        return send(world, op, Call(Verb.PUSH, peer, -1, op.id, site, row=rows.document(row)))
    then = world.with_op(site, None).with_row(site, row._replace(owes=False))
    return [Move(f"{who(op)}: ends, SYNCED", then)]


def _next_debt(model: "Model", world: World, site: int, op: Op) -> Call | None:
    """Servers stop first; KEEP_STALE: a volume whose loss was accepted is never a debt."""
    peer, epoch = 1 - site, world.rows[site].epoch
    old = [(i, c) for i, c in enumerate(world.copies) if c.site == peer and c.epoch < epoch]
    due = [(Verb.STOP, i) for i, c in old if c.server is Server.RUNNING]
    due += [(Verb.SCHEDULE_OFF, i) for i, c in old if c.schedule]
    if model.rules.BURN:
        due += [(Verb.BURN, i) for i, c in old if c.volume is Volume.BOOTABLE]
    due += [(Verb.DELETE_SERVER, i) for i, c in old if c.server in (Server.STOPPED, Server.DOWN)]
    if not model.rules.KEEP_STALE:
        due += [(Verb.DELETE_VOLUME, i) for i, c in old if c.volume in WITH_CONTENT]
    return Call(due[0][0], peer, due[0][1], op.id, site) if due else None


def change(model: "Model", world: World, site: int, op: Op, higher: bool) -> list[Move]:
    """Checked before, committed here, then pushed; a push that does not arrive leaves the peer to ask."""
    row = world.rows[site]
    if op.step is Step.M_COMMIT:
        changed = row._replace(version=row.version + 1, wrote=row.wrote | 1 << row.epoch)
        then = world.with_row(site, changed).with_op(site, op._replace(step=Step.M_PUSH))
        return [Move(f"{who(op)}: commits a change: ({row.epoch}, {row.version + 1})", then)]
    if op.step is Step.M_PUSH and world.connected:
        return send(world, op, Call(Verb.PUSH, 1 - site, -1, op.id, site, row=rows.document(row)))
    return [Move(f"{who(op)}: ends", world.with_op(site, None))]
