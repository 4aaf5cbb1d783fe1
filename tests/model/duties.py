"""What a site's Protector does by itself, at start and while running, without a user."""

from typing import TYPE_CHECKING

from . import calls, rows
from .rules import Property
from .state import NAMES, PRESENT, Claimed, Copy, Kind, Move, Op, Server, Step, Volume, World

if TYPE_CHECKING:
    from .model import Model

MOST_LATE = 3
"""Late calls at a time."""


def moves(model: "Model", world: World, site: int) -> list[Move]:
    found: list[Move] = []
    if model.rules.RETURN_ASKS:
        found += _adopt(model, world, site)
        found += _fence_own(model, world, site)
        found += _pay(world, site)
    if model.rules.WATCH_UP:
        found += _watch_up(world, site)
    return found


def live_claim(world: World, site: int) -> bool:
    """An operation runs at `site` under the newest claim there."""
    op, row = world.ops[site], world.rows[site]
    return op is not None and row.claim is Claimed.OPEN and row.claim_by == op.id


def _adopt(model: "Model", world: World, site: int) -> list[Move]:
    """RETURN_ASKS: a peer's newer record is taken over; a higher epoch ends the operation here without undo."""
    if not world.connected:
        return []
    row, peer, op, peer_op = world.rows[site], world.rows[1 - site], world.ops[site], world.ops[1 - site]
    moved = peer.epoch > row.epoch
    peer_hold = peer_op.id if peer_op else 0
    if op is not None and moved and rows.heed(row, op.id, op.id, op.epoch, peer, peer_hold) != "adopt":
        return []  # the operation goes on: the move is its own, or its claim is higher
    newest = rows.adopt(row, op.id if op else 0, rows.document(peer))
    if newest is None:
        return []
    then = calls.adopted(world, site, newest)
    label = f"{NAMES[site]}: asks its peer and adopts ({peer.epoch}, {peer.version}), active {NAMES[peer.active]}"
    if moved and op is not None:
        label += f"; drops op{op.id} without undo"
        then = then.with_op(site, None)
        if op.call is not None and len(then.late) < MOST_LATE:
            then = then._replace(late=tuple(sorted((*then.late, op.call))))
    return [Move(label, then, fence=True)]


def _fence_own(model: "Model", world: World, site: int) -> list[Move]:
    """Servers of lower epochs here are stopped and locked, free volumes of them made unbootable: one at a time."""
    op, row = world.ops[site], world.rows[site]
    if op is not None and op.kind is Kind.PLANNED:
        return []
    bar = max(row.epoch, row.fence)
    for i, c in enumerate(world.copies):
        if c.site != site or c.epoch >= bar:
            continue
        there = c.server in PRESENT
        if (there and (c.server is Server.RUNNING or (model.rules.LOCK and not c.locked))) or c.schedule:
            stopped = c._replace(
                server=Server.STOPPED if there else c.server, locked=model.rules.LOCK and there, schedule=False
            )
            return [_fenced(world, site, i, stopped, bar, "stops and locks")]
        if model.rules.BURN and c.volume is Volume.BOOTABLE and not there:
            return [_fenced(world, site, i, c._replace(volume=Volume.UNBOOTABLE), bar, "makes unbootable")]
    return []


def _fenced(world: World, site: int, index: int, copy: Copy, bar: int, what: str) -> Move:
    label = f"{NAMES[site]}: {what} copy {index} (epoch {copy.epoch} < {bar})"
    return Move(label, world.with_copy(index, copy), fence=True)


def _pay(world: World, site: int) -> list[Move]:
    row, peer = world.rows[site], world.rows[1 - site]
    owing = row.owes and row.active == site and world.ops[site] is None
    if not (owing and world.connected and peer.epoch == row.epoch) or live_claim(world, 1 - site):
        return []
    return [
        Move(f"{NAMES[site]}: starts to pay the debts", begin(world, site, Kind.SETTLE, 1 - site, 1 - site, Step.S_PAY))
    ]


def _watch_up(world: World, site: int) -> list[Move]:
    row, peer = world.rows[site], world.rows[1 - site]
    if row.active != site or world.ops[site] or row.trouble or row.pushed_hold or row.fence > row.epoch:
        return []
    agreed = (peer.epoch, peer.version) == (row.epoch, row.version) and not live_claim(world, 1 - site)
    if world.connected and not agreed:
        return []
    found = []
    for i, c in enumerate(world.copies):
        current = c.site == site and c.accepted and c.epoch == row.epoch and c.volume is Volume.BOOTABLE
        if current and (c.server is Server.STOPPED or (c.server is Server.RUNNING and c.locked)):
            then = world.with_copy(i, c._replace(server=Server.RUNNING, locked=False))
            second = world.connected and c.server is not Server.RUNNING and len(then.running()) > 1
            broken = Property.SECOND_START.name if second else None
            found.append(
                Move(f"{NAMES[site]}: finds active copy {i} stopped or locked at rest: puts it right", then, broken)
            )
    return found


def begin(
    world: World, site: int, kind: Kind, source: int, target: int, step: Step, epoch: int = 0, *, lossy: bool = False
) -> World:
    row, truth = world.rows[site], world.truth
    original = next((i for i, c in enumerate(world.copies) if c.accepted and c.epoch == row.epoch), truth.copy)
    op = Op(kind, truth.next_id, site, source, target, original, row.epoch, epoch, step, parent=row.epoch, lossy=lossy)
    return world._replace(truth=truth._replace(next_id=truth.next_id + 1)).with_op(site, op)
