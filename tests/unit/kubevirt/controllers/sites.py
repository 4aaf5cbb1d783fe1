"""Two clusters in memory with a group controller each, and as much of KubeVirt as decides whether a VM runs."""

import asyncio
import contextlib
import copy

from siterecovery.kubevirt.clusters import base
from siterecovery.kubevirt.controllers.protection_group.controller import GroupController, Settings
from siterecovery.kubevirt.controllers.protection_group.reconcile import Pace
from siterecovery.kubevirt.domain.resources import (
    NODES,
    PERSISTENT_VOLUME_CLAIMS,
    PERSISTENT_VOLUMES,
    PROTECTION_GROUPS,
    VIRTUAL_MACHINE_INSTANCES,
    VIRTUAL_MACHINES,
)
from siterecovery.kubevirt.domain.virtual_machine import run_of, strategy_of
from siterecovery.kubevirt.domain.volume import VolumeView
from unit.kubevirt.memory_cluster import MemoryCluster

NS = "site-recovery"
KEY = (NS, "pg-a")


class Kubevirt:
    """Starts and stops instances at once; `stuck` names VMs that do neither; `story` is what it did, in order."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.stuck = set()
        self.story = []

    async def run(self):
        while True:
            for key, vm in list(self.cluster.objects.items()):
                if key[0] == VIRTUAL_MACHINES.plural and key[2] not in self.stuck:
                    self.settle(key[1], key[2], vm)
            asked = list(self.cluster.started)
            self.cluster.started.clear()
            for namespace, name in asked:
                self.start(namespace, name)
            await asyncio.sleep(0.005)

    def settle(self, namespace, name, vm):
        strategy = strategy_of(run_of(vm))
        there = (VIRTUAL_MACHINE_INSTANCES.plural, namespace, name) in self.cluster.objects
        if strategy == "Halted" and there:
            self.cluster.take(VIRTUAL_MACHINE_INSTANCES, name, namespace)
            self.story.append(("stopped", name))
        elif strategy in ("Always", "RerunOnFailure") and not there:
            self.start(namespace, name)
        if (vm.get("status") or {}).get("runStrategy") != strategy:
            fresh = self.cluster.of(VIRTUAL_MACHINES, name, namespace)
            self.cluster.put(VIRTUAL_MACHINES, fresh, {"runStrategy": strategy, "printableStatus": "Stopped"})

    def start(self, namespace, name):
        if (VIRTUAL_MACHINE_INSTANCES.plural, namespace, name) in self.cluster.objects:
            return
        status = {"phase": "Running", "nodeName": "n1", "conditions": [{"type": "Ready", "status": "True"}]}
        made = VIRTUAL_MACHINE_INSTANCES.header(name, namespace)
        made["metadata"]["creationTimestamp"] = "2099-01-01T00:00:00Z"
        self.cluster.put(VIRTUAL_MACHINE_INSTANCES, made, status)
        self.story.append(("started", name))


class Registry:
    """Fulfils the controller's promise of clusters."""

    def __init__(self, local, clusters):
        self.local = local
        self._clusters = clusters

    def resolve(self, name):
        name = {"dr-cluster": "cluster2"}.get(name, name)
        if name not in self._clusters:
            raise base.BadAccess(f"no cluster {name}")
        return name

    def get(self, name):
        return self._clusters[self.resolve(name)]

    def same(self, one, other):
        with contextlib.suppress(base.BadAccess):
            return self.resolve(one) == self.resolve(other)
        return one == other


class Disks:
    """The storage backend: a view by handle, changed by tests."""

    def __init__(self):
        self.found = {}

    async def views(self, backend, namespace, handles, here, clusters):
        return {handle: self.found.get(handle, VolumeView(handle)) for handle in handles}


