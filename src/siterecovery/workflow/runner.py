"""Carries out a flow under a lease: forward, and back when it must.

Before a step's first call its intent is in the journal, after its last one its result. A step that an earlier owner left unfinished is asked
whether it is done before it is done again. Nothing here knows what a step does.

One `Runner` serves many operations on one event loop; the steps' blocking methods run in worker threads.
"""

import asyncio
import collections
import contextlib
from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping
from typing import Any, Protocol

from siterecovery.workflow.clock import Clock
from siterecovery.workflow.flow import Flow
from siterecovery.workflow.journal import Entry, GroupCommit, Journal
from siterecovery.workflow.lease import Hold
from siterecovery.workflow.record import Record
from siterecovery.workflow.run import End, Result, Run
from siterecovery.workflow.step import HandedOver, Step, StepError
from siterecovery.workflow.watch import Watcher

__all__ = ["End", "Listener", "Recorder", "Result", "Runner", "Workers"]


LANE = 8
"""Workers that the steps of one lane have at a time: twice the four calls that an array answers at once, so that it is never idle."""


class Listener(Protocol):
    """Hears what happens, for logs, metrics, traces and tests. Must not raise or block."""

    def __call__(self, event: str, operation: str, step: str, **details: Any) -> None: ...


class Recorder(Protocol):
    """Turns what people should see into changes that are committed with the entry that caused them."""

    def __call__(self, operation: str, record: Record, *, undoing: bool) -> tuple[Any, ...]: ...


class Workers(Protocol):
    """Worker threads, one door per use so that slow calls never starve the journal."""

    def call(self, function: Callable[[], Any]) -> Awaitable[Any]: ...

    def commit(self, function: Callable[[], Any]) -> Awaitable[Any]: ...

    def poll(self, function: Callable[[], Any]) -> Awaitable[Any]: ...


def _plain(error: Exception) -> StepError:
    return error if isinstance(error, StepError) else StepError(f"{type(error).__name__}: {error}")


def _silent(event: str, operation: str, step: str, **details: Any) -> None:
    return None


def _unrecorded(operation: str, record: Record, *, undoing: bool) -> tuple[Any, ...]:
    return ()


class Runner:
    def __init__(
        self,
        journal: Journal,
        clock: Clock,
        workers: Workers,
        *,
        translate: Callable[[Exception], StepError] = _plain,
        listener: Listener = _silent,
        recorder: Recorder = _unrecorded,
        watcher: Watcher | None = None,
    ) -> None:
        """`translate` turns what steps may raise into the core's own errors, once. `watcher`: several runners may share one, so that all of their
        operations wait by the same readings."""
        self.journal = journal
        self.clock = clock
        self.workers = workers
        self.translate = translate
        self.listener = listener
        self.recorder = recorder
        self.commits = GroupCommit(journal, workers.commit, clock)
        self.watcher = watcher or Watcher(clock, workers.poll, translate=translate)
        self._lanes: dict[Hashable, asyncio.Semaphore] = collections.defaultdict(lambda: asyncio.Semaphore(LANE))

    def lane(self, step: Step) -> contextlib.AbstractAsyncContextManager[Any]:
        """Held while a worker does something for the step; first come, first served."""
        return contextlib.nullcontext() if step.lane is None else self._lanes[step.lane]

    async def run(
        self,
        flow: Flow,
        hold: Hold,
        *,
        cancelled: Callable[[], str | None] = lambda: None,
        completed: Iterable[str] = (),
    ) -> Result:
        """`cancelled` answers who has asked to stop; `completed` are the phases that earlier owners' records say are completed: the journal
        cannot tell of those that were undone.

        Raises `Fenced` when the lease is lost: another owner goes on, and nothing more is written or called here. `HandedOver` when this one
        leaves: nothing of it is under way any more, and the lease may be released."""
        entries = dict(await self._load(hold))
        return await Run(self, flow, hold, entries, cancelled=cancelled, completed=completed).to_the_end()

    async def _load(self, hold: Hold) -> Mapping[str, Entry]:
        """While the journal is away it is asked again, for as long as the lease lasts."""
        operation = hold.lease.operation
        while True:
            hold.check()
            if hold.leaving:
                raise HandedOver(f"operation {operation} is handed over")
            try:
                entries: Mapping[str, Entry] = await self.workers.commit(lambda: self.journal.load(operation))
                return entries
            except Exception as foreign:
                error = self.translate(foreign)
                if not error.retryable:
                    raise error from foreign
                self.listener("journal_away", operation, "", error=str(error))
            await self.clock.sleep(1.0)
