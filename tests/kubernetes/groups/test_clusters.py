"""The client, its informer and its nouns on a real API server."""

import asyncio
import contextlib

import pytest

from siterecovery.kubevirt.clusters import base, nodes
from siterecovery.kubevirt.clusters.access import from_file, from_text
from siterecovery.kubevirt.clusters.client import ClusterClient
from siterecovery.kubevirt.clusters.events import Recorder
from siterecovery.kubevirt.clusters.informer import Informer
from siterecovery.kubevirt.clusters.leases import LeaseLock, LockHeld
from siterecovery.kubevirt.clusters.registry import Registry, UnknownCluster
from siterecovery.kubevirt.domain.names import LOST_QUORUM_TAINT
from siterecovery.kubevirt.domain.resources import (
    CONFIG_MAPS,
    LEASES,
    NODES,
    PROTECTION_GROUPS,
    Resource,
)

SPEC = {"clusters": {"primary": "cluster1", "dr": "cluster2"}, "virtualMachines": [{"name": "vm1"}]}


@pytest.fixture
def play(ready_light_planes):
    """Runs a story with a client of cluster1."""

    def run(story, **options):
        async def scene():
            access = from_file(ready_light_planes.cluster1.kubeconfig)
            client = ClusterClient("cluster1", access, **options)
            try:
                return await story(client)
            finally:
                await client.close()

        return asyncio.run(scene())

    return run


def named(namespace, name="pg-a"):
    return PROTECTION_GROUPS.header(name, namespace)


def test_errors_are_told_apart(play, light_namespace):
    """An object that is not there, a kind that is not served, a rule, a race and a missing right are different errors with sentences."""

    async def story(cluster):
        missing = Resource("nobody.example", "v1", "things", "Thing")
        group = named(light_namespace) | {"spec": SPEC}
        made = await cluster.create(PROTECTION_GROUPS, group)
        await cluster.patch(PROTECTION_GROUPS, "pg-a", light_namespace, {"metadata": {"labels": {"a": "b"}}})
        bad = named(light_namespace, "bad") | {"spec": SPEC | {"clusters": {"primary": "a", "dr": "a"}}}
        calls = {
            base.NotFound: cluster.get(PROTECTION_GROUPS, "nobody", light_namespace),
            base.NotServed: cluster.list(missing),
            base.AlreadyExists: cluster.create(PROTECTION_GROUPS, group),
            base.Conflict: cluster.update(PROTECTION_GROUPS, made),
            base.Invalid: cluster.create(PROTECTION_GROUPS, bad),
        }
        for error, call in calls.items():
            with pytest.raises(error, match=r"^cluster1: ") as caught:
                await call
            assert type(caught.value) is error
        assert await cluster.find(PROTECTION_GROUPS, "nobody", light_namespace) is None
        with pytest.raises(base.Conflict):
            await cluster.delete(PROTECTION_GROUPS, "pg-a", light_namespace, uid="another")
        await cluster.delete(PROTECTION_GROUPS, "pg-a", light_namespace, uid=made["metadata"]["uid"])

    play(story)


def test_a_user_without_rights_is_forbidden(ready_light_planes, light_namespace):
    """RBAC's no is Forbidden, not an absence."""

    async def scene():
        alice = ready_light_planes.cluster1.user_kubeconfig("alice", ["siteops"])
        cluster = ClusterClient("cluster1", from_file(alice))
        try:
            with pytest.raises(base.Forbidden, match="alice"):
                await cluster.find(PROTECTION_GROUPS, "pg-a", light_namespace)
        finally:
            await cluster.close()

    asyncio.run(scene())


