"""Two clusters and a quorum cluster in memory, each with a group controller and a guest host that follow at once, over one pretended storage.

Fast enough for every rule of a failover; what time and real controllers do is told by `tests/kubernetes/failover`."""

import asyncio
import copy

from siterecovery.kubevirt.clusters import base
from siterecovery.kubevirt.clusters.blocking import Bridge
from siterecovery.kubevirt.clusters.leases import LeaseLock
from siterecovery.kubevirt.controllers.failover.debts import Cashier
from siterecovery.kubevirt.controllers.failover.rounds import Rounds
from siterecovery.kubevirt.domain.names import DRILL, GROUP_LABEL, failover_lock, target_lock
from siterecovery.kubevirt.domain.resources import (
    FAILOVERS,
    NODES,
    PERSISTENT_VOLUME_CLAIMS,
    PERSISTENT_VOLUMES,
    PROTECTION_GROUPS,
    VIRTUAL_MACHINE_INSTANCES,
    VIRTUAL_MACHINES,
)
from siterecovery.kubevirt.flows.choice import flow_of
from siterecovery.kubevirt.journal.status_journal import StatusJournal
from siterecovery.kubevirt.steps.base import Limits, Move, Settings, World, translate
from siterecovery.kubevirt.storage.base import (
    Copy,
    Forced,
    NotPromotable,
    Readiness,
    Reason,
    Release,
    Restored,
    SplitBrain,
    Sync,
)
from siterecovery.workflow.clock import SystemClock
from siterecovery.workflow.lease import Hold, Lease
from siterecovery.workflow.runner import Runner
from siterecovery.workflow.watch import Pace, Watcher
from siterecovery.workflow.workers import ThreadWorkers
from unit.kubevirt.memory_cluster import MemoryCluster

SPACE, GROUP, VMS = "prod", "pg-a", ("db", "web")
SIDES = ("cluster1", "cluster2")
TAINT = {"key": "drbd.linbit.com/lost-quorum", "effect": "NoSchedule"}