class Sites:
    def __init__(self, *, quorum=False):
        names = ["cluster1", "cluster2", *(["quorum"] if quorum else [])]
        self.clusters = {name: MemoryCluster(name) for name in names}
        self.one, self.two = self.clusters["cluster1"], self.clusters["cluster2"]
        self.kubevirt = {name: Kubevirt(self.clusters[name]) for name in ("cluster1", "cluster2")}
        self.disks = Disks()
        self.history = {name: [] for name in self.clusters}
        for cluster in self.clusters.values():
            cluster.put(NODES, NODES.header("n1"), {"conditions": [{"type": "Ready", "status": "True"}]})

    def vm(self, *names, cluster=None, claims=(), **spec):
        for name in names:
            volumes = [{"name": claim, "persistentVolumeClaim": {"claimName": claim}} for claim in claims]
            made = VIRTUAL_MACHINES.header(name, NS)
            made["spec"] = {**(spec or {"runStrategy": "Always"}), "template": {"spec": {"volumes": volumes}}}
            (cluster or self.one).put(VIRTUAL_MACHINES, made)

    def disk(self, claim, handle, **view):
        pvc = PERSISTENT_VOLUME_CLAIMS.header(claim, NS) | {"spec": {"volumeName": handle}}
        spec = {"csi": {"driver": "linstor.csi.linbit.com", "volumeHandle": handle}, "capacity": {"storage": "1Gi"}}
        self.one.put(PERSISTENT_VOLUME_CLAIMS, pvc)
        self.one.put(PERSISTENT_VOLUMES, PERSISTENT_VOLUMES.header(handle) | {"spec": spec})
        self.see(handle, **view)

    def see(self, handle, **view):
        self.disks.found[handle] = VolumeView(handle, **{"connected": True, "in_sync": True, "fenced": True} | view)

    def group(self, *members, cluster=None, **spec):
        listed = [member if isinstance(member, dict) else {"name": member} for member in members]
        whole = {
            "clusters": {"primary": "cluster1", "dr": "cluster2"},
            "desiredState": "running",
            "storage": {"backend": "linstor"},
            "virtualMachines": listed,
        } | spec
        whole = {key: value for key, value in whole.items() if value is not None}
        (cluster or self.one).put(PROTECTION_GROUPS, PROTECTION_GROUPS.header("pg-a", NS) | {"spec": whole})

    def get(self, cluster=None):
        return (cluster or self.one).of(PROTECTION_GROUPS, "pg-a", NS)

    def status(self, cluster=None):
        return self.get(cluster).get("status") or {}

    def ready(self, cluster=None):
        return self.condition("Ready", cluster)

    def condition(self, kind, cluster=None):
        found = [item for item in self.status(cluster).get("conditions") or [] if item["type"] == kind]
        return found[0] if found else {"reason": None, "message": "", "status": None}

    def rows(self, cluster=None):
        return {row["name"]: row["phase"] for row in self.status(cluster).get("virtualMachines") or []}

    def running(self, cluster=None):
        found = (cluster or self.one).objects
        return sorted(key[2] for key in found if key[0] == VIRTUAL_MACHINE_INSTANCES.plural)

    async def want(self, state, cluster=None):
        await (cluster or self.one).patch(PROTECTION_GROUPS, "pg-a", NS, {"spec": {"desiredState": state}})

    async def claim(self, epoch, active, cluster=None):
        patch = {"status": {"epoch": epoch, "activeCluster": active}}
        await (cluster or self.one).patch(PROTECTION_GROUPS, "pg-a", NS, patch, subresource="status")

    async def until(self, what, ask):
        """`ask` may look at objects that are not there yet."""
        try:
            async with asyncio.timeout(8):
                while True:
                    with contextlib.suppress(KeyError):
                        if ask():
                            return
                    await asyncio.sleep(0.005)
        except TimeoutError:
            there = {
                name: copy.deepcopy(self.status(cluster)) for name, cluster in self.clusters.items() if KEY_IN(cluster)
            }
            raise AssertionError(f"not {what}: {there}") from None

    async def until_state(self, state, cluster=None):
        def ask():
            status, generation = self.status(cluster), self.get(cluster)["metadata"]["generation"]
            return status.get("currentState") == state and status.get("observedGeneration") == generation

        await self.until(state, ask)

    def told(self, cluster=None):
        """The states people have seen, in order, without repetitions."""
        seen = []
        for _, kind, key, obj in (cluster or self.one).events:
            state = (obj.get("status") or {}).get("currentState")
            if key[0] == PROTECTION_GROUPS.plural and kind != "DELETED" and state and seen[-1:] != [state]:
                seen.append(state)
        return seen

    def controller(self, cluster):
        settings = Settings(
            resync=0.5, mirror=0.2, settle=0.05, storage=0.02, pace=Pace(rows_every=0.0, alive_every=3600.0)
        )
        return GroupController(Registry(cluster, self.clusters), self.disks, settings=settings)

    @contextlib.asynccontextmanager
    async def controlled(self, *clusters):
        """With KubeVirt everywhere, and group controllers on the named clusters (both workload clusters without names)."""
        chosen = clusters or (self.one, self.two)
        tasks = [asyncio.create_task(kubevirt.run()) for kubevirt in self.kubevirt.values()]
        tasks += [asyncio.create_task(self.controller(cluster).run()) for cluster in chosen]
        try:
            yield self
        finally:
            for task in tasks:
                task.cancel()
            found = await asyncio.gather(*tasks, return_exceptions=True)
        assert [error for error in found if not isinstance(error, asyncio.CancelledError)] == []


def KEY_IN(cluster):
    return (PROTECTION_GROUPS.plural, NS, "pg-a") in cluster.objects


def play(story, sites=None, *clusters):
    """Runs a story on two sites with their controllers."""
    sites = sites or Sites()

    async def scene():
        async with sites.controlled(*clusters):
            await story(sites)

    asyncio.run(scene())
    return sites