def test_a_frozen_server_is_a_time_out(ready_light_planes, play, light_namespace):
    """A server that does not answer is TimedOut within the limit, one that is gone Unreachable, and both are Unknown."""

    async def story(cluster):
        await cluster.server_time()
        ready_light_planes.cluster1.apiserver.freeze()
        try:
            with pytest.raises(base.TimedOut):
                await cluster.find(PROTECTION_GROUPS, "pg-a", light_namespace)
        finally:
            ready_light_planes.cluster1.apiserver.thaw()
        await (
            cluster.server_time()
        )  # it answers again; the connection that was given up gets its server's goodbye meanwhile
        nobody = ClusterClient("gone", from_text(EMPTY, "nowhere"))
        try:
            with pytest.raises(base.Unreachable, match=r"^gone: "):
                await nobody.server_time()
        finally:
            await nobody.close()

    play(story, timeout=1.0)


EMPTY = """
{current-context: c, contexts: [{name: c, context: {cluster: c}}], clusters: [{name: c, cluster: {server: "http://127.0.0.1:1"}}]}
"""


def test_applied_parts_have_one_owner_each(play, light_namespace):
    """What one manager applies and leaves out later is removed; what another one owns stays."""

    async def story(cluster):
        await cluster.create(PROTECTION_GROUPS, named(light_namespace) | {"spec": SPEC})

        async def apply(manager, **status):
            obj = named(light_namespace) | {"status": status}
            return (await cluster.apply(PROTECTION_GROUPS, obj, manager=manager, subresource="status"))["status"]

        def condition(kind):
            stamp = "2026-11-21T00:00:00Z"
            return {"type": kind, "status": "True", "reason": "X", "message": "", "lastTransitionTime": stamp}

        await apply("one", currentState="running", observedGeneration=1, conditions=[condition("Ready")])
        await apply("two", location="cluster1", conditions=[condition("Moved")])
        found = await apply("one", currentState="mixed", conditions=[condition("Ready")])
        assert "observedGeneration" not in found
        assert (found["currentState"], found["location"]) == ("mixed", "cluster1")
        assert {item["type"] for item in found["conditions"]} == {"Ready", "Moved"}

    play(story)


def test_a_list_longer_than_a_page_is_whole(play, light_namespace):
    """Seven hundred objects come in pages and are all there, each saying what it is."""

    async def story(cluster):
        names = [f"c{n}" for n in range(700)]
        gate = asyncio.Semaphore(32)

        async def make(name):
            async with gate:
                await cluster.create(CONFIG_MAPS, CONFIG_MAPS.header(name, light_namespace))

        await asyncio.gather(*(make(name) for name in names))
        listing = await cluster.list(CONFIG_MAPS, light_namespace)
        assert {item["metadata"]["name"] for item in listing.items} >= set(names)
        assert {item["kind"] for item in listing.items} == {"ConfigMap"}

    play(story)


def test_the_informer_survives_a_crash_of_the_server(ready_light_planes, play, light_namespace):
    """Changes made before, during and after a crash of the API server are all told, also a deletion that nobody watched."""
    plane = ready_light_planes.cluster2

    async def scene():
        cluster = ClusterClient("cluster2", from_file(plane.kubeconfig), timeout=2.0)
        informer = Informer(cluster, CONFIG_MAPS, namespace=light_namespace, silence=5.0, longest_pause=0.5)
        running = asyncio.create_task(informer.run())

        async def until(*names):
            async with asyncio.timeout(60):
                while {key[1] for key in informer.objects} - {"kube-root-ca.crt"} != set(names):
                    await asyncio.sleep(0.05)

        try:
            for name in ("a", "b"):
                await cluster.create(CONFIG_MAPS, CONFIG_MAPS.header(name, light_namespace))
            await until("a", "b")
            plane.apiserver.crash()
            plane.apiserver.start()
            await asyncio.to_thread(plane.wait)
            await cluster.delete(CONFIG_MAPS, "a", light_namespace)
            await cluster.create(CONFIG_MAPS, CONFIG_MAPS.header("c", light_namespace))
            await until("b", "c")
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await cluster.close()

    asyncio.run(scene())


