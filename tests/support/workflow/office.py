"""An office where a run's steps are told to a desk: what happened, in order, in virtual time, and what is to go wrong."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from siterecovery.workflow.flow import Flow
from siterecovery.workflow.journal import Entry, MemoryJournal, Write
from siterecovery.workflow.lease import Hold, Lease
from siterecovery.workflow.runner import Result, Runner
from siterecovery.workflow.step import Answer, Call, Outcome, Refused, Step, StepError, Unsettled


class Away(Exception):
    """The database's own error."""


class Desk:
    """What happened, and what is to go wrong: errors to raise, and seconds that a call takes, by its words."""

    def __init__(self) -> None:
        self.story: list[str] = []
        self.trouble: dict[str, list[Exception]] = {}
        self.takes: dict[str, float] = {}
        self.under_way = self.most = 0

    def did(self, what: str) -> None:
        self.story.append(what)
        queue = self.trouble.get(what)
        if queue:
            raise queue.pop(0)


class Told(Step):
    """`value` is what it answers; `changes` come with it."""

    def __init__(self, desk: Desk, name: str, *, value: Any = None, changes: tuple[Any, ...] = (), **more: Any) -> None:
        self.desk, self.name, self.value, self.changes = desk, name, value, changes
        for key, option in more.items():
            setattr(self, key, option)

    def do(self, call: Call) -> Answer:
        self.desk.did(f"do {self.name}")
        return Outcome(self.value, self.changes)

    def look(self, call: Call) -> Answer | None:
        self.desk.did(f"look {self.name}")
        return None

    def undo(self, call: Call) -> Answer | None:
        self.desk.did(f"undo {self.name}")
        return None


class Office:
    """One journal and its owners, one after another; each call takes as long as the desk says."""

    def __init__(self, desk: Desk) -> None:
        self.desk, self.journal, self.epoch = desk, MemoryJournal(), 0
        self.events: list[str] = []
        self.away_until = 0.0
        self.hold: Hold | None = None
        self.writes: list[Write] = []
        self.dies_after: str | None = None
        """The owner loses its lease once this step is in the journal."""

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    def now(self) -> Any:
        raise AssertionError("nothing here is for people")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def load(self, operation: str) -> Mapping[str, Entry]:
        self._there()
        return self.journal.load(operation)

    def commit_writes(self, writes: Sequence[Write]) -> Sequence[Exception | None]:
        self._there()
        self.writes += writes
        answers = self.journal.commit(writes)
        if self.hold is not None and self.dies_after in self.states():
            self.hold.lose()
        return answers

    def _there(self) -> None:
        if self.monotonic() < self.away_until:
            raise Away("gone away")

    async def call(self, function: Callable[[], Any]) -> Any:
        self.desk.under_way += 1
        self.desk.most = max(self.desk.most, self.desk.under_way)
        await asyncio.sleep(0.01)
        before = len(self.desk.story)
        try:
            answer = function()
        finally:
            for what in self.desk.story[before:]:
                await asyncio.sleep(self.desk.takes.get(what, 0.0))
            self.desk.under_way -= 1
        return answer

    async def commit(self, function: Callable[[], Any]) -> Any:
        await asyncio.sleep(0)
        return function()

    async def poll(self, function: Callable[[], Any]) -> Any:
        return function()

    async def run(self, flow: Flow, *, ttl: float = 1e9, drain: float = 0.0, **options: Any) -> Result:
        self.epoch += 1
        self.journal.fence("op", self.epoch)
        recorder = options.pop("recorder", lambda operation, record, *, undoing: ())
        runner = Runner(OfficeJournal(self), self, self, listener=self.hear, translate=translate, recorder=recorder)
        self.hold = Hold(Lease("op", f"owner-{self.epoch}", self.epoch, ttl, drain), self.monotonic)
        return await runner.run(flow, self.hold, **options)

    def hear(self, event: str, operation: str, step: str, **details: Any) -> None:
        self.events.append(f"{event} {step}".strip())

    def states(self) -> dict[str, str]:
        return {name: str(entry.state) for name, entry in self.journal.load("op").items()}


class OfficeJournal:
    def __init__(self, office: Office) -> None:
        self.load, self.commit = office.load, office.commit_writes


def translate(error: Exception) -> StepError:
    if isinstance(error, StepError):
        return error
    return Unsettled(str(error)) if isinstance(error, Away) else Refused(f"{type(error).__name__}: {error}")
