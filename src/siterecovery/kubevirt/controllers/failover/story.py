"""What a Failover has been through: in its status, where it stays, and as Events, which vanish after an hour."""

import asyncio
import threading
from collections.abc import Mapping
from typing import Any

from siterecovery.kubevirt.clusters.events import Recorder
from siterecovery.kubevirt.crds.failover import MOST_HISTORY
from siterecovery.kubevirt.domain import times
from siterecovery.kubevirt.domain.resources import Object
from siterecovery.kubevirt.journal.rows import cut
from siterecovery.workflow.clock import Clock

_LONGEST = 1024
_LAST_WORDS = 5.0
Told = tuple[str, str, str]
"""(reason, message, type of the Event)"""


class FailoverStory:
    """Fulfils `steps.base.Story`. Made in the event loop that writes the Events; told from any thread."""

    def __init__(self, obj: Mapping[str, Any], recorder: Recorder, clock: Clock) -> None:
        self._object = obj
        self._recorder = recorder
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[Told] = asyncio.Queue()
        self._lock = threading.Lock()
        self._entries: list[Object] = []

    def tell(self, reason: str, message: str, kind: str = "Normal") -> None:
        now = times.stamp(self._clock.now())
        with self._lock:
            self._entries.append({"time": now, "reason": reason, "message": cut(message, _LONGEST)})
        self._loop.call_soon_threadsafe(self._queue.put_nowait, (reason, message, kind))

    def into(self, status: Object) -> None:
        """Adds to the history what is not there yet. The oldest go when there are too many."""
        with self._lock:
            told = list(self._entries)
        history = list(status.get("history") or ())
        new = [entry for entry in told if entry not in history]
        if new:
            status["history"] = [*history, *new][-MOST_HISTORY:]

    async def record(self) -> None:
        """Writes the Events, in order, until cancelled."""
        while True:
            told = await self._queue.get()
            await self._recorder.record(self._object, *told)
            self._queue.task_done()

    async def finish(self, teller: asyncio.Task[None]) -> None:
        """Gives the task that records the Events a moment for those that are left, and ends it: no failover waits for its own story."""
        left = asyncio.ensure_future(self._queue.join())
        await asyncio.wait({left, teller}, timeout=_LAST_WORDS, return_when=asyncio.FIRST_COMPLETED)
        for task in (left, teller):
            task.cancel()
        await asyncio.gather(left, teller, return_exceptions=True)
