"""pgctl, its scripts and kubectl as programs on real API servers, and a Failover controller that is played by a thread.

What the played controller does to objects is what the real one promises: Lease, safety check, phases, steps, the groups' states. No VM is there.
So these tests hold what is printed, not what is done."""

import datetime
import pathlib
import threading
from collections.abc import Callable, Sequence

from sandbox.kubernetes.client import Conflict, wait_until
from sandbox.kubernetes.light import LightPlanes
from sandbox.kubernetes.plane import Plane
from sandbox.processes import ProcessError
from siterecovery.kubevirt.domain import refusals
from support.kubernetes.shell import Shell

API = "siterecovery.trilio.io/v1alpha1"
CHECKS = ("acquire_lock", "locate_virtual_machines", "check_split_brain", "check_concurrent_safety")
STEPS = (*CHECKS, "check_replication", "stop_source", "raise_epoch", "start_target", "verify_target", "release_lock")


def stamp(moment: datetime.datetime | None = None) -> str:
    return (moment or datetime.datetime.now(datetime.UTC)).strftime("%Y-%m-%dT%H:%M:%SZ")


class Ground:
    """Three planes, one namespace, a configuration for pgctl, and a folder with the kubeconfig files the documents name."""

    def __init__(self, planes: LightPlanes, namespace: str, folder: pathlib.Path) -> None:
        self.planes, self.namespace = planes, namespace
        self.by_name = {plane.name: plane for plane in planes}
        self.shell = Shell(list(planes), namespace, folder, controllerNamespace=namespace)

    def path(self, plural: str, name: str = "") -> str:
        return f"/apis/{API}/namespaces/{self.namespace}/{plural}" + (f"/{name}" if name else "")

    def group(self, name: str, active: str = "cluster1", epoch: int = 1) -> None:
        """Both copies, running on one cluster."""
        for plane in (self.planes.cluster1, self.planes.cluster2):
            here = plane.name == active
            spec = {
                "desiredState": "running" if here else "stopped",
                "clusters": {"primary": "cluster1", "dr": "cluster2"},
                "virtualMachines": [{"name": f"{name}-vm1"}, {"name": f"{name}-vm2"}],
            }
            metadata = {"name": name, "namespace": self.namespace}
            plane.api.apply({"apiVersion": API, "kind": "ProtectionGroup", "metadata": metadata, "spec": spec})
            self.observed(plane, name, "running" if here else "stopped", activeCluster=active, epoch=epoch)

    def observed(self, plane: Plane, group: str, state: str, **more: object) -> None:
        path = self.path("protectiongroups", group)
        plane.api.merge(f"{path}/status", {"status": {"currentState": state, **more}})

    def state(self, plane: Plane, group: str) -> str:
        return str(plane.api.get(self.path("protectiongroups", group))["status"]["currentState"])

    def failovers(self) -> list[dict[str, object]]:
        return self.planes.quorum.api.items(self.path("failovers"))

    def finished(self, name: str, group: str, phase: str, **more: object) -> None:
        """A Failover that is over."""
        metadata = {"name": name, "namespace": self.namespace}
        spec = {"protectionGroup": group, "targetCluster": "cluster2"}
        api = self.planes.quorum.api
        api.create({"apiVersion": API, "kind": "Failover", "metadata": metadata, "spec": spec})
        api.merge(f"{self.path('failovers', name)}/status", {"status": {"phase": phase, **more}})

    def deployed(self, plane: Plane, name: str, ready: int = 1) -> None:
        """A Deployment as its controller would report it."""
        labels = {"app": name}
        containers = [{"name": name, "image": "site-recovery"}]
        spec = {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": containers}},
        }
        metadata = {"name": name, "namespace": self.namespace}
        plane.api.apply({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec})
        path = f"/apis/apps/v1/namespaces/{self.namespace}/deployments/{name}/status"
        counts = {"replicas": 1, "updatedReplicas": 1, "readyReplicas": ready, "availableReplicas": ready}
        plane.api.merge(path, {"status": counts})


