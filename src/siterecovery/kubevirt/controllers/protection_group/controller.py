"""The controller of one cluster's groups: caches, queues and pollers, wired together and run until cancelled."""

import asyncio
import dataclasses
import logging

from siterecovery.kubevirt.clusters.informer import Key
from siterecovery.kubevirt.clusters.queue import WorkQueue
from siterecovery.kubevirt.controllers.protection_group.cache import Cache, Peers
from siterecovery.kubevirt.controllers.protection_group.mirror import Mirror
from siterecovery.kubevirt.controllers.protection_group.promises import Clusters, Volumes
from siterecovery.kubevirt.controllers.protection_group.reconcile import Pace, Reconciler
from siterecovery.kubevirt.controllers.protection_group.scope import Scope
from siterecovery.kubevirt.controllers.protection_group.volumes import VolumeWatch
from siterecovery.workflow.clock import Clock, SystemClock

LOG = logging.getLogger(__name__)
REST = 0.0004
"""Seconds of rest after a pass for each member: three times what the pass has cost. Each change of each VM asks for a pass, and without rest a group
of a thousand that starts would keep a whole core busy with looking at itself."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """Seconds. `resync`: every group is looked at at least so often; `mirror`: and its copies compared; `settle`: not sooner after it has moved."""

    resync: float = 60.0
    mirror: float = 300.0
    settle: float = 3.0
    storage: float = 10.0
    workers: int = 8
    pace: Pace = dataclasses.field(default_factory=Pace)


class GroupController:
    """Made in the event loop in which it is run."""

    def __init__(
        self, clusters: Clusters, volumes: Volumes, *, settings: Settings | None = None, clock: Clock | None = None
    ) -> None:
        clock = self._clock = clock or SystemClock()
        self._settings = settings or Settings()
        self._groups: WorkQueue[Key] = WorkQueue(clock=clock)
        self._mirrors: WorkQueue[Key] = WorkQueue(first=2.0, clock=clock)
        wake = self._groups.add
        self._cache = Cache(clusters.local, wake, resync=self._settings.resync, clock=clock)
        self._peers = Peers(wake, clock, lambda: self._cache.groups.objects)
        self._volumes = VolumeWatch(volumes, wake, interval=self._settings.storage, clock=clock)
        self._reconciler = Reconciler(
            clusters,
            self._cache,
            self._peers,
            self._volumes,
            copies=lambda key: self._mirror.copies(key),
            clock=clock,
            pace=self._settings.pace,
        )
        self._mirror = Mirror(
            clusters,
            self._cache,
            self._reconciler.scopes,
            woken=wake,
            clock=clock,
            every=self._settings.mirror,
            settle=self._settings.settle,
        )
        self.synced = False

    @property
    def scopes(self) -> dict[Key, Scope]:
        """The last pass over each group."""
        return self._reconciler.scopes

    @property
    def age(self) -> float | None:
        """Seconds since the least heard list of the local cluster was heard."""
        return self._cache.age

    @property
    def waiting(self) -> int:
        return len(self._groups)

    async def run(self) -> None:
        """Until cancelled. Nothing is decided before every list has come in once: a VM that was not read yet is not missing."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._cache.run())
                await self._cache.synced()
                self.synced = True
                LOG.info(
                    "%s groups, %s virtual machines", len(self._cache.groups.objects), len(self._cache.vms.objects)
                )
                tasks.create_task(self._volumes.run())
                tasks.create_task(self._groups.run(self._pass, self._settings.workers))
                tasks.create_task(self._mirrors.run(self._mirror.mirror, self._settings.workers))
        finally:
            self.synced = False
            await self._peers.close()

    async def _pass(self, key: Key) -> float | None:
        again = await self._reconciler.reconcile(key)
        self._mirrors.add(key)
        scope = self._reconciler.scopes.get(key)
        if scope is not None:
            await self._clock.sleep(REST * len(scope.members))  # what is asked for meanwhile is one pass
        return again
