"""What the receiver of a call does, and nothing else: no look-up, no check that the real one does not make.

Nova and Cinder do refuse by themselves: a volume boots one server at a time, an attached volume is not deleted, a name exists once, a locked
server is not started with a member's token, an unbootable volume is not booted. The databases compare and swap. An array asks nobody.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from . import rows
from .rules import Property
from .state import ABSENT, PRESENT, WITH_CONTENT, Call, Copy, Past, Row, Server, Verb, Volume, World

if TYPE_CHECKING:
    from .model import Model

MOST_COPIES = 12


class TooManyCopies(Exception):
    """The branch is cut, and counted: nothing of interest needs so many."""


class Applied(NamedTuple):
    world: World
    accepted: bool = True
    broken: str | None = None


def apply(model: "Model", world: World, call: Call, *, late: bool = False) -> Applied:
    if late and call.verb in (Verb.START, Verb.CREATE):
        done = _RECEIVERS[call.verb](model, world, call)
        if done.world is world:
            return done
        return done._replace(broken=second_running(model, world, done.world, call.copy, call.operation))
    if late and call.verb is Verb.OVERWRITE:  # the server that used the volume is not asked
        return Applied(world.with_copy(call.copy, world.copies[call.copy]._replace(data=call.content)))
    return _RECEIVERS[call.verb](model, world, call)


def second_running(model: "Model", world: World, then: World, index: int, operation: int = 0) -> str | None:
    """A late call or a tenant has just started copy `index` while another one runs. Excused only where a fence was still to come anyhow, because
    the link was cut a moment ago."""
    from . import duties, forced

    if not then.connected or len(then.running()) < 2:
        return None
    here = world.copies[index].site
    for site in (0, 1):
        op = world.ops[site]
        fencing = op is not None and forced.is_forced(op) and (op.id == operation or site != here)
        if fencing and op is not None and forced.to_fence(model, world, site, op):
            return None
    return None if any(move.fence for move in duties.moves(model, world, here)) else Property.LATE_SECOND.name


# ------------------------------------------------------------------------------------------------ databases


def _hold_at(world: World, site: int) -> int:
    op = world.ops[site]
    return op.id if op else 0


def _claim(model: "Model", world: World, call: Call) -> Applied:
    """`epoch` is the sender's base, `content` the newest number it knows."""
    row = world.rows[call.at]
    answer = rows.claim(row, _hold_at(world, call.at), call.at, call.operation, call.epoch, call.content)
    if answer is None:
        return Applied(world, False)
    return Applied(world.with_row(call.at, numbered(model, row, answer, call.content)))


def numbered(model: "Model", before: Row, after: Row, newest: int) -> Row:
    """Without SITE_NUMBERS the two databases count alike."""
    if model.rules.SITE_NUMBERS or after == before:
        return after
    return after._replace(claim_epoch=max(rows.newest_known(before), newest) + 1)


def _commit(model: "Model", world: World, call: Call) -> Applied:
    row, past = world.rows[call.at], Past(call.epoch, call.parent, call.at, call.operation)
    if rows.committed(row, call.operation, call.epoch):
        return Applied(world)
    answer = rows.commit(row, past)
    if not model.rules.CLAIM and row.epoch < call.epoch:
        answer = rows.commit_unchecked(row, past)
    if answer is None:
        return Applied(world, False)
    return activate(world.with_row(call.at, answer), call.copy, call.epoch, lossy=call.flag)


def activate(world: World, index: int, epoch: int, *, lossy: bool) -> Applied:
    """What a commit means for the world. A late one of a lower epoch activates nothing."""
    truth, copy = world.truth, world.copies[index]
    have, had = copy.data, world.copies[truth.copy].data
    if world.rows[copy.site].epoch == epoch:
        world = world.with_copy(index, copy._replace(accepted=True))
    if epoch < truth.epoch:
        return Applied(world)
    left = truth.left
    if not lossy:
        left = (left[0], had & have) if copy.site == 0 else (had & have, left[1])
    broken = Property.PLANNED_LOSS.name if not lossy and had & ~have else None
    return Applied(world._replace(truth=truth._replace(epoch=epoch, copy=index, left=left)), True, broken)


def adopted(world: World, site: int, row: Row) -> World:
    """`site` has taken a record over: a copy of its own that the record names is accepted there now."""
    world = world.with_row(site, row)
    for i, c in enumerate(world.copies):
        if row.active == site == c.site and c.epoch == row.epoch and not c.accepted:
            world = world.with_copy(i, c._replace(accepted=True))
    return world


def _revoke(model: "Model", world: World, call: Call) -> Applied:
    row, undone = rows.revoke(world.rows[call.at], call.operation)
    return Applied(world.with_row(call.at, row), undone)


def _fence(model: "Model", world: World, call: Call) -> Applied:
    return Applied(world.with_row(call.at, rows.fence(world.rows[call.at], call.epoch)))


def _push(model: "Model", world: World, call: Call) -> Applied:
    assert call.row is not None
    row = rows.adopt(world.rows[call.at], _hold_at(world, call.at), call.row)
    return Applied(world if row is None else adopted(world, call.at, row))


def _hold(model: "Model", world: World, call: Call) -> Applied:
    return Applied(world.with_row(call.at, rows.hold(world.rows[call.at], _hold_at(world, call.at), call.operation)))


def _release(model: "Model", world: World, call: Call) -> Applied:
    return Applied(world.with_row(call.at, rows.release(world.rows[call.at], call.operation)))


