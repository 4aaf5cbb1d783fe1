"""A planned move (failover, failback), and a failback by force; run by the engine of the site that was asked. Undo is in `undo.py`."""

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING

from . import calls, points, rows, undo
from .acting import go, send, start_breaks, who
from .state import ABSENT, PRESENT, WITH_CONTENT, Call, Copy, Move, Op, Past, Server, Step, Verb, Volume, World

if TYPE_CHECKING:
    from .model import Model


@dataclasses.dataclass(frozen=True)
class Scene:
    """What a step sees: its own copy on the target (`own`, -1: none yet), the original on the source, who answers."""

    model: "Model"
    world: World
    op: Op
    higher: bool
    own: int
    made: Copy | None
    original: Copy
    target_answers: bool
    source_answers: bool

    def go(self, step: Step, why: str) -> list[Move]:
        return go(self.world, self.op, step, why)

    def roll_back(self, why: str) -> list[Move]:
        return self.go(Step.U_REVOKE, f"{why}: rolls back")

    def call(self, verb: Verb, at: int, copy: int = -1, *, broken: str | None = None, epoch: int = 0) -> list[Move]:
        return send(self.world, self.op, Call(verb, at, copy, self.op.id, self.op.at, epoch=epoch), broken)

    def newer_tag(self, site: int) -> bool:
        """The check on the array where a step acts: a higher epoch was stamped there; on the source also one above the base."""
        tag = self.world.arrays[site].tag
        return tag > self.op.epoch or (site == self.op.source and not self.op.done and tag > self.op.base)


def moves(model: "Model", world: World, site: int, op: Op, higher: bool) -> list[Move]:
    own = world.made_by(op.id)
    scene = Scene(
        model,
        world,
        op,
        higher,
        own,
        world.copies[own] if own >= 0 else None,
        world.copies[op.original],
        world.reaches(site, op.target),
        world.reaches(site, op.source),
    )
    return (_FORWARD.get(op.step) or undo.STEPS[op.step])(scene)


def _hold(s: Scene) -> list[Move]:
    peer = 1 - s.op.at
    if s.model.silent_hold or not s.world.reaches(s.op.at, peer):
        return s.go(Step.CLAIM, "starts")
    return s.call(Verb.HOLD, peer)


def _claim(s: Scene) -> list[Move]:
    if not s.model.rules.CLAIM:
        return s.go(Step.STOP, "goes on")
    if not s.target_answers:
        return s.go(Step.RELEASE, "target unreachable, nothing was done")
    newest = rows.newest_known(s.world.rows[s.op.at])
    call = Call(Verb.CLAIM, s.op.target, -1, s.op.id, s.op.at, epoch=s.op.base, content=newest)
    return send(s.world, s.op, call)


def _stamp(s: Scene) -> list[Move]:
    if not s.target_answers:
        return s.roll_back("target unreachable")
    return s.call(Verb.STAMP, s.op.target, epoch=s.op.epoch)


def _stop(s: Scene) -> list[Move]:
    if not s.source_answers or s.newer_tag(s.op.source):
        return s.roll_back("source unreachable, or a newer tag")
    if s.model.rules.LOCK and not s.original.locked and s.original.server in PRESENT:
        return s.call(Verb.LOCK, s.op.source, s.op.original)
    if s.original.server is Server.RUNNING:
        return s.call(Verb.STOP, s.op.source, s.op.original)
    return s.go(Step.SNAPSHOT, "source is seen stopped")


def _snapshot(s: Scene) -> list[Move]:
    both = s.target_answers and s.source_answers
    if not both or s.newer_tag(s.op.target) or s.newer_tag(s.op.source):
        return s.roll_back("a site is unreachable, or has a newer tag")
    if not s.op.lossy:
        return s.call(Verb.SNAPSHOT, s.op.target, s.op.original)
    found = points.choose(s.model, s.world, s.op.target, s.op.id)
    if found is None:
        return s.roll_back("no recovery point")
    op = s.op._replace(point=found.content, parent=found.epoch)
    return go(s.world, op, Step.COPY, f"takes recovery point {found.content:b}, loss accepted")


def _copy(s: Scene) -> list[Move]:
    if not s.target_answers or s.newer_tag(s.op.target):
        return s.roll_back("target unreachable, or a newer tag")
    if s.made and s.made.volume is Volume.BOOTABLE:
        return s.go(Step.CREATE, "copy is there")
    verb, index = Verb.COPY, -1
    if not s.model.rules.NEW_OBJECTS:
        verb, index = next(
            ((Verb.OVERWRITE, i) for i, c in enumerate(s.world.copies) if _reusable(c, s.op.target)), (verb, index)
        )
    call = Call(verb, s.op.target, index, s.op.id, s.op.at, s.op.epoch, s.op.parent, s.op.point)
    return send(s.world, s.op, call)


def _reusable(copy: Copy, site: int) -> bool:
    return copy.site == site and copy.accepted and copy.volume in WITH_CONTENT and copy.server in ABSENT


def _create(s: Scene) -> list[Move]:
    if not s.target_answers or s.newer_tag(s.op.target):
        return s.roll_back("target unreachable, or a newer tag")
    if s.made is None or s.made.volume is not Volume.BOOTABLE:
        return s.roll_back("copy is gone")
    if s.made.server is Server.RUNNING and (s.model.rules.KEY_BY_OP or s.made.lease == s.op.lease):
        return s.go(Step.COMMIT, "server is there")
    op, broken = s.op._replace(handed=True), start_breaks(s.world, s.own, higher=s.higher)
    verb = Verb.START if s.made.server in (Server.STOPPED, Server.DOWN) else Verb.CREATE
    return send(s.world, op, Call(verb, op.target, s.own, op.id, op.at, epoch=op.lease), broken)