class PlayedCluster(MemoryCluster):
    """Its group controller and its guests follow in the same instant. `stubborn`: they do not stop; `idle`: they do not start; `lying`: what
    does not stop is told as stopped."""

    def __init__(self, name, storage, vms):
        super().__init__(name)
        self.storage, self.vms = storage, vms
        self.stubborn = self.idle = self.lying = False
        self.agent_puts_back = False
        self.drilled = []
        """Copies for a test, in the order in which they were started."""
        self.unready = set()
        """Those of them that run and do not become ready."""
        self.down = False

    def _check(self, verb, resource, name):
        if self.down:
            raise base.Unreachable(f"{self.name}: {verb}: connection refused", cluster=self.name)
        super()._check(verb, resource, name)

    async def list(self, resource, namespace=None, *, labels="", fields=""):
        """Without copies: steps change nothing that they list, and a thousand VMs are listed many times."""
        if labels:
            return await super().list(resource, namespace, labels=labels, fields=fields)
        self._check("list", resource, "")
        found = [obj for obj in self._all(resource) if namespace in (None, obj["metadata"].get("namespace"))]
        return base.Listing(tuple(found), str(self.version))

    def _write(self, key, old, new, resource, subresource):
        written = super()._write(key, old, new, resource, subresource)
        if resource is PROTECTION_GROUPS and written != old:
            self.follow(written)
        if resource is VIRTUAL_MACHINES and DRILL in (written["metadata"].get("labels") or {}):
            self._drill(written)
        if resource is NODES and self.agent_puts_back and TAINT not in (written["spec"].get("taints") or []):
            self.put(NODES, copy.deepcopy(written) | {"spec": {"taints": [TAINT]}})
        return written

    def _drill(self, vm):
        """A copy for a test is started by its strategy, and goes with its VM."""
        metadata = vm["metadata"]
        if vm["spec"]["runStrategy"] == "Always" and not self.idle:
            made = VIRTUAL_MACHINE_INSTANCES.header(metadata["name"], metadata["namespace"])
            self.drilled.append(metadata["name"])
            status = {"phase": "Running", "nodeName": f"{self.name}-node"}
            if metadata["name"] not in self.unready:
                status["conditions"] = [{"type": "Ready", "status": "True"}]
            self.put(VIRTUAL_MACHINE_INSTANCES, made, status)

    async def delete(self, resource, name, namespace=None, **more):
        await super().delete(resource, name, namespace, **more)
        if resource is VIRTUAL_MACHINES and self._key(VIRTUAL_MACHINE_INSTANCES, name, namespace) in self.objects:
            self.take(VIRTUAL_MACHINE_INSTANCES, name, namespace)

    def follow(self, group):
        active = (group.get("status") or {}).get("activeCluster") == self.name
        wanted = active and group["spec"].get("desiredState") == "running"
        tainted = any(node["spec"].get("taints") for node in self._all(NODES))
        if wanted and not self.idle and not tainted and not self.storage.lost:
            self._run(group["metadata"]["namespace"], self.vms)
        elif not wanted and not self.stubborn:
            self._halt(group["metadata"]["namespace"], self.vms)
        state = "running" if self.guests() and not (self.lying and not wanted) else "stopped"
        now = self.of(PROTECTION_GROUPS, group["metadata"]["name"], group["metadata"]["namespace"])
        status = (now.get("status") or {}) | {
            "currentState": state,
            "observedGeneration": now["metadata"]["generation"],
        }
        if status != now.get("status"):
            self.put(PROTECTION_GROUPS, now, status)

    def guests(self):
        """The group's own."""
        return [obj for obj in self._all(VIRTUAL_MACHINE_INSTANCES) if obj["metadata"]["name"] in self.vms]

    def _all(self, resource):
        return [obj for (plural, _, _), obj in list(self.objects.items()) if plural == resource.plural]

    def _run(self, namespace, names):
        for name in names:
            self._strategy(namespace, name, "Always")
            self.put(
                VIRTUAL_MACHINE_INSTANCES,
                VIRTUAL_MACHINE_INSTANCES.header(name, namespace),
                {"phase": "Running", "nodeName": f"{self.name}-node"},
            )
            self.storage.open(name, self.name)

    def _halt(self, namespace, names):
        for name in names:
            self._strategy(namespace, name, "Halted")
            if self._key(VIRTUAL_MACHINE_INSTANCES, name, namespace) in self.objects:
                self.take(VIRTUAL_MACHINE_INSTANCES, name, namespace)
            self.storage.close_on(name, self.name)

    def _strategy(self, namespace, name, strategy):
        there = self.objects[self._key(VIRTUAL_MACHINES, name, namespace)]
        if (there["spec"]["runStrategy"], there["status"].get("runStrategy")) == (strategy, strategy):
            return
        vm = self.of(VIRTUAL_MACHINES, name, namespace)
        vm["spec"]["runStrategy"] = strategy
        self.put(VIRTUAL_MACHINES, vm, {"runStrategy": strategy, "printableStatus": "Stopped"})