# ------------------------------------------------------------------------------------------------ arrays and Cinder


def _stamp(model: "Model", world: World, call: Call) -> Applied:
    array = world.arrays[call.at]
    tag = max(call.epoch, array.tag) if model.rules.TAG_MONO else call.epoch
    broken = Property.TAG_FELL.name if tag < array.tag else None
    return Applied(world.with_array(call.at, array._replace(tag=tag)), True, broken)


def _snapshot(model: "Model", world: World, call: Call) -> Applied:
    """The source's content at this moment arrives whole on `at`."""
    array = world.arrays[call.at]._replace(point_of=call.copy, point=world.copies[call.copy].data)
    return Applied(world.with_array(call.at, array))


def _copy(model: "Model", world: World, call: Call) -> Applied:
    """Named by the operation: a second one is refused."""
    own = world.made_by(call.operation)
    if own >= 0:
        return Applied(world, world.copies[own].volume is Volume.BOOTABLE)
    if len(world.copies) >= MOST_COPIES:
        raise TooManyCopies
    made = Copy(call.at, call.operation, call.epoch, call.parent, call.content)
    return Applied(world._replace(copies=(*world.copies, made)))


def _overwrite(model: "Model", world: World, call: Call) -> Applied:
    old = world.copies[call.copy]
    made = Copy(call.at, call.operation, call.epoch, call.parent, call.content, schedule=old.schedule)
    return Applied(world.with_copy(call.copy, made))


def _schedule(model: "Model", world: World, call: Call) -> Applied:
    on = call.verb is Verb.SCHEDULE_ON
    return Applied(world.with_copy(call.copy, world.copies[call.copy]._replace(schedule=on)))


def _destroy(model: "Model", world: World, call: Call) -> Applied:
    """Of a copy that was never accepted. `flag`: its content is to be kept."""
    c = world.copies[call.copy]
    if c.server not in ABSENT:
        return Applied(world, False)
    if c.volume is Volume.BOOTABLE:
        keep = call.flag or (model.rules.QUARANTINE and c.server is Server.DELETED)
        world = world.with_copy(call.copy, c._replace(volume=Volume.UNBOOTABLE if keep else Volume.DELETED))
    return Applied(world)


def _delete_volume(model: "Model", world: World, call: Call) -> Applied:
    c = world.copies[call.copy]
    if c.server not in ABSENT or c.volume not in WITH_CONTENT:
        return Applied(world, c.volume is Volume.DELETED)
    return Applied(world.with_copy(call.copy, c._replace(volume=Volume.DELETED, schedule=False)))


def _burn(model: "Model", world: World, call: Call) -> Applied:
    c = world.copies[call.copy]
    if c.volume is Volume.BOOTABLE:
        world = world.with_copy(call.copy, c._replace(volume=Volume.UNBOOTABLE))
    return Applied(world)


# ------------------------------------------------------------------------------------------------ Nova


def _lock(model: "Model", world: World, call: Call) -> Applied:
    c = world.copies[call.copy]
    locked = call.verb is Verb.LOCK
    if locked and c.server not in PRESENT:
        return Applied(world)
    return Applied(world.with_copy(call.copy, c._replace(locked=locked)))


def _stop(model: "Model", world: World, call: Call) -> Applied:
    """With an admin's token: no lock refuses it."""
    c = world.copies[call.copy]
    if c.server in PRESENT:
        world = world.with_copy(call.copy, c._replace(server=Server.STOPPED))
    return Applied(world)


def _start(model: "Model", world: World, call: Call) -> Applied:
    """With a member's token: a lock refuses it."""
    c = world.copies[call.copy]
    if c.locked or c.server not in (Server.STOPPED, Server.DOWN):
        return Applied(world, c.server is Server.RUNNING)
    return Applied(world.with_copy(call.copy, c._replace(server=Server.RUNNING)))


def _create(model: "Model", world: World, call: Call) -> Applied:
    """`epoch` is the lease of the engine that sends it."""
    c = world.copies[call.copy]
    if c.volume is not Volume.BOOTABLE or c.server not in ABSENT:
        return Applied(world, False)
    return Applied(world.with_copy(call.copy, c._replace(server=Server.RUNNING, lease=call.epoch, locked=False)))


def _delete_server(model: "Model", world: World, call: Call) -> Applied:
    c = world.copies[call.copy]
    if c.server is not Server.NONE:
        world = world.with_copy(call.copy, c._replace(server=Server.DELETED, locked=False))
    return Applied(world)


_RECEIVERS: dict[Verb, Callable[["Model", World, Call], Applied]] = {
    Verb.CLAIM: _claim,
    Verb.COMMIT: _commit,
    Verb.REVOKE: _revoke,
    Verb.FENCE: _fence,
    Verb.PUSH: _push,
    Verb.HOLD: _hold,
    Verb.RELEASE: _release,
    Verb.STAMP: _stamp,
    Verb.SNAPSHOT: _snapshot,
    Verb.COPY: _copy,
    Verb.OVERWRITE: _overwrite,
    Verb.SCHEDULE_OFF: _schedule,
    Verb.SCHEDULE_ON: _schedule,
    Verb.DESTROY: _destroy,
    Verb.DELETE_VOLUME: _delete_volume,
    Verb.BURN: _burn,
    Verb.LOCK: _lock,
    Verb.UNLOCK: _lock,
    Verb.STOP: _stop,
    Verb.START: _start,
    Verb.CREATE: _create,
    Verb.DELETE_SERVER: _delete_server,
}
