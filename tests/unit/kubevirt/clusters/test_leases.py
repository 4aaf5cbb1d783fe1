"""One holder at a time."""

import asyncio
import datetime

import pytest

from siterecovery.kubevirt.clusters import base
from siterecovery.kubevirt.clusters.leases import LeaseLock, LockHeld, LockLost, holder_of
from siterecovery.kubevirt.domain.resources import LEASES
from unit.kubevirt.memory_cluster import EPOCH, MemoryCluster

NS, NAME = "site-recovery", "failover-lock-pg-a"


class Time:
    """A clock that stands still until it is moved; the API server's moves with it unless told otherwise."""

    def __init__(self, cluster):
        self.seconds = 1000.0
        self.cluster = cluster

    def monotonic(self):
        return self.seconds

    def now(self):
        return EPOCH + datetime.timedelta(seconds=self.seconds)

    def pass_(self, seconds, *, server=True):
        self.seconds += seconds
        if server:
            self.cluster.seconds += seconds


@pytest.fixture
def cluster():
    return MemoryCluster()


@pytest.fixture
def time(cluster):
    return Time(cluster)


def lock(cluster, time, holder="failover-controller-1", owner="u1", ttl=300.0):
    return LeaseLock(cluster, NS, NAME, holder=holder, owner=owner, ttl=ttl, clock=time)


def test_the_second_one_is_told_who_holds_it(cluster, time):
    """A held lock names its holder, its owner and the seconds it lasts."""

    async def scene():
        await lock(cluster, time).acquire()
        time.pass_(100)
        with pytest.raises(LockHeld) as caught:
            await lock(cluster, time, "failover-controller-2", "u2").acquire()
        return caught.value

    error = asyncio.run(scene())
    assert (error.holder, error.owner, error.lease) == ("failover-controller-1", "u1", NAME)
    assert 200 <= error.left <= 210
    assert NAME in str(error)


def test_one_controller_does_not_enter_twice(cluster, time):
    """The same holder for another Failover is refused; for the same one it goes on."""

    async def scene():
        await lock(cluster, time).acquire()
        again = lock(cluster, time)
        await again.acquire()
        with pytest.raises(LockHeld):
            await lock(cluster, time, owner="u2").acquire()
        assert again.held

    asyncio.run(scene())


def test_a_stale_lock_is_taken_by_the_servers_word(cluster, time):
    """A lock nobody has written to for its whole duration, by the API server's own clock, is free at once: also for who has never seen it."""

    async def scene():
        await lock(cluster, time).acquire()
        time.pass_(311)
        taker = lock(cluster, time, "failover-controller-2", "u2")
        await taker.acquire()
        return cluster.of(LEASES, NAME, NS)

    lease = asyncio.run(scene())
    assert holder_of(lease) == ("failover-controller-2", "u2")
    assert lease["spec"]["leaseTransitions"] == 1


def test_a_stale_lock_is_taken_by_what_was_seen(cluster, time):
    """Where the server's clock says nothing useful, a lock that has not changed while somebody watched it for its duration is free."""

    async def scene():
        await lock(cluster, time).acquire()
        taker = lock(cluster, time, "failover-controller-2", "u2")
        with pytest.raises(LockHeld):
            await taker.acquire()
        time.pass_(301, server=False)
        await taker.acquire()
        assert taker.held

    asyncio.run(scene())


def test_a_renewed_lock_is_not_stale(cluster, time):
    """Whoever renews keeps it, however long others watch."""

    async def scene():
        holder, taker = lock(cluster, time), lock(cluster, time, "failover-controller-2", "u2")
        await holder.acquire()
        for _ in range(5):
            time.pass_(100)
            await holder.renew()
            with pytest.raises(LockHeld):
                await taker.acquire()
        assert holder.held

    asyncio.run(scene())


def test_a_holder_that_cannot_renew_stops_by_itself(cluster, time):
    """Held ends when the last renewal is older than the lock lasts, also while nothing can be asked."""

    async def scene():
        holder = lock(cluster, time)
        await holder.acquire()
        cluster.broken = base.TimedOut("frozen")
        time.pass_(299)
        with pytest.raises(base.TimedOut):
            await holder.renew()
        assert holder.held
        time.pass_(2)
        assert not holder.held

    asyncio.run(scene())


def test_a_stolen_lock_is_lost(cluster, time):
    """Who was away too long learns at the next renewal that somebody else has it, or that it was deleted."""

    async def scene():
        first, second = lock(cluster, time), lock(cluster, time, "failover-controller-2", "u2")
        await first.acquire()
        time.pass_(400)
        await second.acquire()
        with pytest.raises(LockLost, match="failover-controller-2"):
            await first.renew()
        assert not first.held
        cluster.take(LEASES, NAME, NS)
        with pytest.raises(LockLost, match="deleted"):
            await second.renew()

    asyncio.run(scene())


def test_a_renewal_whose_answer_was_lost_is_no_loss(cluster, time):
    """A write that was applied without our hearing of it does not look like a thief."""

    async def scene():
        holder = lock(cluster, time)
        await holder.acquire()
        lease = cluster.of(LEASES, NAME, NS)
        cluster.put(LEASES, lease | {"spec": lease["spec"] | {"renewTime": "later"}})
        await holder.renew()
        assert holder.held

    asyncio.run(scene())


def test_release_gives_back_only_what_is_ours(cluster, time):
    """A released lock is gone; one that somebody else has by now stays his."""

    async def scene():
        first, second = lock(cluster, time), lock(cluster, time, "failover-controller-2", "u2")
        await first.acquire()
        await first.release()
        assert await cluster.find(LEASES, NAME, NS) is None
        await first.acquire()
        time.pass_(400)
        await second.acquire()
        await first.release()
        assert holder_of(cluster.of(LEASES, NAME, NS))[0] == "failover-controller-2"

    asyncio.run(scene())


def test_of_many_exactly_one_wins(cluster, time):
    """Whoever comes at the same time: one gets it, all others are told."""

    async def scene():
        locks = [lock(cluster, time, f"c{n}", f"u{n}") for n in range(20)]
        found = await asyncio.gather(*(one.acquire() for one in locks), return_exceptions=True)
        assert sum(answer is None for answer in found) == 1
        assert sum(isinstance(answer, LockHeld) for answer in found) == 19

    asyncio.run(scene())
