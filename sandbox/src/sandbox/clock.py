"""The time of one pretend world: real time plus an offset that tests push forward.

Everything that waits in a world waits here, so that `advance` can play a day in a millisecond. Timers that fall due
inside one advance run in the order of their due times, each seeing `now()` at its own instant: a transfer that ends
before the next scheduled snapshot is over when that snapshot starts, exactly as if the time had passed.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections.abc import Callable


class Timer:
    """A callback that has not run yet; `cancel` is idempotent and allowed after it ran."""

    __slots__ = ("callback", "cancelled", "due")

    def __init__(self, due: float, callback: Callable[[], None]) -> None:
        self.due = due
        self.callback = callback
        self.cancelled = False

    def cancel(self) -> None:
        """Drop the callback; its entry leaves the clock's heap when its time comes."""
        self.cancelled = True


class Clock:
    """One per world, and only ever used from that world's event loop.

    `source` is where real time comes from; unit tests hand in a constant and move time by `advance` alone.
    Without a running loop timers fire only in `advance`; `attach` arms them once there is one.
    """

    def __init__(self, source: Callable[[], float] = time.time) -> None:
        self._source = source
        self._offset = 0.0
        self._timers: list[tuple[float, int, Timer]] = []
        self._order = itertools.count()
        self._wake: asyncio.TimerHandle | None = None
        self._wake_due = 0.0
        self._loop: asyncio.AbstractEventLoop | None = None

    def now(self) -> float:
        """Seconds since the epoch, in this world."""
        return self._source() + self._offset

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Timer:
        """Run the callback once `seconds` of this world's time have passed."""
        timer = Timer(self.now() + max(0.0, seconds), callback)
        heapq.heappush(self._timers, (timer.due, next(self._order), timer))
        self._arm()
        return timer

    async def sleep(self, seconds: float) -> None:
        """Wait; an `advance` past the end wakes the sleeper at once."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        woken = asyncio.Event()
        timer = self.call_later(seconds, woken.set)
        try:
            await woken.wait()
        finally:
            timer.cancel()

    def advance(self, seconds: float) -> None:
        """Move time forward, running what falls due on the way; time never goes back (ValueError)."""
        if seconds < 0:
            raise ValueError("a world's clock cannot go back: give seconds >= 0")
        end = self.now() + seconds
        while self._timers and self._timers[0][0] <= end:
            self._offset += max(0.0, self._timers[0][0] - self.now())
            self._run_first()
        self._offset += max(0.0, end - self.now())
        self._arm()

    def attach(self) -> None:
        """Arm timers that were set before the event loop ran; cheap, so every request may call it."""
        if self._timers and self._wake is None:
            self._arm()

    def _run_first(self) -> None:
        timer = heapq.heappop(self._timers)[2]
        if not timer.cancelled:
            timer.cancelled = True
            timer.callback()

    def _arm(self) -> None:
        """Have the loop call us at the first due time; a wake-up that is early enough already stays."""
        while self._timers and self._timers[0][2].cancelled:
            heapq.heappop(self._timers)
        if not self._timers:
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return
        due = self._timers[0][0]
        if self._wake is not None and self._loop is loop and self._wake_due <= due:
            return
        if self._wake is not None:
            self._wake.cancel()
        self._loop, self._wake_due = loop, due
        self._wake = loop.call_later(max(0.0, due - self.now()), self._on_wake)

    def _on_wake(self) -> None:
        self._wake = None
        try:
            while self._timers and self._timers[0][0] <= self.now():
                self._run_first()
        finally:
            self._arm()
