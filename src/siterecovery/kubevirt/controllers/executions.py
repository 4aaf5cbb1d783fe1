"""What a controller carries out at the moment, by the key of its object."""

import asyncio
import logging
from typing import Generic, Protocol, TypeVar

from siterecovery.kubevirt.clusters.informer import Key
from siterecovery.kubevirt.clusters.queue import WorkQueue

LOG = logging.getLogger(__name__)
_SOON = 0.5


class Execution(Protocol):
    async def run(self) -> None:
        """To its end, or until it is somebody else's. Raises when nothing could be begun now."""
        ...

    def leave(self) -> None:
        """A clean stop: what is under way is finished and recorded, the rest is for the next process."""
        ...


E = TypeVar("E", bound=Execution)


class Executions(Generic[E]):
    """Used in one event loop. Each that has ended brings its key back to the queue. `kind`: of the objects, for the log."""

    def __init__(self, kind: str, queue: WorkQueue[Key]) -> None:
        self._kind = kind
        self._queue = queue
        self._running: dict[Key, tuple[E, asyncio.Task[None]]] = {}

    def __len__(self) -> int:
        return len(self._running)

    def get(self, key: Key) -> E | None:
        found = self._running.get(key)
        return found[0] if found is not None else None

    def begin(self, key: Key, execution: E) -> None:
        task = asyncio.create_task(execution.run())
        self._running[key] = execution, task
        task.add_done_callback(lambda done: self._ended(key, done))

    def _ended(self, key: Key, task: asyncio.Task[None]) -> None:
        self._running.pop(key, None)
        if not task.cancelled() and task.exception() is not None:
            LOG.error("%s %s could not go on: it is looked at again", self._kind, key[1], exc_info=task.exception())
        self._queue.add_after(key, _SOON)

    async def leave(self) -> None:
        """Until all have left."""
        for execution, _ in self._running.values():
            execution.leave()
        await asyncio.gather(*(task for _, task in self._running.values()), return_exceptions=True)