class PlayedStorage:
    """Where each volume is open, and what a test says is wrong with it."""

    name = "played"

    def __init__(self, vms):
        self.primaries = {name: set() for name in vms}
        self.twice = []
        """Volumes that were open on two clusters at once."""
        self.lagging = self.parted = ()
        self.unready = ()
        self.dying = self.lost = False
        """The source has died just now: the first look still finds quorum, then it is lost until it is switched off."""
        self.opened = lambda: None
        self.slow = 0
        """How often a promotion is still refused after quorum was switched off: nodes apply it a moment later."""
        self.forced, self.discarded, self.copies = [], [], set()

    def open(self, volume, cluster):
        self.primaries[volume].add(cluster)
        if len(self.primaries[volume]) > 1:
            self.twice.append(volume)

    def close_on(self, volume, cluster):
        self.primaries[volume].discard(cluster)

    async def release(self, volumes, cluster):
        return Release(tuple((name, f"{cluster}-node") for name in volumes if cluster in self.primaries[name]))

    async def sync(self, volumes, cluster):
        return Sync(not self.lagging, 100.0, tuple(self.lagging))

    async def split_brains(self, volumes):
        return tuple(self.parted)

    async def ready_to_promote(self, volumes, cluster, *, forced=False):
        return Readiness(tuple(self.unready))

    async def promote(self, volumes, cluster, *, forced=False):
        if self.unready:
            raise NotPromotable(tuple(self.unready))
        if forced and self.lost:
            raise NotPromotable((reason(kind="NoQuorum"),))
        if forced and self.dying:
            self.dying, self.lost = False, True
            return
        if forced and self.slow:
            self.slow -= 1
            raise NotPromotable((reason(kind="NoQuorum"),))

    async def restore_quorum(self, volumes):
        if not self.lagging:
            self.forced.clear()
        return Restored(() if self.lagging else tuple(volumes), tuple(self.lagging))

    async def copy(self, handles, cluster):
        self.copies |= set(handles.values())
        return tuple(Copy(volume, handle, f"{cluster}-node") for volume, handle in handles.items())

    async def remove_copy(self, handle):
        self.copies.discard(handle)

    async def discard(self, volume, cluster, *, confirmed):
        assert confirmed
        self.discarded.append((volume, cluster))
        self.parted = tuple(found for found in self.parted if found.volume != volume)

    async def prepare_forced(self, volumes, cluster):
        if self.unready:
            raise NotPromotable(tuple(self.unready))
        if self.dying:
            return ()
        if self.lost:
            self.lost = False
            self.opened()
        self.forced = list(dict.fromkeys([*self.forced, *volumes]))
        return tuple(Forced(volume, {"quorum": "majority"}) for volume in volumes)


def reason(volume="db", kind="Outdated", *, unknown=False):
    return Reason(volume, kind, f"Volume {volume} is {kind}.", unknown=unknown)


def brain(volume="db"):
    return SplitBrain(volume, ("a", "b"), f"Volume {volume}: split-brain, a and b have parted.")


class Locks:
    def __init__(self, ground, uid):
        self.ground = ground
        self.mine = [
            LeaseLock(ground.clusters[name], SPACE, failover_lock(GROUP), holder="failover-controller-1", owner=uid)
            for name in ("cluster1", "cluster2", "quorum")
        ]
        self.uid = uid

    async def acquire(self):
        taken = []
        for lock in self.mine:
            try:
                await lock.acquire()
            except base.Unknown:
                continue
            taken.append(lock.cluster)
        return taken

    async def release(self):
        for lock in self.mine:
            if lock.held:
                await lock.release()

    def target(self):
        target = self.ground.clusters["cluster2"]
        return LeaseLock(
            target, "site-recovery", target_lock("cluster2"), holder="failover-controller-1", owner=self.uid
        )


class Told:
    def __init__(self):
        self.entries = []

    def tell(self, reason, message, kind="Normal"):
        self.entries.append((reason, message))

    def into(self, status):
        """Nobody reads it here."""


