"""The Leases of one Failover.

The lock of its group lies on the Failover's own cluster and on each workload cluster that answers, taken in the order of the clusters' names, so that
two controllers that want opposite directions meet on the first. A cluster that does not answer cannot hold anybody back, nor be held."""

import logging
from collections.abc import Sequence

from siterecovery.kubevirt.clusters import base
from siterecovery.kubevirt.clusters.leases import LeaseLock, LockHeld, LockLost
from siterecovery.kubevirt.controllers.failover.promises import Clusters
from siterecovery.kubevirt.crds.failover import Phase
from siterecovery.kubevirt.domain.names import GROUP_LABEL, failover_lock, target_lock
from siterecovery.kubevirt.domain.resources import FAILOVERS
from siterecovery.kubevirt.steps.base import Move
from siterecovery.workflow.clock import Clock

LOG = logging.getLogger(__name__)
TARGET_TTL = 60.0
"""Seconds: a look and a removal take a few."""


class FailoverLocks:
    """Fulfils `steps.base.Locks`. `ttl` seconds; renewed at a third of it."""

    def __init__(
        self, clusters: Clusters, move: Move, *, holder: str, namespace: str, ttl: float, clock: Clock
    ) -> None:
        self._clusters = clusters
        self._move = move
        self._holder = holder
        self._namespace = namespace
        self._ttl = ttl
        self._clock = clock
        self._locks: dict[str, LeaseLock] = {}
        self._held: list[str] = []

    @property
    def _wanted(self) -> list[str]:
        move = self._move
        return sorted({self._clusters.resolve(name) for name in (move.home, move.source, move.target)})

    async def acquire(self) -> Sequence[str]:
        other = await self._under_way()
        if other:
            raise LockHeld(failover_lock(self._move.group), self._holder, other, self._ttl, self._move.home)
        for name in self._wanted:
            if name in self._held:
                continue
            try:
                await self._lock(name).acquire()
            except LockHeld:
                await self.release()
                raise
            except (base.Unknown, base.BadAccess) as error:
                if name == self._move.home:
                    raise
                LOG.warning("the lock of %s is not taken on %s: %s", self._move.group, name, error)
            else:
                self._held.append(name)
        return tuple(self._held)

    async def _under_way(self) -> str | None:
        """UID of another Failover of the group that was begun and has not ended: its Lease may have run out while no controller was there."""
        failovers = await self._clusters.get(self._move.home).list(FAILOVERS, self._move.namespace)
        for found in failovers.items:
            same = found["spec"]["protectionGroup"] == self._move.group and found["metadata"]["uid"] != self._move.uid
            if same and (found.get("status") or {}).get("phase") == Phase.RUNNING:
                return str(found["metadata"]["uid"])
        return None

    async def _is_abandoned(self, holder: str, owner: str) -> bool:
        """One of this installation's own Failovers has ended while that cluster did not answer, and could not give it back there. A Failover that is
        gone has ended: its finalizer kept it until then."""
        if holder != self._holder or not owner:
            return False
        failovers = await self._clusters.get(self._move.home).list(FAILOVERS, self._move.namespace)
        return all(
            (found.get("status") or {}).get("phase") in (Phase.SUCCEEDED, Phase.FAILED)
            for found in failovers.items
            if found["metadata"]["uid"] == owner
        )

    def _lock(self, cluster: str) -> LeaseLock:
        if cluster not in self._locks:
            self._locks[cluster] = LeaseLock(
                self._clusters.get(cluster),
                self._move.namespace,
                failover_lock(self._move.group),
                holder=self._holder,
                owner=self._move.uid,
                ttl=self._ttl,
                labels={GROUP_LABEL: self._move.group},
                clock=self._clock,
                abandoned=self._is_abandoned,
            )
        return self._locks[cluster]

    async def renew(self) -> None:
        """Raises LockLost when somebody else has it anywhere, or when it could not be renewed at home for as long as it lasts. A workload cluster
        that went away takes nothing with it: its Lease runs out there by itself."""
        for name in list(self._held):
            try:
                await self._locks[name].renew()
            except base.Unknown as error:
                LOG.warning("the lock of %s was not renewed on %s: %s", self._move.group, name, error)
                if name == self._move.home and not self._locks[name].held:
                    raise LockLost(str(error), cluster=name) from error

    async def release(self) -> None:
        held, self._held = self._held, []
        for name in held:
            try:
                await self._locks[name].release()
            except base.ClusterError as error:  # it expires by itself
                LOG.warning("the lock of %s was not released on %s: %s", self._move.group, name, error)

    def target(self) -> LeaseLock:
        site = self._clusters.resolve(self._move.target)
        return LeaseLock(
            self._clusters.get(site),
            self._namespace,
            target_lock(site),
            holder=self._holder,
            owner=self._move.uid,
            ttl=TARGET_TTL,
            clock=self._clock,
        )
