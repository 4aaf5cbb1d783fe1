"""A light world with the product's controllers on it, and groups of VMs made in bulk."""

import base64
import contextlib
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks import usage
from sandbox.kubernetes import tether
from sandbox.kubernetes.client import wait_until
from sandbox.kubernetes.light_world import LightCluster, LightWorld
from sandbox.kubernetes.plane import Plane

CRDS = Path(__file__).parents[2] / "deploy" / "crds"
HOME = "site-recovery"
OURS = "siterecovery.trilio.io/v1alpha1"
PATIENCE = 900.0
"""Seconds for a move."""
_PREPARED = 3600.0
"""Seconds for ten thousand VMs and their copies."""
_AT_ONCE = 32
_LOOK_SECONDS = 0.5
_MAIN = "from siterecovery.kubevirt.processes.{} import main; raise SystemExit(main())"
Object = dict[str, Any]


class Controller:
    """One controller process."""

    def __init__(self, program: str, plane: Plane, directory: Path, linstor: str) -> None:
        self.name = f"{program}@{plane.name}"
        tied = [sys.executable, "-I", "-S", tether.__file__, str(os.getpid())]
        flags = ["--cluster-name", plane.name, "--kubeconfig", str(plane.kubeconfig), "--namespace", HOME]
        flags += ["--listen", "", "--leader-election", "false", "--linstor", linstor]
        self._command = [*tied, sys.executable, "-c", _MAIN.format(program), *flags]
        self._log = directory / f"{self.name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as out:
            self._process = subprocess.Popen(self._command, stdout=out, stderr=out)

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(60)
            self._process = None

    @property
    def used(self) -> usage.Usage:
        assert self._process is not None, "start comes first"
        return usage.of(self._process.pid)


