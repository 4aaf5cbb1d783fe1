"""Each of the runner's protections is needed: taken out, the promises are seen to break. So the property tests can fail."""

import asyncio
import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from siterecovery.workflow import run as run_module
from siterecovery.workflow import runner as runner_module
from siterecovery.workflow.flow import Node, Together
from siterecovery.workflow.flow import Sequence as InSequence
from siterecovery.workflow.journal import Entry, MemoryJournal, State, Write
from siterecovery.workflow.lease import Hold
from siterecovery.workflow.record import UNDO, Record
from siterecovery.workflow.run import Run
from siterecovery.workflow.step import Step
from support.workflow import plans, steps, sweep
from support.workflow.trial import Backend, MemoryBackend


def broken_promise(*wanted: plans.Plan, backend: Callable[[], Backend] = MemoryBackend, **options: Any) -> str:
    """The first promise that a single fault breaks, or none: the empty string."""
    for plan in wanted or sweep.PLANS.values():
        for fault, trial in sweep.single_faults(plan, backend=backend, **options):
            if trial.violations:
                print(f"{fault}: {trial.violations[0]}")
                return trial.violations[0]
    return ""


def run_as(monkeypatch: pytest.MonkeyPatch, kind: type[Run]) -> None:
    monkeypatch.setattr(runner_module, "Run", kind)


# ---------------------------------------------------------------------------------------------------- journal and lease


class Unguarded(MemoryJournal):
    """Takes every owner's writes, whatever their epoch."""

    def commit(self, writes: Sequence[Write]) -> Sequence[Exception | None]:
        newest = {write.operation: self._epochs[write.operation] for write in writes}
        return super().commit([dataclasses.replace(write, epoch=newest[write.operation]) for write in writes])


class UnguardedBackend(MemoryBackend):
    def __init__(self) -> None:
        super().__init__()
        self.journal = self.closable.journal = Unguarded()


def test_without_the_epoch_a_woken_owner_writes() -> None:
    """Fencing: a journal that does not compare epochs lets a predecessor write into its successor's run."""
    assert broken_promise(sweep.TAKEN_BACK, backend=UnguardedBackend)


class Credulous(Hold):
    """Believes for ever that it has the lease."""

    @property
    def held(self) -> bool:
        return True


def test_without_the_hold_a_woken_owner_acts() -> None:
    """The check before each call: an owner that never doubts its lease creates and deletes behind its successor's back."""
    assert broken_promise(sweep.WHOLE, make_hold=Credulous, backend=UnguardedBackend)


class Hasty(MemoryBackend):
    def __init__(self) -> None:
        super().__init__(drain=0.0)


def test_without_the_drain_what_comes_late_stays() -> None:
    """The end waits until no call of an earlier owner can arrive; one that does not wait leaves what comes late: the quicker the world, the more."""
    assert broken_promise(backend=Hasty, latencies=(0.1,))


# ---------------------------------------------------------------------------------------------------- the run


class Forgetful(Run):
    """Acts first and writes down afterwards."""

    async def _write(self, *entries: Entry, changes: tuple[Any, ...] = ()) -> None:
        kept = tuple(entry for entry in entries if entry.step.startswith("#") or entry.state is not State.STARTED)
        if kept:
            await super()._write(*kept, changes=changes)


def test_without_the_intent_a_step_is_done_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Record before acting: who does not know that a step was begun does not look, and creates again."""
    run_as(monkeypatch, Forgetful)
    assert "created again" in broken_promise(sweep.WHOLE, only_the_end=True)


class Blind(steps.Create):
    """Never looks."""

    def look(self, call: Any) -> None:
        return None


def test_without_the_look_a_step_is_done_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look-up before create: a lost answer, repeated without a look, makes a second thing."""
    monkeypatch.setattr(plans, "Create", Blind)
    assert "created again" in broken_promise(sweep.WHOLE)


class Forwards(Run):
    """Takes back the oldest first."""

    async def _undo(self, node: Node) -> bool:
        if isinstance(node, InSequence):
            return all([await super(Forwards, self)._undo(child) for child in node.nodes])
        return await super()._undo(node)


