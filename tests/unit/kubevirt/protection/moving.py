"""The same clusters in memory with all controllers of the DRBD Operator model: what was taken under replication is moved as a group. Guests open
their disks as DRBD lets them, and a cluster without power is silent."""

import asyncio

from sandbox.kubernetes.drbd.devices import NoSuchVolume, Refused
from siterecovery.kubevirt.clusters.blocking import Bridge
from siterecovery.kubevirt.controllers.failover.controller import FailoverController
from siterecovery.kubevirt.controllers.failover.execution import Ground as Shared
from siterecovery.kubevirt.controllers.failover.execution import Rules
from siterecovery.kubevirt.controllers.protection_group.controller import GroupController, Settings
from siterecovery.kubevirt.controllers.protection_group.reconcile import Pace as GroupPace
from siterecovery.kubevirt.controllers.protection_request.controller import ProtectionController
from siterecovery.kubevirt.domain import disks
from siterecovery.kubevirt.domain.resources import (
    FAILOVERS,
    PERSISTENT_VOLUME_CLAIMS,
    PERSISTENT_VOLUMES,
    PROTECTION_GROUPS,
    VIRTUAL_MACHINE_INSTANCES,
    VIRTUAL_MACHINES,
)
from siterecovery.kubevirt.domain.virtual_machine import run_of, strategy_of
from siterecovery.kubevirt.processes.storages import Backends
from siterecovery.kubevirt.processes.volumes import StorageViews
from siterecovery.kubevirt.steps.base import Limits as MoveLimits
from siterecovery.kubevirt.steps.base import Settings as MoveSettings
from siterecovery.workflow.clock import SystemClock
from siterecovery.workflow.watch import Pace
from siterecovery.workflow.workers import ThreadWorkers
from unit.kubevirt.protection.ground import LIMITS, SPACE, VM, Ground, Named, PlayedCluster, unreachable
from unit.sandbox.drbd.worlds import ONE, TWO, A, B

GROUP = "pg-a"
NODES_OF = {ONE: A, TWO: B}


class GuestCluster(PlayedCluster):
    """A guest runs when all its disks could be opened; one that could not is tried again with the next look."""

    devices = None
    dark = True
    """No power (nor any disks yet)."""

    def __init__(self, name):
        super().__init__(name)
        self.asked = set()
        """VMs at Manual whose start was asked for."""
        self.open = {}

    def _follow(self, vm):
        name, namespace = vm["metadata"]["name"], vm["metadata"]["namespace"]
        strategy = strategy_of(run_of(vm))
        key = self._key(VIRTUAL_MACHINE_INSTANCES, name, namespace)
        there = key in self.objects
        if strategy == "Halted":
            self.asked.discard(name)
            self.shut(name)
            if there:
                self.take(VIRTUAL_MACHINE_INSTANCES, name, namespace)
        elif not there and not self.dark and (strategy == "Always" or name in self.asked) and self._opened(vm):
            made = VIRTUAL_MACHINE_INSTANCES.header(name, namespace)
            ready = [{"type": "Ready", "status": "True"}]
            node = {"phase": "Running", "nodeName": NODES_OF[self.name], "conditions": ready}
            self.put(VIRTUAL_MACHINE_INSTANCES, made, node)
        status = {"runStrategy": strategy, "printableStatus": "Stopped"}
        self.objects[self._key(VIRTUAL_MACHINES, name, namespace)]["status"] = status

    def look(self):
        for key, vm in list(self.objects.items()):
            if key[0] == VIRTUAL_MACHINES.plural:
                self._follow(vm)

    async def call(self, resource, name, namespace, subresource, body=None):
        self._check(subresource, resource, name)
        self.asked.add(name)

    def _opened(self, vm):
        done = []
        for handle in self._handles(vm):
            try:
                self.devices.open(self.name, NODES_OF[self.name], handle)
            except NoSuchVolume:  # a plain disk
                continue
            except Refused:
                for volume in done:
                    self.devices.close(self.name, NODES_OF[self.name], volume)
                return False
            done.append(handle)
        self.open[vm["metadata"]["name"]] = done
        return True

    def _handles(self, vm):
        for claim in disks.claims(vm):
            pvc = self.objects.get(self._key(PERSISTENT_VOLUME_CLAIMS, claim, vm["metadata"]["namespace"])) or {}
            pv = self.objects.get(self._key(PERSISTENT_VOLUMES, (pvc.get("spec") or {}).get("volumeName"), None))
            if handle := disks.handle(pv):
                yield handle

    def shut(self, name):
        for handle in self.open.pop(name, []):
            self.devices.close(self.name, NODES_OF[self.name], handle)

    def write(self):
        """One write of each guest to each of its disks, as far as DRBD takes it."""
        for handles in self.open.values():
            for handle in handles:
                try:
                    self.devices.write(self.name, NODES_OF[self.name], handle)
                except Refused:
                    continue