class Ground:
    """A group that runs on cluster1, with a stopped copy on cluster2, and nothing on the quorum cluster but Failovers."""

    def __init__(self, vms=VMS):
        self.storage = PlayedStorage(vms)
        self.clusters = {name: PlayedCluster(name, self.storage, frozenset(vms)) for name in (*SIDES, "quorum")}
        self.story = Told()
        for name in SIDES:
            cluster = self.clusters[name]
            cluster.put(NODES, NODES.header(f"{name}-node") | {"spec": {}}, {"conditions": []})
            for vm in vms:
                self._machine(cluster, vm)
            group = PROTECTION_GROUPS.header(GROUP, SPACE) | {"spec": _spec(name == "cluster1", vms)}
            status = {"epoch": 1, "activeCluster": "cluster1"}
            cluster.follow(cluster.put(PROTECTION_GROUPS, group, status))
        self.storage.twice.clear()

    def _machine(self, cluster, name):
        volumes = [{"name": "disk", "persistentVolumeClaim": {"claimName": f"{name}-disk"}}]
        spec = {"runStrategy": "Halted", "template": {"spec": {"volumes": volumes}}}
        made = VIRTUAL_MACHINES.header(name, SPACE) | {"spec": spec}
        made["metadata"]["labels"] = {GROUP_LABEL: GROUP}
        cluster.put(VIRTUAL_MACHINES, made, {"printableStatus": "Stopped"})
        claim = PERSISTENT_VOLUME_CLAIMS.header(f"{name}-disk", SPACE) | {"spec": {"volumeName": f"pv-{name}"}}
        cluster.put(PERSISTENT_VOLUME_CLAIMS, claim)
        cluster.put(
            PERSISTENT_VOLUMES, PERSISTENT_VOLUMES.header(f"pv-{name}") | {"spec": {"csi": {"volumeHandle": name}}}
        )

    @property
    def source(self):
        return self.clusters["cluster1"]

    @property
    def target(self):
        return self.clusters["cluster2"]

    def copy(self, name):
        return self.clusters[name].of(PROTECTION_GROUPS, GROUP, SPACE)

    def authority(self, name):
        status = self.copy(name)["status"]
        return status["epoch"], status["activeCluster"]

    def running(self):
        """Clusters on which the group's guests run."""
        return [name for name in SIDES if self.clusters[name].guests()]

    def world(self, bridge, **move):
        quorum = self.clusters["quorum"]
        spec = {"protectionGroup": GROUP, "targetCluster": "cluster2"}
        made = quorum.put(
            FAILOVERS,
            FAILOVERS.header("fo", SPACE) | {"spec": spec},
            {"startedAt": "2026-11-21T10:00:00Z", "phase": "Pending", "epoch": 1},
        )
        uid = made["metadata"]["uid"]
        return World(
            move=Move(SPACE, "fo", uid, GROUP, *SIDES, "quorum", **move),
            clusters=Registry(self.clusters),
            storage=self.storage,
            locks=Locks(self, uid),
            bridge=bridge,
            clock=SystemClock(),
            story=self.story,
            settings=Settings(limits=Limits(stop=1.0, start=1.0, release=1.0, promote=1.0, check=1.0)),
        )

    def failover(self):
        return self.clusters["quorum"].of(FAILOVERS, "fo", SPACE)

    def rounds(self, local="quorum"):
        """One look of a controller at all groups, as it makes them at rest."""

        async def scene():
            registry, clock = Registry(self.clusters, local), SystemClock()
            await Rounds(registry, Cashier(registry, Storages(self.storage), clock), clock, 15.0).round()

        asyncio.run(scene())

    def move(self, change=lambda flow: None, **move):
        """Carries a move out; its result. `change` may tamper with the flow. The journal is in the Failover's status, as in life."""

        async def scene():
            workers = ThreadWorkers(8, 2, 2)
            try:
                world = self.world(Bridge(), **move)
                flow = flow_of(world)
                change(flow)
                journal = StatusJournal(self.clusters["quorum"], self.failover(), world.bridge, world.clock)
                pace = Pace(shortest=0.01, longest=0.05)
                watcher = Watcher(SystemClock(), workers.poll, translate=translate, pace=pace)
                runner = Runner(journal, SystemClock(), workers, translate=translate, watcher=watcher)
                return await runner.run(flow, Hold(Lease("fo", "me", 1, 60), SystemClock().monotonic))
            finally:
                await asyncio.get_running_loop().run_in_executor(None, workers.close)

        return asyncio.run(scene())


class Storages:
    def __init__(self, storage):
        self.storage = storage

    def of(self, backend, namespace, clusters):
        return self.storage


class Registry:
    """As the quorum cluster's controller knows them."""

    def __init__(self, clusters, local="quorum"):
        self.clusters = clusters
        self.local = clusters[local]
        self.names = list(clusters)

    def get(self, name):
        return self.clusters[name]

    def resolve(self, name):
        return name

    def same(self, one, other):
        return one == other


def _spec(running, vms):
    return {
        "desiredState": "running" if running else "stopped",
        "clusters": {"primary": "cluster1", "dr": "cluster2"},
        "virtualMachines": [{"name": name} for name in vms],
    }