class Stage:
    """One world and one namespace."""

    def __init__(self, directory: Path) -> None:
        self.world = LightWorld(directory, lambda line: None)
        self.directory = directory
        self.namespace = f"bench-{uuid.uuid4().hex[:6]}"
        self.disks: dict[str, str] = {}
        """VM → its volume."""
        self.failovers: Controller
        self.groups: tuple[Controller, ...] = ()

    @property
    def controllers(self) -> tuple[Controller, ...]:
        return (self.failovers, *self.groups)

    def start(self) -> None:
        self.world.start()
        for plane in self.world:
            plane.kubectl("apply", "--server-side", "-f", str(CRDS))
            plane.kubectl("wait", "--for=condition=Established", "--timeout=60s", "crd", "--all")
            for name in (HOME, self.namespace):
                plane.api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
            for other in self.world:
                if other is not plane:
                    plane.api.apply(_secret(other))
        linstor = self.world.storage.linstor
        self.failovers = Controller("failover_controller", self.world.quorum, self.directory, linstor)
        self.groups = tuple(
            Controller("protection_group_controller", plane, self.directory, linstor) for plane in self.world.clusters
        )
        for controller in self.controllers:
            controller.start()

    def stop(self) -> None:
        for controller in getattr(self, "groups", ()) and self.controllers:
            controller.stop()
        self.world.stop()

    @property
    def source(self) -> LightCluster:
        return self.world.clusters[0]

    @property
    def target(self) -> LightCluster:
        return self.world.clusters[1]

    def make(self, groups: Sequence[str], vms: int, *, disks: bool = True) -> None:
        """Groups that run on the source, each VM with one replicated disk; their copies stand on the target when this returns."""
        names = [(group, f"{group}-{number}") for group in groups for number in range(vms)]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            if disks:
                list(pool.map(lambda pair: self._disk(pair[1]), names))
            list(pool.map(lambda pair: self.source.api.create(self._machine(pair[1], disks=disks)), names))
        for group in groups:
            members = [{"name": name} for owner, name in names if owner == group]
            self.source.api.create(self._group(group, members))
        running = lambda: len(self.guests(self.source)) == len(names)  # noqa: E731
        wait_until(f"{len(names)} VMs to run", _PREPARED, running)
        wait_until("every group to be running", _PREPARED, lambda: self._all(self.source, groups, "running"))
        wait_until(
            "every copy", _PREPARED, lambda: self._copied(len(names)) and self._all(self.target, groups, "stopped")
        )

    def guests(self, cluster: LightCluster) -> list[str]:
        """VMs of which a guest runs there."""
        found: dict[str, list[Object]] = cluster.agent.state()["guests"]
        return [vm for vm, runs in found.items() if any(run["state"] == "running" for run in runs)]

    def path(self, plural: str, name: str = "") -> str:
        return f"/apis/{OURS}/namespaces/{self.namespace}/{plural}" + (f"/{name}" if name else "")

    def vm_path(self, name: str) -> str:
        return f"/apis/kubevirt.io/v1/namespaces/{self.namespace}/virtualmachines/{name}"

    def failover(self, group: str, target: str) -> str:
        """Asked for; its name."""
        name = f"failover-{group}-{uuid.uuid4().hex[:6]}"
        spec = {"protectionGroup": group, "targetCluster": target}
        metadata = {"name": name, "namespace": self.namespace}
        self.world.quorum.api.create({"apiVersion": OURS, "kind": "Failover", "metadata": metadata, "spec": spec})
        return name

    def ended(self, names: Sequence[str]) -> float:
        """When each had succeeded (AssertionError where one has failed). Asked twice a second, not to be what is measured."""
        end = time.monotonic() + PATIENCE
        while True:
            found = {item["metadata"]["name"]: item for item in self.world.quorum.api.items(self.path("failovers"))}
            statuses = [found[name].get("status") or {} for name in names]
            assert not [status for status in statuses if status.get("phase") == "Failed"], statuses
            if all(status.get("phase") == "Succeeded" for status in statuses):
                return now()
            assert time.monotonic() < end, statuses
            time.sleep(_LOOK_SECONDS)

    def _copied(self, count: int) -> bool:
        items = self.target.api.items(f"/apis/kubevirt.io/v1/namespaces/{self.namespace}/virtualmachines")
        return len(items) == count

    def _all(self, cluster: LightCluster, groups: Sequence[str], state: str) -> bool:
        found = {item["metadata"]["name"]: item for item in cluster.api.items(self.path("protectiongroups"))}
        return all((found.get(name, {}).get("status") or {}).get("currentState") == state for name in groups)

    def _disk(self, vm: str) -> None:
        handle = self.disks[vm] = f"pvc-{uuid.uuid4()}"
        self.world.storage.create_volume(handle, *(cluster.nodes[0] for cluster in self.world.clusters))
        common: Object = {"accessModes": ["ReadWriteMany"], "storageClassName": "linstor", "volumeMode": "Block"}
        volume = {
            **common,
            "capacity": {"storage": "1Gi"},
            "persistentVolumeReclaimPolicy": "Retain",
            "claimRef": {"namespace": self.namespace, "name": f"{vm}-disk"},
            "csi": {"driver": "linstor.csi.linbit.com", "volumeHandle": handle},
        }
        self.source.api.create(
            {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": handle}, "spec": volume}
        )
        metadata = {"name": f"{vm}-disk", "namespace": self.namespace}
        claim = {**common, "volumeName": handle, "resources": {"requests": {"storage": "1Gi"}}}
        self.source.api.create(
            {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": claim}
        )

    def _machine(self, name: str, *, disks: bool) -> Object:
        disk: Object = {"persistentVolumeClaim": {"claimName": f"{name}-disk"}}
        volume = {"name": "disk", **(disk if disks else {"containerDisk": {"image": "sandbox/disk:1"}})}
        devices = {"disks": [{"name": "disk", "disk": {"bus": "virtio"}}], "interfaces": []}
        template = {"domain": {"devices": devices, "resources": {"requests": {"memory": "64Mi"}}}, "volumes": [volume]}
        return {
            "apiVersion": "kubevirt.io/v1",
            "kind": "VirtualMachine",
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": {"runStrategy": "Always", "template": {"metadata": {"labels": {}}, "spec": template}},
        }

    def _group(self, name: str, members: list[Object]) -> Object:
        spec = {"clusters": {"primary": "cluster1", "dr": "cluster2"}, "virtualMachines": members}
        metadata = {"name": name, "namespace": self.namespace}
        return {"apiVersion": OURS, "kind": "ProtectionGroup", "metadata": metadata, "spec": spec}


def _secret(plane: Plane) -> Object:
    metadata = {
        "name": f"{plane.name}-kubeconfig",
        "namespace": HOME,
        "labels": {"siterecovery.trilio.io/cluster": plane.name},
    }
    data = {"kubeconfig": base64.b64encode(plane.kubeconfig.read_bytes()).decode()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data}


@contextlib.contextmanager
def staged(directory: Path) -> Iterator[Stage]:
    """A fresh world, ended whatever happens."""
    stage = Stage(directory)
    try:
        stage.start()
        yield stage
    finally:
        stage.stop()


def now() -> float:
    """As the world's histories tell time."""
    return time.time()