class Moving(Ground):
    cluster_of = GuestCluster

    def __init__(self):
        super().__init__()
        for cluster in self.clusters.values():
            cluster.devices, cluster.dark = self.drbd.devices, False
        self.one.look()

    def group(self):
        spec = {
            "desiredState": "running",
            "clusters": {"primary": ONE, "dr": TWO},
            "storage": {"backend": "drbd-operator"},
            "virtualMachines": [{"name": VM}],
        }
        self.one.put(PROTECTION_GROUPS, PROTECTION_GROUPS.header(GROUP, SPACE) | {"spec": spec})

    def copy(self, cluster):
        return cluster.of(PROTECTION_GROUPS, GROUP, SPACE).get("status") or {}

    def condition(self, cluster, kind):
        found = [item for item in self.copy(cluster).get("conditions") or [] if item["type"] == kind]
        return found[0]["reason"] if found else None

    def failover(self, name, target, **more):
        spec = {"protectionGroup": GROUP, "targetCluster": target} | more
        self.home.put(FAILOVERS, FAILOVERS.header(name, SPACE) | {"spec": spec})

    def ended_as(self, name):
        status = self.home.of(FAILOVERS, name, SPACE).get("status") or {}
        return status.get("phase") if status.get("completedAt") else None

    def told(self, name):
        return self.home.of(FAILOVERS, name, SPACE).get("status")

    def states(self, name):
        return {row["name"]: row["state"] for row in (self.told(name) or {}).get("steps") or ()}

    def guests(self):
        """Clusters on which the VM runs."""
        return [c.name for c in (self.one, self.two) if c._key(VIRTUAL_MACHINE_INSTANCES, VM, SPACE) in c.objects]

    def primaries(self):
        return {
            self.drbd.drbd.nodes[replica.node].cluster
            for name, resource in self.drbd.drbd.resources.items()
            if name != "pvc-1"
            for replica in resource.replicas.values()
            if replica.primary
        }

    def lose(self, cluster):
        """Power and API are gone, and the guests with them."""
        cluster.broken, cluster.dark = unreachable(cluster.name), True
        self.drbd.faults.lose(cluster.name)
        cluster.open.clear()
        if cluster._key(VIRTUAL_MACHINE_INSTANCES, VM, SPACE) in cluster.objects:
            cluster.take(VIRTUAL_MACHINE_INSTANCES, VM, SPACE)

    def back(self, cluster):
        cluster.broken, cluster.dark = None, False
        self.drbd.faults.restore(cluster.name)

    async def _operate(self):
        async def guests():
            while True:
                for cluster in (self.one, self.two):
                    cluster.look()
                    cluster.write()
                await asyncio.sleep(0.02)

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(super()._operate())
            tasks.create_task(guests())

    async def _control(self, workers, death):
        """Every controller of the model, each with its own view of the clusters."""
        settings = Settings(resync=0.5, mirror=0.2, storage=0.02, pace=GroupPace(rows_every=0.0, alive_every=3600.0))
        limits = MoveLimits(stop=30, start=30, release=30, promote=30, check=30)
        threads = ThreadWorkers(8, 2, 2)
        registry = Named(self.clusters, self.home.name)
        shared = Shared(
            clusters=registry,
            storages=Backends(None, registry.get),
            bridge=Bridge(),
            workers=threads,
            clock=SystemClock(),
            rules=Rules(
                "failover-controller-1",
                steps=MoveSettings("site-recovery", limits=limits),
                pace=Pace(shortest=0.01, longest=0.05),
            ),
        )
        try:
            async with asyncio.TaskGroup() as tasks:
                for cluster in (self.one, self.two):
                    local = Named(self.clusters, cluster.name)
                    views = StorageViews(None, local.get)
                    tasks.create_task(GroupController(local, views, settings=settings).run())
                tasks.create_task(FailoverController(shared, resync=0.5, rounds=0.2).run())
                tasks.create_task(ProtectionController(shared, resync=0.5, limits=LIMITS).run())
        finally:
            await asyncio.get_running_loop().run_in_executor(None, threads.close)