def _commit(s: Scene) -> list[Move]:
    rules, target = s.model.rules, s.op.target
    if rules.TARGET_COMMITS and not s.target_answers:
        return s.roll_back("target unreachable")
    if rules.TARGET_COMMITS and rows.committed(s.world.rows[target], s.op.id, s.op.epoch):
        return s.go(Step.LEARN, "target has committed")
    runs = s.made is not None and s.made.server is Server.RUNNING
    if s.target_answers and (not runs or (rules.TARGET_COMMITS and s.newer_tag(target))):
        return s.roll_back("target's server does not run, or a newer tag")
    if not rules.TARGET_COMMITS:
        return _commit_here(s)
    op = s.op
    call = Call(Verb.COMMIT, target, s.own, op.id, op.at, epoch=op.epoch, parent=op.parent, flag=op.lossy)
    return send(s.world, op, call)


def _commit_here(s: Scene) -> list[Move]:
    op = s.op
    row = rows.commit_unchecked(s.world.rows[op.at], Past(op.epoch, op.parent, op.target, op.id))
    done = calls.activate(s.world.with_row(op.at, row), s.own, op.epoch, lossy=op.lossy)
    then = done.world.with_op(op.at, op._replace(step=Step.LEARN, done=True))
    return [Move(f"{who(op)}: commits epoch {op.epoch} in its own database", then, done.broken)]


def _learn(s: Scene) -> list[Move]:
    op = s.op
    row, peer = s.world.rows[op.at], 1 - op.at
    if s.model.rules.TARGET_COMMITS and row.epoch >= op.epoch:  # a push of the target was faster
        return go(s.world, op._replace(done=True), Step.STAMP_AGAIN, "has learnt already")
    if not s.model.rules.TARGET_COMMITS:
        if not s.world.reaches(op.at, peer):
            return s.go(Step.STAMP_AGAIN, "peer unreachable, record not pushed")
        return send(s.world, op, Call(Verb.PUSH, peer, -1, op.id, op.at, row=rows.document(row)))
    past = Past(op.epoch, op.parent, op.target, op.id)
    told = row._replace(
        epoch=op.epoch, version=row.version + 1, active=op.target, trouble=False, lineage=(*row.lineage, past)
    )
    learnt = rows.adopt(row, op.id, told) or row
    then = s.world.with_row(op.at, learnt).with_op(op.at, op._replace(step=Step.STAMP_AGAIN, done=True))
    return [Move(f"{who(op)}: its own database learns epoch {op.epoch}", then)]


def _stamp_again(s: Scene) -> list[Move]:
    tagged = s.world.arrays[s.op.target].tag >= s.op.epoch
    if s.model.rules.CLAIM or not s.target_answers or tagged:
        return s.go(Step.OLD_SCHEDULE, "goes on to the clean-up")
    return s.call(Verb.STAMP, s.op.target, epoch=s.op.epoch)


def _old_schedule(s: Scene) -> list[Move]:
    if s.source_answers and s.original.schedule:
        return s.call(Verb.SCHEDULE_OFF, s.op.source, s.op.original)
    return s.go(Step.NEW_SCHEDULE, "the old schedule is off, or out of reach")


def _new_schedule(s: Scene) -> list[Move]:
    if s.target_answers and s.made is not None and not s.made.schedule:
        return s.call(Verb.SCHEDULE_ON, s.op.target, s.own)
    return s.go(Step.BURN, "the new schedule is on, or out of reach")


def _clean_up(step: Callable[[Scene], list[Move]]) -> Callable[[Scene], list[Move]]:
    def guarded(s: Scene) -> list[Move]:
        if not s.source_answers or s.newer_tag(s.op.source):
            return s.go(Step.RELEASE, "source out of reach: the clean-up goes to steps_failed")
        return step(s)

    return guarded


@_clean_up
def _burn(s: Scene) -> list[Move]:
    if s.model.rules.BURN and s.original.volume is Volume.BOOTABLE:
        return s.call(Verb.BURN, s.op.source, s.op.original)
    return s.go(Step.DELETE_SERVER, "the source volume boots no more")


@_clean_up
def _delete_server(s: Scene) -> list[Move]:
    if s.original.server in ABSENT:
        return s.go(Step.DELETE_VOLUME, "no source server")
    return s.call(Verb.DELETE_SERVER, s.op.source, s.op.original)


@_clean_up
def _delete_volume(s: Scene) -> list[Move]:
    rules = s.model.rules
    needed = rules.KEEP_SOURCE and s.world.arrays[s.op.source].point_of != s.own
    keep = needed or (rules.KEEP_STALE and s.op.lossy) or s.model.retain
    if keep or s.original.volume is Volume.DELETED:
        return s.go(Step.RELEASE, "source volume is kept, or gone")
    return s.call(Verb.DELETE_VOLUME, s.op.source, s.op.original)


_FORWARD: dict[Step, Callable[[Scene], list[Move]]] = {
    Step.HOLD: _hold,
    Step.CLAIM: _claim,
    Step.STAMP: _stamp,
    Step.STOP: _stop,
    Step.SNAPSHOT: _snapshot,
    Step.COPY: _copy,
    Step.CREATE: _create,
    Step.COMMIT: _commit,
    Step.LEARN: _learn,
    Step.STAMP_AGAIN: _stamp_again,
    Step.OLD_SCHEDULE: _old_schedule,
    Step.NEW_SCHEDULE: _new_schedule,
    Step.BURN: _burn,
    Step.DELETE_SERVER: _delete_server,
    Step.DELETE_VOLUME: _delete_volume,
}
