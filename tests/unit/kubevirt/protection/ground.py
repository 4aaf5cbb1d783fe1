"""Two clusters and a quorum cluster in memory, with guests that follow at once and played DRBD Operators over one DRBD world: a whole protection
takes a second. What real controllers and time do is told by `tests/kubernetes/protection`."""

import asyncio
import contextlib
import copy
import time
from typing import cast

from crashes.death import Death, MortalJournal, MortalWorkers
from crashes.death import _around as around
from sandbox.kubernetes.drbd.kube import Kube, KubeError
from sandbox.kubernetes.drbd.operator import Operator
from siterecovery.kubevirt.clusters import base
from siterecovery.kubevirt.clusters.blocking import Bridge
from siterecovery.kubevirt.clusters.registry import UnknownCluster
from siterecovery.kubevirt.controllers.failover.execution import Ground as Shared
from siterecovery.kubevirt.controllers.failover.execution import Rules
from siterecovery.kubevirt.controllers.protection_request.controller import ProtectionController
from siterecovery.kubevirt.controllers.protection_request.execution import flow_of
from siterecovery.kubevirt.domain.resources import (
    DRBD_REPLICATION_POLICIES,
    DRBD_VOLUMES,
    NODES,
    PERSISTENT_VOLUME_CLAIMS,
    PERSISTENT_VOLUMES,
    PROTECTION_REQUESTS,
    STORAGE_CLASSES,
    VIRTUAL_MACHINE_INSTANCES,
    VIRTUAL_MACHINES,
)
from siterecovery.kubevirt.processes.storages import Backends
from siterecovery.kubevirt.steps.protection.base import Limits
from siterecovery.workflow.clock import SystemClock
from siterecovery.workflow.step import Refused, Retry
from siterecovery.workflow.watch import Pace
from unit.kubevirt.flows.ground import Registry
from unit.kubevirt.memory_cluster import MemoryCluster
from unit.kubevirt.storage.operators import MemoryKube
from unit.sandbox.drbd.worlds import ONE, TWO, A, B, world

SPACE, VM = "prod", "vm1"
LIMITS = Limits(stop=5, start=5, create=5, sync=20, remove=5, check=5, failed=0.3)


class PlayedCluster(MemoryCluster):
    """KubeVirt and the binder of claims follow in the same instant. `stubborn`: guests do not start (`start`) or not stop (`stop`)."""

    stubborn = ""

    def __init__(self, name):
        super().__init__(name)
        self.seen = []
        """(phase, progress) of requests, as people saw them change."""

    def _store(self, key, obj, kind, resource):
        stored = super()._store(key, obj, kind, resource)
        if resource is PROTECTION_REQUESTS:
            status = stored.get("status") or {}
            self.seen.append((status.get("phase"), status.get("progress")))
        if resource is VIRTUAL_MACHINES:
            self._follow(stored)
        if resource is PERSISTENT_VOLUME_CLAIMS and kind == "ADDED" and stored["spec"].get("volumeName"):
            self.objects[key]["status"] = {"phase": "Bound", "capacity": stored["spec"]["resources"]["requests"]}
        return stored

    def _follow(self, vm):
        name, namespace = vm["metadata"]["name"], vm["metadata"]["namespace"]
        strategy = vm["spec"].get("runStrategy") or ("Always" if vm["spec"].get("running") else "Halted")
        key = self._key(VIRTUAL_MACHINE_INSTANCES, name, namespace)
        if strategy == "Always" and key not in self.objects and self.stubborn != "start":
            self.up(name, namespace)
        if strategy == "Halted" and key in self.objects and self.stubborn != "stop":
            self.take(VIRTUAL_MACHINE_INSTANCES, name, namespace)
        self.objects[self._key(VIRTUAL_MACHINES, name, namespace)]["status"] = {
            "runStrategy": strategy,
            "printableStatus": "Stopped",
        }

    def up(self, name, namespace):
        made = VIRTUAL_MACHINE_INSTANCES.header(name, namespace)
        self.put(VIRTUAL_MACHINE_INSTANCES, made, {"phase": "Running", "nodeName": A})

    async def call(self, resource, name, namespace, subresource, body=None):
        await super().call(resource, name, namespace, subresource, body)
        self.up(name, namespace)


