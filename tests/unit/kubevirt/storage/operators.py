"""Storage on DRBD Operators: two clusters in memory, each with a played operator over one DRBD world whose clock stands still."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Awaitable, Callable
from typing import Any, cast

from sandbox.kubernetes.drbd.kube import Conflict, Kube, Missing
from sandbox.kubernetes.drbd.operator import Operator
from siterecovery.kubevirt.clusters import base
from siterecovery.kubevirt.domain.resources import DRBD_VOLUMES, PERSISTENT_VOLUME_CLAIMS, PODS
from siterecovery.kubevirt.storage.base import NewVolume, Place
from siterecovery.kubevirt.storage.drbd_operator import DrbdOperatorStorage, Volumes
from unit.kubevirt.memory_cluster import MemoryCluster
from unit.sandbox.drbd.worlds import ONE, TWO, A, B, world

SPACE = "vms"
HANDLE = "vol-1"
NEW = NewVolume(HANDLE, 1 << 30, (Place(ONE, A, "fast"), Place(TWO, B)), claim="disk", content_of=ONE)


class MemoryKube:
    """The paths of `sandbox.kubernetes.drbd.kube.Kube` on a cluster in memory."""

    def __init__(self, cluster: MemoryCluster) -> None:
        self.cluster = cluster

    async def list(self, path: str) -> list[dict[str, Any]]:
        kind = PODS if path.endswith("/pods") else DRBD_VOLUMES
        return list((await self.cluster.list(kind)).items)

    async def get(self, path: str) -> dict[str, Any]:
        """A claim."""
        parts = path.split("/")
        try:
            found: dict[str, Any] = await self.cluster.get(PERSISTENT_VOLUME_CLAIMS, parts[-1], parts[-3])
        except base.NotFound as error:
            raise Missing(404, str(error)) from error
        return found

    async def merge(self, path: str, change: dict[str, Any]) -> dict[str, Any]:
        parts = path.split("/")
        at = parts.index("drbdvolumes")
        status = parts[at + 2] if len(parts) > at + 2 else None
        try:
            found: dict[str, Any] = await self.cluster.patch(
                DRBD_VOLUMES, parts[at + 1], parts[at - 1], change, subresource=status
            )
        except base.Conflict as error:
            raise Conflict(409, str(error)) from error
        except base.NotFound as error:
            raise Missing(404, str(error)) from error
        return found


class OperatorGround:
    """`now` is the product's clock; the operators' reports carry real time."""

    def __init__(self) -> None:
        self.world = world(tiebreaker=False)
        self.clusters = {name: MemoryCluster(name) for name in (ONE, TWO)}
        self.clusters[ONE].put(PERSISTENT_VOLUME_CLAIMS, PERSISTENT_VOLUME_CLAIMS.header("disk", SPACE))
        self.operators = {
            name: Operator(cast(Kube, MemoryKube(cluster)), self.world.drbd, name)
            for name, cluster in self.clusters.items()
        }
        self.late = 0.0
        self.slept = 0
        self.storage = DrbdOperatorStorage(
            [
                Volumes(name, SPACE, cluster, (base.Unknown,), (base.Refused,), (base.NotFound,))
                for name, cluster in self.clusters.items()
            ],
            patience=3,
            now=lambda: datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=self.late),
            sleep=self._sleep,
        )

    async def _sleep(self, seconds: float) -> None:
        self.slept += 1
        await self.look()

    async def look(self) -> None:
        """Each operator whose cluster answers has its turn, twice: the second sees what the first has made."""
        for _ in range(2):
            for name, operator in self.operators.items():
                if self.clusters[name].broken is None:
                    await operator.sync()

    async def made(self) -> None:
        """The volume, with the content of a claim, synced."""
        await self.storage.create(NEW)
        await self.look()
        self.world.clock.advance(5)
        await self.look()

    def lose(self, cluster: str) -> None:
        """Power and API are gone."""
        self.clusters[cluster].broken = base.Unreachable("no route", cluster=cluster)
        self.world.faults.lose(cluster)

    def back(self, cluster: str) -> None:
        self.clusters[cluster].broken = None
        self.world.faults.restore(cluster)

    def spec(self, cluster: str, name: str = HANDLE) -> dict[str, Any]:
        found: dict[str, Any] = self.clusters[cluster].of(DRBD_VOLUMES, name, SPACE)["spec"]
        return found

    def status(self, cluster: str, name: str = HANDLE) -> dict[str, Any]:
        found: dict[str, Any] = self.clusters[cluster].of(DRBD_VOLUMES, name, SPACE)["status"]
        return found

    def guest(self, cluster: str, node: str, writes: int = 2) -> None:
        self.world.devices.open(cluster, node, HANDLE)
        for _ in range(writes):
            self.world.devices.write(cluster, node, HANDLE)


def play(story: Callable[[OperatorGround], Awaitable[None]]) -> None:
    asyncio.run(cast(Any, story(OperatorGround())))
