"""The Leases of a Failover on three clusters: who may take them from whom."""

import asyncio

import pytest

from siterecovery.kubevirt.clusters import base
from siterecovery.kubevirt.clusters.leases import LockHeld
from siterecovery.kubevirt.controllers.failover.locks import FailoverLocks
from siterecovery.kubevirt.domain.resources import FAILOVERS, LEASES
from siterecovery.kubevirt.steps.base import Move
from siterecovery.workflow.clock import SystemClock
from unit.kubevirt.controllers.sites import Registry
from unit.kubevirt.memory_cluster import MemoryCluster

NAMES = ("cluster1", "cluster2", "quorum")


class Ground:
    def __init__(self):
        self.clusters = {name: MemoryCluster(name) for name in NAMES}
        self.home = self.clusters["quorum"]

    def failover(self, name, phase):
        spec = {"protectionGroup": "pg-a", "targetCluster": "cluster2"}
        made = self.home.put(FAILOVERS, FAILOVERS.header(name, "prod") | {"spec": spec}, {"phase": phase})
        return made["metadata"]["uid"]

    def locks(self, name, uid, holder="failover-controller-1"):
        move = Move("prod", name, uid, "pg-a", "cluster1", "cluster2", "quorum")
        registry = Registry(self.home, self.clusters)
        return FailoverLocks(registry, move, holder=holder, namespace="site-recovery", ttl=300.0, clock=SystemClock())

    def holders(self):
        """UIDs of the owners, by cluster."""
        return {
            name: lease["metadata"]["annotations"]["siterecovery.trilio.io/owner"]
            for name, cluster in self.clusters.items()
            for (plural, _, _), lease in cluster.objects.items()
            if plural == LEASES.plural
        }

    def left_on_cluster1(self, phase):
        """By a Failover that gave its lock back while cluster1 was away; its UID."""
        uid = self.failover("first", "Pending")

        async def scene():
            locks = self.locks("first", uid)
            await locks.acquire()
            self.clusters["cluster1"].broken = base.Unreachable("connection refused", cluster="cluster1")
            await locks.release()
            self.clusters["cluster1"].broken = None

        asyncio.run(scene())
        self.failover("first", phase)
        assert set(self.holders()) == {"cluster1"}
        return uid


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_a_lock_that_could_not_be_given_back_holds_nobody_up(phase):
    """The Failover has ended, so its Lease on the cluster that was away is nobody's: the next Failover takes it at once, not after five minutes."""
    ground = Ground()
    ground.left_on_cluster1(phase)
    second = ground.failover("second", "Pending")

    asyncio.run(ground.locks("second", second).acquire())

    assert ground.holders() == dict.fromkeys(NAMES, second)


def test_the_lock_of_a_failover_that_is_gone_holds_nobody_up():
    """Ended Failovers may be deleted; what is not there any more has ended."""
    ground = Ground()
    ground.left_on_cluster1("Succeeded")
    ground.home.take(FAILOVERS, "first", "prod")

    asyncio.run(ground.locks("second", ground.failover("second", "Pending")).acquire())


def test_the_lock_of_a_failover_that_has_not_ended_is_respected():
    """Also when it is this installation's own."""
    ground = Ground()
    ground.left_on_cluster1("Pending")
    with pytest.raises(LockHeld):
        asyncio.run(ground.locks("second", ground.failover("second", "Pending")).acquire())


def test_another_installations_lock_is_respected():
    """Its Failovers are on another cluster: nobody here knows whether they have ended."""
    ground = Ground()
    ground.left_on_cluster1("Succeeded")
    second = ground.failover("second", "Pending")
    with pytest.raises(LockHeld):
        asyncio.run(ground.locks("second", second, holder="failover-controller-2").acquire())