class Named(Registry):
    def resolve(self, name):
        if name not in self.clusters:
            raise UnknownCluster(f"no cluster is called {name}")
        return name

    async def refresh(self):
        """They are known from the start."""


class Ground:
    """A VM with two plain claims on cluster1, and a policy on the quorum cluster."""

    cluster_of = PlayedCluster

    def __init__(self, run=None, home="quorum"):
        self.drbd = world(tiebreaker=False)
        self.drbd.drbd.settings.resync_seconds = 1.0
        self.clusters = {name: self.cluster_of(name) for name in (ONE, TWO, "quorum")}
        self.operators = {
            name: Operator(cast(Kube, MemoryKube(self.clusters[name])), self.drbd.drbd, name) for name in (ONE, TWO)
        }
        self.one, self.two, self.home = self.clusters[ONE], self.clusters[TWO], self.clusters[home]
        self.run = run or {"runStrategy": "Always"}
        self.asleep = set()
        """Clusters whose operator does not look: what it has said stands, old as it is."""
        self.pace = 0.2
        """Seconds of the storage's time in each round of its operators."""
        self._make()

    def _make(self):
        for name, node in ((ONE, A), (TWO, B)):
            cluster = self.clusters[name]
            ready = {"conditions": [{"type": "Ready", "status": "True"}]}
            cluster.put(NODES, NODES.header(node) | {"spec": {}}, ready)
            cluster.put(STORAGE_CLASSES, STORAGE_CLASSES.header("fast") | {"provisioner": "local.csi"})
        volumes = [self.plain("root"), {"name": "cloud", "cloudInitNoCloud": {}}]
        volumes.append({"name": "data", "dataVolume": {"name": "data"}})
        self._claim("data")
        spec = {
            **self.run,
            "template": {"spec": {"volumes": volumes}},
            "dataVolumeTemplates": [{"metadata": {"name": "data"}}],
        }
        self.one.put(VIRTUAL_MACHINES, VIRTUAL_MACHINES.header(VM, SPACE) | {"spec": spec})
        self.before = copy.deepcopy(self.vm["spec"])
        self.policy()

    def plain(self, name):
        self._claim(name)
        return {"name": name, "persistentVolumeClaim": {"claimName": name}}

    def _claim(self, name, **spec):
        claim = PERSISTENT_VOLUME_CLAIMS.header(name, SPACE)
        wanted = {"storageClassName": "plain", "volumeMode": "Block", "accessModes": ["ReadWriteMany"]}
        wanted |= {"volumeName": f"pv-{name}", "resources": {"requests": {"storage": "1Gi"}}} | spec
        self.one.put(PERSISTENT_VOLUME_CLAIMS, claim | {"spec": wanted}, {"phase": "Bound"})
        csi = {"driver": "plain.csi", "volumeHandle": f"plain-{name}"}
        self.one.put(PERSISTENT_VOLUMES, PERSISTENT_VOLUMES.header(f"pv-{name}") | {"spec": {"csi": csi}})

    def policy(self, name="gold", **spec):
        mapping = {"source": "plain", "primary": "fast", "dr": "fast"}
        wanted = {"clusters": {"primary": ONE, "dr": TWO}, "storageClassMappings": [mapping]} | spec
        self.home.put(DRBD_REPLICATION_POLICIES, DRBD_REPLICATION_POLICIES.header(name, SPACE) | {"spec": wanted})

    def ask(self, wanted="protected", machine=VM, policy="gold", name=VM):
        spec = {"virtualMachine": machine, "policy": policy, "desiredState": wanted}
        self.home.put(PROTECTION_REQUESTS, PROTECTION_REQUESTS.header(name, SPACE) | {"spec": spec})

    @property
    def seen(self):
        return self.home.seen

    @property
    def vm(self):
        return self.one.of(VIRTUAL_MACHINES, VM, SPACE)

    def request(self, name=VM):
        return self.home.of(PROTECTION_REQUESTS, name, SPACE)

    def status(self, name=VM):
        return self.request(name).get("status") or {}

    def claims(self):
        """What the VM uses, in order."""
        volumes = self.vm["spec"]["template"]["spec"]["volumes"]
        return [next(iter(each.get(key, {}).values()), None) for each in volumes for key in each if key != "name"]

    def left(self):
        """Everything that protections have made and not removed."""
        volumes = [key for name in (ONE, TWO) for key in self.clusters[name].objects if key[0] == DRBD_VOLUMES.plural]
        kinds = (PERSISTENT_VOLUMES.plural, PERSISTENT_VOLUME_CLAIMS.plural)
        frontends = [key for key, obj in self.one.objects.items() if key[0] in kinds and obj["metadata"].get("labels")]
        mark = [key for key in self.vm["metadata"].get("annotations") or {} if key.startswith("siterecovery")]
        replicas = [name for name in self.drbd.drbd.resources if name != "pvc-1"]
        return [*volumes, *frontends, *mark, *replicas]

    def running(self):
        return self.one._key(VIRTUAL_MACHINE_INSTANCES, VM, SPACE) in self.one.objects

    # the play

    def play(self, story, death=None):
        """Runs the controller and the operators until the story (a coroutine function of this ground) is over. With a death the controller is put
        down when it happens."""
        asyncio.run(self._play(story, death or Death(None)))

    async def _play(self, story, death):
        for cluster in self.clusters.values():
            cluster.changed = asyncio.Event()  # of this loop
        workers = MortalWorkers(death)
        tasks = [asyncio.create_task(self._operate()), asyncio.create_task(self._control(workers, death))]
        try:
            async with asyncio.timeout(90):
                await story(self)
        finally:
            for task in tasks:
                task.cancel()
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others if death.happened.is_set() else ():
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.get_running_loop().run_in_executor(None, workers.close)

    async def _operate(self):
        while True:
            for name, operator in self.operators.items():
                if self.clusters[name].broken is None and name not in self.asleep:
                    with contextlib.suppress(KubeError):
                        await operator.sync()
            self.drbd.clock.advance(self.pace)
            await asyncio.sleep(0.005)

    async def _control(self, workers, death):
        registry = Named(self.clusters, self.home.name)
        shared = Shared(
            clusters=registry,
            storages=Backends(None, registry.get),
            bridge=Bridge(),
            workers=workers,
            clock=SystemClock(),
            rules=Rules("protection-1", pace=Pace(shortest=0.01, longest=0.05)),
            journal=lambda journal: MortalJournal(journal, death),
        )
        await ProtectionController(shared, resync=0.5, limits=LIMITS, flow=lambda v, w: self._flow(v, w, death)).run()

    @staticmethod
    def _flow(verb, world, death):
        flow = flow_of(verb, world)
        for step in flow.steps():
            step.retry = Retry(attempts=min(step.retry.attempts, 200), first=0.01, longest=0.05)
            around(step, "do", death, undoing=False)
            around(step, "undo", death, undoing=True)
            if step.name == death.fail_at:
                step.do = _refused
        return flow

    async def until(self, holds, what="", told=None):
        """`told`: what is said of it when it does not come; the request's status without."""
        end = time.monotonic() + 45
        while not holds():
            if time.monotonic() > end:
                raise AssertionError(f"not {what}: {(told or self.status)()}")
            await asyncio.sleep(0.01)

    async def ended(self, *phases, name=VM):
        """Until the request's work has ended; in one of these phases."""
        await self.until(lambda: self.status(name).get("phase") in ("Protected", "Unprotected", "Failed"), "ended")
        assert self.status(name)["phase"] in (phases or ("Protected",)), self.status(name)


def _refused(call):
    raise Refused("It was made to fail here.")


def until_ended(*phases):
    async def story(ground):
        await ground.ended(*phases)

    return story


def unreachable(name):
    return base.Unreachable(f"{name}: connection refused", cluster=name)
