"""Waiting for storage: bounded, with progress, and with a lost answer counted as "not yet"."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

from siterecovery.kubevirt.storage.base import Storage, Sync, Unknown

Sleep = Callable[[float], Awaitable[None]]


async def wait_in_sync(
    storage: Storage,
    volumes: Sequence[str],
    cluster: str,
    *,
    limit: float,
    pause: float = 2.0,
    progress: Callable[[Sync], None] = lambda seen: None,
    sleep: Sleep = asyncio.sleep,
    now: Callable[[], float] = time.monotonic,
) -> Sync:
    """The last observation: `done`, or not after `limit` seconds. Unknown is raised only when the last question had no answer."""
    end = now() + limit
    while True:
        left = end - now()
        try:
            seen = await storage.sync(volumes, cluster)
        except Unknown:
            if left <= 0:
                raise
        else:
            progress(seen)
            if seen.done or left <= 0:
                return seen
        await sleep(min(pause, max(left, 0.0)))
