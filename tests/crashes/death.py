"""kill -9 of an engine at a point of a flow, inside the test's own process.

An engine touches the world through three doors only: the calls of its steps, its polls and its journal. `Death` shuts all of them at one
moment: calls that are on their way arrive, nothing they answer is heard, nothing more is sent and nothing more is written.
"""

import asyncio
import dataclasses
import enum
import itertools
import threading
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from siterecovery.protector.engine import Job, Planner
from siterecovery.workflow.flow import Flow
from siterecovery.workflow.journal import Journal, JournalUnavailable, State, Write
from siterecovery.workflow.step import Refused, Step
from siterecovery.workflow.workers import ThreadWorkers


class Moment(enum.StrEnum):
    BEFORE_CALL = "before the call"
    AFTER_CALL = "after the call"
    """Before the record; where the world takes its time, also before it has come round."""
    AFTER_RECORD = "after the record"


@dataclasses.dataclass(frozen=True)
class Point:
    """Where an engine dies: a step, on the way there or while it is taken back."""

    step: str
    moment: Moment
    undoing: bool = False

    def __str__(self) -> str:
        return f"{'undo ' if self.undoing else ''}{self.step} {self.moment}"


class Dead(Exception):
    """Answers a call that the dead engine's threads still try to make. Nobody is left to hear it."""


class Death:
    """`fail_at`: a step that is refused when it is called, so that the flow goes back."""

    def __init__(self, point: Point | None, fail_at: str | None = None) -> None:
        self.point = point
        self.fail_at = fail_at
        self.happened = threading.Event()

    def at(self, step: str, moment: Moment, *, undoing: bool) -> None:
        """Raises Dead at the point, and ever after."""
        if self.point == Point(step, moment, undoing):
            self.happened.set()
        self.check()

    def check(self) -> None:
        if self.happened.is_set():
            raise Dead(str(self.point))


class MortalWorkers:
    """Threads whose answers stop coming at the moment of death."""

    def __init__(self, death: Death) -> None:
        self._death = death
        self._threads = ThreadWorkers(16, 4)

    def call(self, function: Callable[[], Any]) -> Awaitable[Any]:
        return self._heard(self._threads.call(self._sent(function)))

    def poll(self, function: Callable[[], Any]) -> Awaitable[Any]:
        return self._heard(self._threads.poll(self._sent(function)))

    def commit(self, function: Callable[[], Any]) -> Awaitable[Any]:
        return self._heard(self._threads.commit(self._sent(function)))

    def _sent(self, function: Callable[[], Any]) -> Callable[[], Any]:
        def sent() -> Any:
            self._death.check()
            return function()

        return sent

    async def _heard(self, answer: Awaitable[Any]) -> Any:
        try:
            heard = await answer
        except Exception:
            if not self._death.happened.is_set():
                raise
            heard = None
        if self._death.happened.is_set():
            await asyncio.Event().wait()
        return heard

    def close(self) -> None:
        self._threads.close()


class MortalJournal:
    """Dies right after a step's result is written."""

    def __init__(self, journal: Journal, death: Death) -> None:
        self._journal = journal
        self._death = death

    def load(self, operation: str) -> Any:
        return self._journal.load(operation)

    def commit(self, writes: Sequence[Write]) -> Sequence[JournalUnavailable | Any | None]:
        results = [
            (entry.step, entry.state is State.UNDONE)
            for write in writes
            for entry in write.entries
            if entry.state in (State.DONE, State.UNDONE)
        ]
        answers = self._journal.commit(writes)
        for step, undoing in results:
            self._death.at(step, Moment.AFTER_RECORD, undoing=undoing)
        return answers


def mortal(planner: Planner, death: Death) -> Planner:
    """Plans as before; the steps of its flows carry the points."""

    def plan(operation_id: str) -> Job:
        job = planner(operation_id)
        for step in job.flow.steps():
            _set_points(step, death)
        if job.flow.turn is not None:
            # The runner asks the turn while it goes back, and records it as taken back.
            _around(job.flow.turn, "do", death, undoing=True)
        return job

    return plan


def _set_points(step: Step, death: Death) -> None:
    _around(step, "do", death, undoing=False)
    _around(step, "undo", death, undoing=True)
    if step.name == death.fail_at:

        def refused(call: Any) -> Any:
            raise Refused("It was made to fail here.")

        setattr(step, "do", refused)  # noqa: B010 - mypy forbids the plain assignment


def _around(step: Step, method: str, death: Death, *, undoing: bool) -> None:
    original = getattr(step, method)

    def called(call: Any) -> Any:
        death.at(step.name, Moment.BEFORE_CALL, undoing=undoing)
        answer = original(call)
        death.at(step.name, Moment.AFTER_CALL, undoing=undoing)
        return answer

    setattr(step, method, called)


def points(flow: Flow, *, undoing: bool) -> list[Point]:
    """Every point of a flow: on the way, or while everything it did is taken back. What comes after the commit never is."""
    if not undoing:
        return [Point(step.name, moment) for step in flow.steps() for moment in Moment]
    undone = itertools.takewhile(lambda step: step.name != flow.commit, flow.steps())
    taken_back = [step for step in undone if type(step).undo is not Step.undo]
    turn = [flow.turn] if flow.turn is not None else []
    return [Point(step.name, moment, undoing=True) for step in [*turn, *taken_back] for moment in Moment]