class PlayedController:
    """Carries out each Failover of the namespace in a thread of its own. A group in `gates` stays in the middle until its gate is set."""

    HOLDER = "failover-controller-12345"

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        self.gates: dict[str, threading.Event] = {}
        self._over = threading.Event()
        self._threads: list[threading.Thread] = []
        self._seen: set[str] = set()
        self._look = threading.Thread(target=self._watch, daemon=True)

    def start(self) -> None:
        self._look.start()

    def stop(self) -> None:
        self._over.set()
        for gate in self.gates.values():
            gate.set()
        for thread in (self._look, *self._threads):
            thread.join(30)

    def hold(self, group: str) -> threading.Event:
        self.gates[group] = threading.Event()
        return self.gates[group]

    def _watch(self) -> None:
        while not self._over.wait(0.05):
            for failover in self.ground.failovers():
                uid = failover["metadata"]["uid"]  # type: ignore[index]
                if uid not in self._seen and not failover.get("status"):
                    self._seen.add(uid)
                    self._threads.append(threading.Thread(target=self._carry_out, args=(failover,), daemon=True))
                    self._threads[-1].start()

    def _carry_out(self, failover: dict) -> None:  # type: ignore[type-arg]
        name, spec = failover["metadata"]["name"], failover["spec"]
        group, target = spec["protectionGroup"], self.ground.by_name[spec["targetCluster"]]
        self._say(name, phase="Running", startedAt=stamp(), steps=_rows(CHECKS[:0]))
        if holder := self._lock(group, failover["metadata"]["uid"]):
            self._say(name, phase="Failed", message=refusals.lock_held(group, holder), completedAt=stamp())
            return
        others = [other for other in self._others(group) if self.ground.state(target, other) in ("running", "mixed")]
        if others and not spec["force"]:
            message = refusals.unsafe(spec["targetCluster"], others)
            self._say(name, phase="Failed", message=message, completedAt=stamp())
        else:
            self._move(name, group, target)
        self.ground.planes.quorum.api.delete(self._lease(group))

    def _move(self, name: str, group: str, target: Plane) -> None:
        planes = self.ground.planes
        source = planes.cluster1 if target is planes.cluster2 else planes.cluster2
        self._say(name, steps=_rows(STEPS[:6]), progress=50)
        for plane, desired, state in ((source, "stopped", "stopped"), (target, "running", "mixed")):
            plane.api.merge(self.ground.path("protectiongroups", group), {"spec": {"desiredState": desired}})
            self.ground.observed(plane, group, state, activeCluster=target.name, epoch=7)
        if group in self.gates:
            self.gates[group].wait(60)
        self.ground.observed(target, group, "running")
        history = [{"time": stamp(), "reason": "Completed", "message": f"{group} runs on {target.name}"}]
        self._say(
            name,
            phase="Succeeded",
            steps=_rows(STEPS),
            progress=100,
            completedAt=stamp(),
            history=history,
            message=f"{group} runs on {target.name}",
        )

    def _others(self, group: str) -> list[str]:
        items = self.ground.planes.cluster2.api.items(self.ground.path("protectiongroups"))
        return [item["metadata"]["name"] for item in items if item["metadata"]["name"] != group]

    def _lease(self, group: str) -> str:
        space = self.ground.namespace
        return f"/apis/coordination.k8s.io/v1/namespaces/{space}/leases/failover-lock-{group}"

    def _lock(self, group: str, uid: str) -> str | None:
        """None when it is ours now, else who has it."""
        api = self.ground.planes.quorum.api
        metadata = {
            "name": f"failover-lock-{group}",
            "namespace": self.ground.namespace,
            "annotations": {"siterecovery.trilio.io/owner": uid},
        }
        now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        spec = {
            "holderIdentity": self.HOLDER,
            "leaseDurationSeconds": 300,
            "leaseTransitions": 0,
            "acquireTime": now,
            "renewTime": now,
        }
        try:
            api.create({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec})
        except Conflict:
            return str(api.get(self._lease(group))["spec"]["holderIdentity"])
        return None

    def _say(self, name: str, **status: object) -> None:
        self.ground.planes.quorum.api.merge(f"{self.ground.path('failovers', name)}/status", {"status": status})


def _rows(names: Sequence[str]) -> list[dict[str, str]]:
    return [{"name": name, "state": "done", "startedAt": stamp(), "completedAt": stamp()} for name in names]


def until(what: str, ask: Callable[[], object]) -> None:
    """Refusals of a server that has just started mean "not yet"."""

    def asked() -> bool:
        try:
            return bool(ask())
        except ProcessError:
            return False

    wait_until(what, 30, asked)