def test_undo_in_the_order_of_doing_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Undo in reverse: what is taken back oldest first is taken back under the feet of what came after."""
    run_as(monkeypatch, Forwards)
    assert "is taken back while" in broken_promise(sweep.TAKEN_BACK)


class OnlyDone(Run):
    """Takes back only what was done whole."""

    async def _undo_step(self, step: Step) -> bool:
        if self._state(step.name) in (State.STARTED, State.FAILED):
            return True
        return await super()._undo_step(step)


def test_undoing_only_what_was_done_leaves_halves(monkeypatch: pytest.MonkeyPatch) -> None:
    """What failed or was interrupted may have left something, and is taken back too."""
    run_as(monkeypatch, OnlyDone)
    assert "is failed" in broken_promise(sweep.TAKEN_BACK)


class NoBarrier(Run):
    async def _undo_step(self, step: Step) -> bool:
        await super()._undo_step(step)
        return True


def test_without_barriers_what_is_behind_one_is_taken_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Better both stopped than two copies: a barrier that does not fall keeps what came before it."""
    run_as(monkeypatch, NoBarrier)
    assert "is taken back while" in broken_promise(sweep.HELD_UP)


class Undecided(Run):
    """Goes back without writing down that it does."""

    async def _write(self, *entries: Entry, changes: tuple[Any, ...] = ()) -> None:
        for entry in entries:
            if entry.step == UNDO:
                self.entries[UNDO] = entry
        kept = tuple(entry for entry in entries if entry.step != UNDO)
        if kept:
            await super()._write(*kept, changes=changes)


def test_without_the_decision_a_new_owner_turns_round(monkeypatch: pytest.MonkeyPatch) -> None:
    """The decision to go back is in the journal: else the next owner does again what was taken back."""
    run_as(monkeypatch, Undecided)
    assert broken_promise(sweep.TAKEN_BACK)


class Deaf(Run):
    """Takes an answered turn for "undo"."""

    async def _turn(self) -> str:
        step = self.flow.turn
        if step is not None and self._state(step.name) is State.UNDONE:
            return "undo"
        return await super()._turn()


def test_a_turn_whose_answer_is_forgotten_takes_back_what_has_won(monkeypatch: pytest.MonkeyPatch) -> None:
    """The turn's answer outlives the owner who got it."""
    run_as(monkeypatch, Deaf)
    assert "the world says committed" in broken_promise(sweep.WON)


class Unwon(Run):
    """Goes back after the commit too."""

    @property
    def committed(self) -> bool:
        return False


def test_without_the_commit_point_what_was_won_is_taken_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once the commit is done nothing is undone."""
    run_as(monkeypatch, Unwon)
    assert "after the commit" in broken_promise(sweep.GIVEN_UP)


class Unsettled(Run):
    """Ends without a last look."""

    async def _settle(self, step: Step | None) -> None:
        return None


def test_without_the_last_look_what_came_late_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call of a dead owner that arrives after its successor has looked is put right at the end only."""
    run_as(monkeypatch, Unsettled)
    assert broken_promise(sweep.WHOLE)


class Impatient(Run):
    """Goes home while its branches still work."""

    async def _together(self, node: Together, work: Callable[[Node], Any]) -> list[Any]:
        return list(await asyncio.gather(*(work(child) for child in node.nodes)))


def test_a_branch_left_behind_acts_after_the_hand_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hand-over: the lease is given back only when nothing is under way, because nobody drains after a clean hand-over."""
    run_as(monkeypatch, Impatient)
    assert broken_promise(sweep.PAIR, kinds=["leave"], latencies=(6.0, 0.1, 0.1))


class Amnesiac(Record):
    """Forgets failures that were taken back, as if the journal did not tell of them."""

    def note(self, entry: Entry) -> bool:
        changed = super().note(entry)
        if entry.state in (State.UNDOING, State.UNDONE):
            self.failures.pop(entry.step, None)
        return changed


def test_a_record_that_forgets_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The record names what failed, also when it was taken back."""
    monkeypatch.setattr(run_module, "Record", Amnesiac)
    assert "record does not name" in broken_promise(sweep.GIVEN_UP)
