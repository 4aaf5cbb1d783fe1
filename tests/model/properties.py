"""What is looked at after every move, and in every state in which the protocol would do nothing more."""

from typing import TYPE_CHECKING

from .rules import Property
from .state import WITH_CONTENT, Server, Step, Volume, World

if TYPE_CHECKING:
    from .model import Model


def broken(before: World, after: World) -> list[str]:
    found: list[str] = []
    epochs = [after.copies[i].epoch for i in after.running()]
    if len(set(epochs)) < len(epochs):
        found.append(Property.TWO_IN_ONE_EPOCH.name)
    active = after.copies[after.truth.copy]
    same = before.truth.copy == after.truth.copy
    if active.volume is Volume.DELETED or (same and before.copies[before.truth.copy].data & ~active.data):
        found.append(Property.ACTIVE_DAMAGED.name)
    left = after.arrays[0].point | after.arrays[1].point
    for c in after.copies:
        if c.volume in WITH_CONTENT:
            left |= c.data
    if after.truth.written & ~left:
        found.append(Property.LAST_CONTENT.name)
    a, b = after.rows
    if a.wrote & b.wrote:
        found.append(Property.TWO_WRITERS.name)
    if a.active == 1 and (a.epoch, a.version) > (b.epoch, b.version):
        found.append(Property.ACTIVE_OLDER.name)
    if b.active == 0 and (b.epoch, b.version) > (a.epoch, a.version):
        found.append(Property.ACTIVE_OLDER.name)
    return found


def at_rest(model: "Model", world: World) -> str | None:
    for site in (0, 1):
        if world.up[site] and not _may_wait(model, world, site):
            return Property.STUCK.name
    if world.connected and len(world.running()) > 1:
        return Property.TWO_AT_REST.name
    a, b = world.rows
    excused = a.owes or b.owes or a.trouble or b.trouble or world.ops[0] or world.ops[1]
    if world.connected and not excused and (a.epoch, a.version, a.active) != (b.epoch, b.version, b.active):
        return Property.DIVERGED.name
    active = world.copies[world.truth.copy]
    if world.up[active.site] and not world.ops[active.site] and not world.rows[active.site].trouble:
        if active.server not in (Server.RUNNING, Server.DOWN):
            return Property.SERVICE_DOWN.name
        if active.server is Server.RUNNING and active.locked:
            return Property.LEFT_LOCKED.name
    return None


def _may_wait(model: "Model", world: World, site: int) -> bool:
    """No operation, or one that waits for its target (HANDOVER), or for the last call that may still arrive (DRAIN)."""
    op = world.ops[site]
    if op is None:
        return True
    undoing = op.step in (Step.U_REVOKE, Step.U_DELETE_SERVER, Step.U_DESTROY)
    if undoing and not world.reaches(site, op.target):
        return True
    return model.rules.DRAIN and any(call.operation == op.id for call in world.late)
