"""What people see of a run: phases, progress, failures. Kept up to date with every journal entry, at constant cost."""

import collections
from collections.abc import Iterable

from siterecovery.workflow.flow import Flow
from siterecovery.workflow.journal import Entry, State

_ROUNDING = 1e-6
"""More than what adding up floats loses, less than anybody sees."""


class Record:
    """A phase is completed when all its steps are done; its progress is the share of its steps that are over."""

    def __init__(self, flow: Flow, entries: Iterable[Entry] = ()) -> None:
        self._weights = {phase.name: phase.weight for phase in flow.phases}
        self._of_step = {step.name: step.phase for step in flow.steps() if step.phase in self._weights}
        self._totals = collections.Counter(self._of_step.values())
        self._shares = {name: self._weights[name] / count for name, count in self._totals.items()}
        self._whole = sum(self._weights[name] for name in self._totals) or 1.0
        self._sum = 0.0
        self._over: collections.Counter[str] = collections.Counter()
        self._states: dict[str, State] = {}
        self._running: dict[str, None] = {}
        self._completed: dict[str, None] = {}
        self.failures: dict[str, Entry] = {}
        for entry in entries:
            self.note(entry)

    def note(self, entry: Entry) -> bool:
        """Takes an entry in. True when something that people see has changed."""
        before = self._states.get(entry.step)
        self._states[entry.step] = entry.state
        if entry.state in (State.FAILED, State.UNDO_FAILED):
            self.failures[entry.step] = entry
        elif entry.state in (State.STARTED, State.DONE):
            self.failures.pop(entry.step, None)
        phase = self._of_step.get(entry.step)
        if phase is None:
            return entry.state in (State.FAILED, State.UNDO_FAILED)
        return self._advance(phase, before, entry)

    def _advance(self, phase: str, before: State | None, entry: Entry) -> bool:
        was = (self.progress, self.current, phase in self._completed)
        finished = {State.DONE, State.FAILED}
        if entry.state in finished and before not in finished:
            self._count(phase, 1)
        elif entry.state is State.STARTED and before in finished:
            self._count(phase, -1)
        if entry.state is State.STARTED:
            self._running[phase] = None
        if self._over[phase] >= self._totals[phase]:
            self._running.pop(phase, None)
            if entry.state is State.DONE and not any(self._of_step.get(step) == phase for step in self.failures):
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
