"""Work by key: a key waits once however often it is added, is never worked on twice at a time, and comes back later and later while it fails."""

import asyncio
import collections
import logging
from collections.abc import Awaitable, Callable, Hashable, Iterable
from typing import Generic, TypeVar

from siterecovery.kubevirt.clusters import base
from siterecovery.workflow.clock import Clock, SystemClock

LOG = logging.getLogger(__name__)
K = TypeVar("K", bound=Hashable)


class WorkQueue(Generic[K]):
    """Used in one event loop. `first` and `longest`: seconds before a failed key is worked on again."""

    def __init__(self, *, first: float = 0.5, longest: float = 60.0, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._first, self._longest = first, longest
        self._ready: collections.deque[K] = collections.deque()
        self._waiting: set[K] = set()
        self._working: set[K] = set()
        self._again: set[K] = set()
        """Added while it was worked on: what was read may be old by now."""
        self._later: dict[K, asyncio.Task[None]] = {}
        self._due: dict[K, float] = {}
        self._failures: collections.Counter[K] = collections.Counter()
        self._filled = asyncio.Event()

    def __len__(self) -> int:
        """Keys that wait or are worked on."""
        return len(self._waiting) + len(self._working)

    def add(self, key: K) -> None:
        if key in self._working:
            self._again.add(key)
        elif key not in self._waiting:
            self._waiting.add(key)
            self._ready.append(key)
            self._filled.set()

    def add_all(self, keys: Iterable[K]) -> None:
        for key in list(keys):
            self.add(key)

    def add_after(self, key: K, seconds: float) -> None:
        """The soonest wish wins."""
        due = self._clock.monotonic() + seconds
        if key in self._later:
            if self._due[key] <= due:
                return
            self._later[key].cancel()
        self._due[key] = due
        self._later[key] = asyncio.get_running_loop().create_task(self._add_later(key, seconds))

    async def _add_later(self, key: K, seconds: float) -> None:
        await self._clock.sleep(seconds)
        self._later.pop(key, None)
        self._due.pop(key, None)
        self.add(key)

    async def run(self, work: Callable[[K], Awaitable[float | None]], workers: int = 8) -> None:
        """Until cancelled. `work` answers the seconds after which it wants to look again, or None."""
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(workers):
                    group.create_task(self._worker(work))
        finally:
            for task in self._later.values():
                task.cancel()

    async def _worker(self, work: Callable[[K], Awaitable[float | None]]) -> None:
        while True:
            key = await self._next()
            try:
                again = await work(key)
            except base.ClusterError as error:
                again = self._pause(key)
                LOG.warning("work on %s failed: %s; once more in %.1f s", key, error, again)
            except Exception:  # the log shows it, the key comes back: one bad object must not stop the others
                again = self._pause(key)
                LOG.exception("work on %s failed; once more in %.1f s", key, again)
            else:
                self._failures.pop(key, None)
            finally:
                self._done(key)
            if again is not None:
                self.add_after(key, again)

    async def _next(self) -> K:
        while not self._ready:
            self._filled.clear()
            await self._filled.wait()
        key = self._ready.popleft()
        self._waiting.discard(key)
        self._working.add(key)
        return key

    def _done(self, key: K) -> None:
        self._working.discard(key)
        if key in self._again:
            self._again.discard(key)
            self.add(key)

    def _pause(self, key: K) -> float:
        self._failures[key] += 1
        return min(self._longest, self._first * 2.0 ** min(self._failures[key] - 1, 16))
