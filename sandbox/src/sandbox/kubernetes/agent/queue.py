"""A work queue: one look at a key at a time, repeats folded, failures looked at again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

import aiohttp

from sandbox.kubernetes.client import ApiError, Conflict, Missing

_log = logging.getLogger(__name__)
_WORKERS = 8
_CONFLICT_SECONDS = 0.05
_FAILURE_SECONDS = 1.0

Key = tuple[str, str]
Look = Callable[[Key], Awaitable[float | None]]


class WorkQueue:
    """`look` gets a (kind, name) and says after how many seconds it wants to look again, if at all."""

    def __init__(self, look: Look) -> None:
        self._look = look
        self._ready: asyncio.Queue[Key] = asyncio.Queue()
        self._waiting: set[Key] = set()
        self._busy: set[Key] = set()

    def add(self, key: Key) -> None:
        """Look at it soon; once, however often it is added before."""
        if key not in self._waiting:
            self._waiting.add(key)
            if key not in self._busy:
                self._ready.put_nowait(key)

    async def run(self) -> None:
        """Work for ever."""
        async with asyncio.TaskGroup() as group:
            for _ in range(_WORKERS):
                group.create_task(self._work())

    async def _work(self) -> None:
        while True:
            key = await self._ready.get()
            self._waiting.discard(key)
            self._busy.add(key)
            again = await self._guarded(key)
            self._busy.discard(key)
            if key in self._waiting:
                self._ready.put_nowait(key)
            elif again is not None:
                asyncio.get_running_loop().call_later(again, self.add, key)

    async def _guarded(self, key: Key) -> float | None:
        try:
            return await self._look(key)
        except Missing:
            return None  # its deletion is on the way to us
        except Conflict:
            return _CONFLICT_SECONDS
        except (ApiError, OSError, TimeoutError, aiohttp.ClientError) as error:
            _log.warning("%s: %r", key, error)
            return _FAILURE_SECONDS
