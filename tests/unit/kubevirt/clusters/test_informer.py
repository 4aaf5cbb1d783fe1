"""The local copy of a list."""

import asyncio
import contextlib

from siterecovery.kubevirt.clusters import base
from siterecovery.kubevirt.clusters.informer import Informer
from siterecovery.kubevirt.domain.resources import PROTECTION_GROUPS
from unit.kubevirt.memory_cluster import MemoryCluster

NS = "site-recovery"


def group(name, **spec):
    return PROTECTION_GROUPS.header(name, NS) | {"spec": spec}


class Watcher:
    """An informer with its story: (name, what happened)."""

    def __init__(self, cluster, **options):
        self.informer = Informer(cluster, PROTECTION_GROUPS, **{"longest_pause": 0.01} | options)
        self.informer.tell(self.note)
        self.story = []
        self.more = asyncio.Event()

    def note(self, change):
        same = change.before is change.now
        what = "again" if same else "new" if change.before is None else "gone" if change.now is None else "changed"
        self.story.append((change.key[1], what))
        self.more.set()

    async def until(self, *wanted):
        async with asyncio.timeout(5):
            while not set(wanted) <= set(self.story):
                self.more.clear()
                await self.more.wait()

    @contextlib.asynccontextmanager
    async def watching(self):
        running = asyncio.create_task(self.informer.run())
        try:
            yield self
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


def test_it_follows_a_cluster():
    """What is there, what comes, what changes and what goes is told once each, and the copy is the list."""

    async def scene():
        cluster = MemoryCluster()
        cluster.put(PROTECTION_GROUPS, group("a"))
        async with Watcher(cluster).watching() as watcher:
            await watcher.until(("a", "new"))
            cluster.put(PROTECTION_GROUPS, group("b"))
            cluster.put(PROTECTION_GROUPS, group("a", desiredState="stopped"))
            await watcher.until(("b", "new"), ("a", "changed"))
            cluster.take(PROTECTION_GROUPS, "a", NS)
            await watcher.until(("a", "gone"))
            assert list(watcher.informer.objects) == [(NS, "b")]
            assert watcher.informer.age is not None
        assert len(watcher.story) == 4

    asyncio.run(scene())


def test_a_relist_tells_what_was_deleted_meanwhile():
    """After a Gone the difference is told: also deletions that no event told of."""

    async def scene():
        cluster = MemoryCluster()
        for name in "ab":
            cluster.put(PROTECTION_GROUPS, group(name))
        async with Watcher(cluster).watching() as watcher:
            await watcher.until(("a", "new"), ("b", "new"))
            cluster.broken = base.Unreachable("down")
            cluster.changed.set()
            cluster.take(PROTECTION_GROUPS, "a", NS)
            cluster.put(PROTECTION_GROUPS, group("c"))
            cluster.forget_history()
            cluster.broken = None
            await watcher.until(("a", "gone"), ("c", "new"))

    asyncio.run(scene())


def test_silence_is_a_dead_connection():
    """A watch without a word is opened again where it was, without listing."""

    async def scene():
        cluster = MemoryCluster()
        async with Watcher(cluster, silence=0.01).watching() as watcher:
            await watcher.informer.synced.wait()
            async with asyncio.timeout(5):
                while sum(call[0] == "watch" for call in cluster.calls) < 3:
                    await asyncio.sleep(0.005)
            cluster.put(PROTECTION_GROUPS, group("late"))
            await watcher.until(("late", "new"))
        assert sum(call[0] == "list" for call in cluster.calls) == 1

    asyncio.run(scene())


def test_an_unreachable_cluster_is_asked_until_it_answers():
    """What cannot be listed is not empty: the copy stays as it was and not synced, and fills when the server is back."""

    async def scene():
        cluster = MemoryCluster()
        cluster.put(PROTECTION_GROUPS, group("a"))
        cluster.broken = base.TimedOut("frozen")
        async with Watcher(cluster).watching() as watcher:
            async with asyncio.timeout(5):
                while len(cluster.calls) < 3:
                    await asyncio.sleep(0.005)
            assert (watcher.informer.synced.is_set(), watcher.informer.age) == (False, None)
            cluster.broken = None
            await watcher.until(("a", "new"))

    asyncio.run(scene())


def test_a_server_that_is_back_is_announced():
    """The first list is announced, and each one after an outage, also where nothing has changed: what failed meanwhile need not wait longer."""

    async def scene():
        cluster = MemoryCluster()
        cluster.put(PROTECTION_GROUPS, group("a"))
        watcher, lists = Watcher(cluster, silence=0.05), []
        watcher.informer.announce(lambda: lists.append(list(watcher.informer.objects)))
        async with asyncio.timeout(5), watcher.watching():
            await watcher.informer.synced.wait()
            cluster.broken = base.Unreachable("down")
            tried = len(cluster.calls)
            while len(cluster.calls) < tried + 3:
                await asyncio.sleep(0.005)
            assert lists == [[(NS, "a")]]
            cluster.broken = None
            while len(lists) < 2:
                await asyncio.sleep(0.005)
        assert lists == [[(NS, "a")]] * 2
        assert watcher.story == [("a", "new")]

    asyncio.run(scene())


def test_everything_is_told_again_and_again():
    """At each resync every object is told, though nothing has changed."""

    async def scene():
        cluster = MemoryCluster()
        cluster.put(PROTECTION_GROUPS, group("a"))
        async with Watcher(cluster, resync=0.01).watching() as watcher:
            await watcher.until(("a", "new"), ("a", "again"))

    asyncio.run(scene())
