"""What people see of a run: phases, progress, failures. Kept up to date with every journal entry, at constant cost."""

import collections
from collections.abc import Iterable

from siterecovery.workflow.flow import Flow, Item, items_of, steps_of
from siterecovery.workflow.journal import Entry, State

UNDO = "#undo"
"""Journal entry of the decision to go back: STARTED while it holds, DONE when the flow was turned forward again."""

_ROUNDING = 1e-6
"""More than what adding up floats loses, less than anybody sees."""
_OPEN = frozenset({None, State.STARTED})
_BACK = frozenset({State.UNDOING, State.UNDONE})
_ONCE_DONE = _BACK | {State.DONE, State.UNDO_FAILED}


def given_up(item: Item) -> str:
    """Journal entry of an item that was given up: STARTED while it is undone, DONE afterwards."""
    return f"{UNDO}:{item.name}"


class Record:
    """A phase is completed when all its steps are done; its progress is the share of its steps that are over: done, failed, taken back, or
    never to be begun because their item was given up. What failed stays among the failures when it was taken back."""

    def __init__(self, flow: Flow, entries: Iterable[Entry] = (), completed: Iterable[str] = ()) -> None:
        """`completed`: phases that an earlier owner's record says are completed. One whose steps were not all done by the journal is left out:
        a write that came with it was refused, and its owner did not live to correct the record."""
        self._weights = {phase.name: phase.weight for phase in flow.phases}
        self._of_step = {step.name: step.phase for step in flow.steps() if step.phase in self._weights}
        self._totals = collections.Counter(self._of_step.values())
        self._shares = {name: self._weights[name] / count for name, count in self._totals.items()}
        self._whole = sum(self._weights[name] for name in self._totals) or 1.0
        ends = (flow.turn, flow.settle, flow.settle_undone)
        self._known = {step.name for step in (*flow.steps(), *ends) if step is not None}
        self._items = {given_up(item): [step.name for step in steps_of(item.body)] for item in items_of(flow.body)}
        self._sum = 0.0
        self._over: collections.Counter[str] = collections.Counter()
        self._done: collections.Counter[str] = collections.Counter()
        self._states: dict[str, State | None] = {}
        self._skipped: set[str] = set()
        self._running: dict[str, None] = {}
        self._completed: dict[str, None] = {}
        self.failures: dict[str, Entry] = {}
        for entry in entries:
            self.note(entry)
        never = {phase for name, phase in self._of_step.items() if self._states.get(name) not in _ONCE_DONE}
        self._completed = {phase: None for phase in completed if phase not in never} | self._completed

    def note(self, entry: Entry) -> bool:
        """Takes an entry in. True when something that people see has changed. What another flow left in the same journal is not looked at."""
        if entry.step in self._items:
            return self._give_up(self._items[entry.step])
        if entry.step not in self._known:
            return False
        before = self._states.get(entry.step)
        self._states[entry.step] = entry.state
        if entry.state in (State.FAILED, State.UNDO_FAILED) or (entry.state in _BACK and entry.error is not None):
            self.failures[entry.step] = entry
        else:
            self.failures.pop(entry.step, None)
        phase = self._of_step.get(entry.step)
        if phase is None:
            return entry.state in (State.FAILED, State.UNDO_FAILED)
        return self._advance(phase, before, entry)

    def unsay(self, step: str) -> None:
        """The journal refused the write which said that this step begins."""
        if self._states.get(step) is not State.STARTED:
            return
        self._states[step] = None
        phase = self._of_step.get(step)
        if phase is not None and not any(
            self._states.get(other) is State.STARTED for other, of in self._of_step.items() if of == phase
        ):
            self._running.pop(phase, None)

    def _give_up(self, steps: list[str]) -> bool:
        """What was not begun when the item was given up never will be."""
        never = [name for name in steps if self._states.get(name) is None and name not in self._skipped]
        self._skipped.update(never)
        for phase in [self._of_step[name] for name in never if name in self._of_step]:
            self._count(phase, 1)
            if self._over[phase] >= self._totals[phase]:
                self._running.pop(phase, None)
        return bool(never)

    def _advance(self, phase: str, before: State | None, entry: Entry) -> bool:
        was = (self.progress, self.current, phase in self._completed)
        self._count(phase, (before in _OPEN) - (entry.state in _OPEN))
        if entry.state is State.DONE and before is not State.DONE:
            self._done[phase] += 1
        elif entry.state is State.FAILED and before is State.DONE:  # the journal refused the changes that came with it
            self._done[phase] -= 1
            self._completed.pop(phase, None)
        if entry.state is State.STARTED:
            self._running[phase] = None
        if self._over[phase] >= self._totals[phase]:
            self._running.pop(phase, None)
        if self._done[phase] >= self._totals[phase]:
            self._completed[phase] = None
        return was != (self.progress, self.current, phase in self._completed) or entry.state in (
            State.FAILED,
            State.UNDO_FAILED,
        )

    def _count(self, phase: str, change: int) -> None:
        self._over[phase] += change
        self._sum += change * self._shares[phase]

    @property
    def completed(self) -> list[str]:
        """Phases in the order in which they were completed; one that was undone stays: it did happen."""
        return list(self._completed)

    @property
    def current(self) -> str | None:
        return next(iter(self._running), None)

    @property
    def progress(self) -> int:
        """0 to 100, weighted by phase; 100 is for the end only. Kept as a sum: a thousand VMs have thousands of phases."""
        return min(99, int(100 * self._sum / self._whole + _ROUNDING))
