"""Leader election."""

import asyncio

from siterecovery.kubevirt.clusters.leader import Election
from siterecovery.kubevirt.clusters.leases import LeaseLock, holder_of
from siterecovery.kubevirt.domain.resources import LEASES
from unit.kubevirt.memory_cluster import MemoryCluster


def election(cluster, holder):
    return Election(LeaseLock(cluster, "ns", "leader", holder=holder, ttl=15.0), renew_every=0.01)


def test_one_works_and_the_next_follows():
    """Of two replicas one works; when it ends cleanly the other one takes over at once."""

    async def scene():
        cluster, worked = MemoryCluster(), []

        async def work(name):
            worked.append(name)
            await asyncio.Event().wait()

        first, second = election(cluster, "a"), election(cluster, "b")
        one = asyncio.create_task(first.lead(lambda: work("a")))
        async with asyncio.timeout(5):
            while not worked:
                await asyncio.sleep(0.005)
            two = asyncio.create_task(second.lead(lambda: work("b")))
            await asyncio.sleep(0.05)
            assert (worked, first.leading, second.leading) == (["a"], True, False)
            one.cancel()
            while worked != ["a", "b"]:
                await asyncio.sleep(0.005)
        assert holder_of(cluster.of(LEASES, "leader", "ns"))[0] == "b"
        two.cancel()
        await asyncio.gather(one, two, return_exceptions=True)

    asyncio.run(scene())


def test_a_lost_lead_stops_the_work():
    """When the Lease is somebody else's the work is cancelled, and begun again only after the lead has been won again."""

    async def scene():
        cluster, begun, ended = MemoryCluster(), [], []

        async def work():
            begun.append(1)
            try:
                await asyncio.Event().wait()
            finally:
                ended.append(1)

        leading = asyncio.create_task(election(cluster, "a").lead(work))
        async with asyncio.timeout(5):
            while not begun:
                await asyncio.sleep(0.005)
            cluster.take(LEASES, "leader", "ns")
            while not (ended and len(begun) == 2):
                await asyncio.sleep(0.005)
        leading.cancel()
        await asyncio.gather(leading, return_exceptions=True)

    asyncio.run(scene())


def test_work_that_fails_ends_the_lead():
    """An error of the work is its runner's to see, and the Lease is given back."""

    async def scene():
        cluster = MemoryCluster()

        async def work():
            raise ValueError("broken")

        found = await asyncio.gather(election(cluster, "a").lead(work), return_exceptions=True)
        assert isinstance(found[0], ValueError)
        assert await cluster.find(LEASES, "leader", "ns") is None

    asyncio.run(scene())
