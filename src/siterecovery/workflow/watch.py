"""A thousand steps wait for one list call.

Whoever waits for something names a topic (a list of the world) and a subject in it. One poller per topic reads the list while
anybody waits, and hands each waiter its observation. The pause between reads grows with how long the youngest has waited, so that
waiting costs a few per cent of what is waited for, at both ends of the scale.
"""

import asyncio
import dataclasses
from collections.abc import Callable, Hashable, Mapping
from typing import Any

from siterecovery.workflow.clock import Clock
from siterecovery.workflow.journal import RunInThread
from siterecovery.workflow.step import Outcome, StepError, TimedOut, Topic, Waiting


@dataclasses.dataclass(frozen=True)
class Pace:
    """Pauses in seconds: at least `shortest`, at most `longest`, between them `fraction` of the time the youngest has waited."""

    shortest: float = 0.05
    longest: float = 2.0
    fraction: float = 0.02


_QUICK = 0.1
"""Seconds: what is read faster costs nobody much."""


def _respite(cost: float) -> float:
    """Seconds for which a list is left alone that took `cost` to read: as long again, or twice as long when it is a long one."""
    return cost if cost <= _QUICK else 2 * cost


@dataclasses.dataclass(eq=False)
class _Waiter:
    waiting: Waiting
    since: float
    deadline: float
    future: "asyncio.Future[Outcome]"
    last_error: Exception | None = None


class Watcher:
    """Shared by all operations of an engine. Used from one event loop."""

    def __init__(
        self,
        clock: Clock,
        in_thread: RunInThread[Any],
        *,
        translate: Callable[[Exception], StepError],
        pace: Pace | None = None,
    ) -> None:
        self._clock = clock
        self._in_thread = in_thread
        self._translate = translate
        self._pace = pace or Pace()
        self._waiters: dict[Hashable, list[_Waiter]] = {}
        self._news: dict[Hashable, asyncio.Event] = {}
        self._pollers: set[asyncio.Task[None]] = set()

    async def wait(self, waiting: Waiting, deadline: float) -> Outcome:
        """The outcome that `waiting.until` answered. Raises what it raised, or TimedOut after `deadline` (monotonic)."""
        key = waiting.topic.key
        waiter = _Waiter(waiting, self._clock.monotonic(), deadline, asyncio.get_running_loop().create_future())
        if key in self._waiters:
            self._waiters[key].append(waiter)
            self._news[key].set()
        else:
            self._waiters[key] = [waiter]
            self._news[key] = asyncio.Event()
            task = asyncio.create_task(self._poll(key, waiting.topic))
            self._pollers.add(task)
            task.add_done_callback(self._pollers.discard)
        try:
            return await waiter.future
        finally:
            if waiter in self._waiters.get(key, ()):
                self._waiters[key].remove(waiter)

    async def _poll(self, key: Hashable, topic: Topic) -> None:
        try:
            while self._waiters[key]:
                waiters = list(self._waiters[key])
                subjects = frozenset(waiter.waiting.subject for waiter in waiters)
                began = self._clock.monotonic()
                try:
                    seen = await self._in_thread(lambda subjects=subjects: topic.read(subjects))  # type: ignore[misc]
                except Exception as error:  # noqa: BLE001 - translated; every waiter sees it
                    self._failed(waiters, self._translate(error))
                else:
                    self._observed(waiters, seen)
                self._waiters[key] = [waiter for waiter in self._waiters[key] if not waiter.future.done()]
                await self._pause(key, self._clock.monotonic() - began)
        finally:
            for waiter in self._waiters.pop(key, ()):
                if not waiter.future.done():
                    waiter.future.cancel()
            self._news.pop(key, None)

    async def _pause(self, key: Hashable, cost: float) -> None:
        """Sleeps, less long when a new waiter joins: it has reason to expect its answer soon. But never less than its respite after the
        last reading (which took `cost`): a long list is not read all the time because somebody joins all the time."""
        waiters = self._waiters[key]
        if not waiters:
            return
        news = self._news[key]
        news.clear()
        until = self._clock.monotonic() + max(self._interval(waiters), _respite(cost))
        sleeper = asyncio.ensure_future(self._clock.sleep(until - self._clock.monotonic()))
        newcomer = asyncio.ensure_future(news.wait())
        try:
            await asyncio.wait({sleeper, newcomer}, return_when=asyncio.FIRST_COMPLETED)
            if not sleeper.done():
                await self._clock.sleep(max(self._pace.shortest, _respite(cost)))
        finally:
            sleeper.cancel()
            newcomer.cancel()

    def _interval(self, waiters: list[_Waiter]) -> float:
        now = self._clock.monotonic()
        youngest = min(now - waiter.since for waiter in waiters)
        nearest = min(waiter.deadline - now for waiter in waiters)
        pause = min(self._pace.longest, max(self._pace.shortest, youngest * self._pace.fraction))
        return max(self._pace.shortest, min(pause, nearest))

    def _failed(self, waiters: list[_Waiter], error: StepError) -> None:
        for waiter in waiters:
            if waiter.future.done():
                continue
            waiter.last_error = error
            if not error.retryable or self._clock.monotonic() >= waiter.deadline:
                waiter.future.set_exception(error)

    def _observed(self, waiters: list[_Waiter], seen: Mapping[str, Any]) -> None:
        for waiter in waiters:
            if waiter.future.done():
                continue
            try:
                outcome = waiter.waiting.until(seen.get(waiter.waiting.subject))
            except Exception as error:  # noqa: BLE001 - the step that waits sees it
                waiter.future.set_exception(self._translate(error))
                continue
            if outcome is not None:
                waiter.future.set_result(outcome)
            elif self._clock.monotonic() >= waiter.deadline:
                said = waiter.waiting.late or f"{waiter.waiting.subject} did not get there in time."
                waiter.future.set_exception(TimedOut(said))
