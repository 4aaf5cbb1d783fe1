"""Virtual time and inline workers: six hours of waiting are a millisecond of test."""

import asyncio
import datetime
import heapq
from collections.abc import Awaitable, Callable
from typing import Any

TURNS = 30
"""Turns of the event loop that everybody gets before time moves on."""


class VirtualClock:
    """Time moves to the earliest sleeper's hour once everybody else has had a chance to run."""

    def __init__(self) -> None:
        self.time = 0.0
        self._sleepers: list[float] = []

    def monotonic(self) -> float:
        return self.time

    def now(self) -> datetime.datetime:
        return datetime.datetime.fromtimestamp(self.time, datetime.UTC)

    async def sleep(self, seconds: float) -> None:
        wake = self.time + max(0.0, seconds)
        heapq.heappush(self._sleepers, wake)
        try:
            while self.time < wake:
                for _ in range(TURNS):
                    await asyncio.sleep(0)
                if self.time < wake and wake == min(self._sleepers):
                    self.time = wake
            await asyncio.sleep(0)
        finally:
            self._sleepers.remove(wake)
            heapq.heapify(self._sleepers)


class InlineWorkers:
    """Runs everything at once in the loop's own thread. `before` and `after` may raise to kill the owner at a call."""

    def __init__(self) -> None:
        self.calls = 0

    def call(self, function: Callable[[], Any]) -> Awaitable[Any]:
        self.calls += 1
        return _now(function)

    def commit(self, function: Callable[[], Any]) -> Awaitable[Any]:
        return _now(function)

    def poll(self, function: Callable[[], Any]) -> Awaitable[Any]:
        return _now(function)


async def _now(function: Callable[[], Any]) -> Any:
    await asyncio.sleep(0)
    return function()
