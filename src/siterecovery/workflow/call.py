"""What a step gets to know of the run that calls it: read from worker threads while the run goes on."""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from siterecovery.workflow.journal import State
from siterecovery.workflow.step import JSON

if TYPE_CHECKING:
    from siterecovery.workflow.run import Run


@dataclasses.dataclass
class StepCall:
    """The promise is `step.Call`."""

    run: "Run"
    step: str
    attempt: int

    def __post_init__(self) -> None:
        self.operation = self.run.operation

    @property
    def key(self) -> str:
        return f"{self.operation}/{self.step}"

    def result(self, step: str) -> JSON:
        entry = self.run.entries[step]
        if entry.state is not State.DONE:
            raise KeyError(step)
        return entry.value

    def results(self, prefix: str) -> Mapping[str, JSON]:
        return {entry.step: entry.value for entry in self.run.entries_of(prefix) if entry.state is State.DONE}

    def last(self, step: str) -> JSON:
        entry = self.run.entries.get(step)
        return entry.value if entry is not None else None

    def begun(self, prefix: str) -> bool:
        return bool(self.run.entries_of(prefix))

    def failures(self) -> Iterable[tuple[str, str, str | None]]:
        return [(e.step, e.error or "", e.resource_id) for e in list(self.run.record.failures.values())]

    def check(self) -> None:
        self.run.hold.check()
