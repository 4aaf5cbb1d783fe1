"""Authority in the copies of a group."""

import asyncio

import pytest

from siterecovery.kubevirt.clusters import authority, base
from siterecovery.kubevirt.clusters.blocking import Bridge
from siterecovery.kubevirt.domain.authority import NOBODY, Claim
from siterecovery.kubevirt.domain.resources import PROTECTION_GROUPS
from unit.kubevirt.memory_cluster import MemoryCluster

NS = "site-recovery"


def test_a_claim_is_written_over_a_lower_one_only():
    """A higher epoch replaces a lower one; an equal or lower one is a Conflict and nothing is sent; the same claim again changes nothing."""

    async def scene():
        cluster = MemoryCluster()
        assert await authority.read(cluster, NS, "pg-a") == NOBODY
        group = cluster.put(PROTECTION_GROUPS, PROTECTION_GROUPS.header("pg-a", NS))
        group = await authority.write(cluster, group, Claim(2, "cluster1"))
        assert await authority.write(cluster, group, Claim(2, "cluster1")) == group
        for late in (Claim(2, "cluster2"), Claim(1, "cluster2")):
            with pytest.raises(base.Conflict, match="epoch 2"):
                await authority.write(cluster, group, late)
        assert await authority.read(cluster, NS, "pg-a") == Claim(2, "cluster1")

    asyncio.run(scene())


def test_an_old_reading_claims_nothing():
    """A copy that has changed since it was read is not written."""

    async def scene():
        cluster = MemoryCluster()
        old = cluster.put(PROTECTION_GROUPS, PROTECTION_GROUPS.header("pg-a", NS))
        await authority.write(cluster, old, Claim(1, "cluster2"))
        with pytest.raises(base.Conflict):
            await authority.write(cluster, old, Claim(2, "cluster1"))

    asyncio.run(scene())


def test_blocking_steps_reach_the_clusters_loop():
    """A worker thread gets the answer, the error, or TimedOut when none comes."""

    async def scene():
        cluster = MemoryCluster()
        bridge, short = Bridge(), Bridge(limit=0.05)
        found = await asyncio.to_thread(lambda: bridge(cluster.server_time()))
        assert found == await cluster.server_time()
        with pytest.raises(base.NotFound):
            await asyncio.to_thread(lambda: bridge(cluster.get(PROTECTION_GROUPS, "x", NS)))
        with pytest.raises(base.TimedOut):
            await asyncio.to_thread(lambda: short(asyncio.sleep(30)))

    asyncio.run(scene())
