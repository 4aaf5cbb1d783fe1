"""For the steps of a flow, which are blocking functions in worker threads: runs a coroutine in the event loop that owns the clusters."""

import asyncio
import concurrent.futures
from collections.abc import Coroutine
from typing import Any, TypeVar

from siterecovery.kubevirt.clusters.base import TimedOut

T = TypeVar("T")


class Bridge:
    """Made in the loop's own thread; called from any other. `limit`: seconds for one call, beyond every client's own limit."""

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None, limit: float = 120.0) -> None:
        self._loop = loop or asyncio.get_running_loop()
        self._limit = limit

    def __call__(self, work: Coroutine[Any, Any, T]) -> T:
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(self._limit)
        except concurrent.futures.TimeoutError as error:
            if future.done():  # the work's own TimeoutError
                raise
            future.cancel()
            raise TimedOut(f"no answer within {self._limit:g} s: nobody knows whether the call was applied") from error