def test_one_of_many_gets_the_lock(play, light_namespace):
    """Twenty contenders at once: one holds the Lease, nineteen are told who; after its release the next one gets it."""

    async def story(cluster):
        locks = [
            LeaseLock(cluster, light_namespace, "failover-lock-pg-a", holder=f"h{n}", owner=f"u{n}") for n in range(20)
        ]
        found = await asyncio.gather(*(lock.acquire() for lock in locks), return_exceptions=True)
        (winner,) = [lock for lock, answer in zip(locks, found, strict=True) if answer is None]
        holders = {answer.holder for answer in found if isinstance(answer, LockHeld)}
        lease = await cluster.get(LEASES, "failover-lock-pg-a", light_namespace)
        assert holders <= {lease["spec"]["holderIdentity"], "another process"}
        await winner.renew()
        await winner.release()
        await locks[0].acquire()
        assert locks[0].held

    play(story)


def test_an_expired_lock_is_taken_without_having_been_watched(play, light_namespace):
    """A Lease that was not renewed for its duration, by the API server's own clock, is taken at the first look."""

    async def story(cluster):
        stale = LEASES.header("stale", light_namespace)
        spec = {"holderIdentity": "dead", "leaseDurationSeconds": 1, "renewTime": "2099-01-01T00:00:00.000000Z"}
        await cluster.create(LEASES, stale | {"spec": spec})
        lock = LeaseLock(cluster, light_namespace, "stale", holder="new", ttl=1)
        async with asyncio.timeout(30):
            while not lock.held:
                fresh = LeaseLock(cluster, light_namespace, "stale", holder="new", ttl=1)
                with contextlib.suppress(LockHeld):
                    await fresh.acquire()
                    lock = fresh
                await asyncio.sleep(0.5)

    play(story)


def test_concurrent_writers_of_taints_lose_nothing(play):
    """Five removals of different taints at once remove exactly those five."""

    async def story(cluster):
        keys = [f"test/taint-{n}" for n in range(5)]
        taints = [{"key": key, "effect": "NoSchedule"} for key in (*keys, LOST_QUORUM_TAINT)]
        await cluster.create(NODES, NODES.header("tainted") | {"spec": {"taints": taints}})
        await asyncio.gather(*(nodes.remove_taints(cluster, [key]) for key in keys))
        left = (await cluster.get(NODES, "tainted"))["spec"]["taints"]
        assert LOST_QUORUM_TAINT in [taint["key"] for taint in left]
        assert not set(keys) & {taint["key"] for taint in left}
        await cluster.delete(NODES, "tainted")

    play(story)


def test_describe_tells_the_events_of_an_object(ready_light_planes, play, light_namespace):
    """A recorded event is in `kubectl describe`, and the same one again only counts up."""

    async def story(cluster):
        made = await cluster.create(PROTECTION_GROUPS, named(light_namespace) | {"spec": SPEC})
        recorder = Recorder(cluster, "protection-group-controller")
        for _ in range(2):
            await recorder.record(made, "NotActiveHere", "the group is active on cluster2", "Warning")

    play(story)
    told = ready_light_planes.cluster1.kubectl("describe", "pg", "pg-a", "-n", light_namespace)
    assert "the group is active on cluster2" in told
    assert "(x2 over" in told


def test_clusters_are_known_by_their_secrets(play):
    """Names and aliases of labelled Secrets lead to clients that work; an unknown name says what to do."""

    async def story(cluster):
        registry = Registry(cluster, "site-recovery", aliases=["primary"])
        await registry.refresh()
        try:
            assert registry.names == ["cluster1", "cluster2", "quorum"]
            assert (registry.resolve("dr-cluster"), registry.same("primary", "cluster1")) == ("cluster2", True)
            assert registry.get("dr-cluster").name == "cluster2"
            await registry.get("cluster2").server_time()
            client = registry.get("cluster2")
            await registry.refresh()
            assert registry.get("cluster2") is client
            with pytest.raises(UnknownCluster, match="Create a Secret labelled"):
                registry.get("nowhere")
        finally:
            await registry.close()

    play(story)
