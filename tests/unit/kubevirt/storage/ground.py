"""LINSTOR storage on a DRBD world in the same process, whose clock stands still until a test moves it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace

from sandbox.kubernetes.drbd.model import Replica
from sandbox.kubernetes.drbd.server import Running, World, start
from siterecovery.kubevirt.storage.linstor import LinstorSettings, LinstorStorage
from unit.sandbox.drbd.worlds import ONE, VOLUME, A, replica, world


@dataclass
class Ground:
    """A world, where it listens, and a driver for it."""

    world: World
    running: Running
    storage: LinstorStorage

    def replica(self, node: str, volume: str = VOLUME) -> Replica:
        return replica(self.world, node, volume)

    def props(self, volume: str = VOLUME) -> dict[str, str]:
        return self.world.drbd.resources[volume].props

    def guest(self, cluster: str = ONE, node: str = A, writes: int = 2) -> None:
        """A guest starts there and writes."""
        self.world.devices.open(cluster, node, VOLUME)
        for _ in range(writes):
            self.world.devices.write(cluster, node, VOLUME)


def changes(ground: Ground) -> list[tuple[str, str]]:
    """The changing calls LINSTOR has had."""
    return [(call.method, call.path) for call in ground.world.calls.recent]


@contextlib.asynccontextmanager
async def linstor(made: World, controllers: int = 1, **settings: object) -> AsyncIterator[Ground]:
    running = await start(made, 0, [0] * controllers)
    ready = LinstorSettings(tuple(running.controllers), timeout=20.0, change_timeout=20.0)
    storage = LinstorStorage(replace(ready, **settings))  # type: ignore[arg-type]
    try:
        yield Ground(made, running, storage)
    finally:
        await storage.close()
        await running.close()


def play(story: Callable[[Ground], Awaitable[None]], made: World | None = None, **how: object) -> None:
    """Run one story from beginning to end."""

    async def run() -> None:
        async with linstor(made or world(), **how) as ground:  # type: ignore[arg-type]
            await story(ground)

    asyncio.run(run())
