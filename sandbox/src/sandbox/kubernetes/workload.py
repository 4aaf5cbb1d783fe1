"""Virtual machines worth protecting: two groups on cluster1, each VM on a volume that DRBD keeps on both clusters."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Protocol

from sandbox.kubernetes.access import Access
from sandbox.kubernetes.client import Api, Conflict, Object, wait_until
from sandbox.kubernetes.desk import NAMESPACE
from sandbox.kubernetes.storage import StorageControl

# Group → VM → its priority: what has 1 starts first.
GROUPS: Mapping[str, Mapping[str, int]] = {
    "pg-a": {"shop-db": 1, "shop-web": 2},
    "pg-b": {"wiki-db": 1, "wiki-web": 2},
}
_API = "siterecovery.trilio.io/v1alpha1"
GROUPS_PATH = f"/apis/{_API}/namespaces/{NAMESPACE}/protectiongroups"
_PATIENCE_SECONDS = 120.0


class Clusters(Protocol):
    """What is needed of a world."""

    @property
    def storage(self) -> StorageControl:
        """Its disks."""

    @property
    def clusters(self) -> Sequence[Access]:
        """The primary one, and the other one with VMs."""


def volume_of(vm: str) -> str:
    """The one disk of a VM, as DRBD and Kubernetes call it."""
    return f"{vm}-disk"


class Workload:
    """Made once; `make` on what is there already changes nothing."""

    def __init__(self, world: Clusters) -> None:
        self._storage = world.storage
        self._home, self._other = world.clusters

    def make(self) -> None:
        """Until every group that is new runs on cluster1 and could run on cluster2 (TimeoutError says what is missing)."""
        nodes = [
            str(cluster.api.items("/api/v1/nodes")[0]["metadata"]["name"]) for cluster in (self._home, self._other)
        ]
        volumes = self._storage.get("/drbd/volumes")
        for vm in (vm for members in GROUPS.values() for vm in members):
            if volume_of(vm) not in volumes:
                self._storage.create_volume(volume_of(vm), *nodes)
            for item in (persistent_volume(vm), claim(vm), virtual_machine(vm)):
                self._is_new(item)
        for name in [name for name, members in GROUPS.items() if self._is_new(group(name, members))]:
            wait_until(f"{name} ready for a failover", _PATIENCE_SECONDS, functools.partial(self._is_ready, name))

    def _is_new(self, item: Object) -> bool:
        """Created now; what is there already may have been moved, and is left as it is."""
        try:
            self._home.api.create(item)
        except Conflict:
            return False
        return True

    def _is_ready(self, name: str) -> bool:
        """It can be moved, its copy there has been introduced to it, and people are told where it runs."""
        here, there = (
            cluster.api.get(f"{GROUPS_PATH}/{name}").get("status") or {} for cluster in (self._home, self._other)
        )
        return is_ready(self._home.api, name) and bool(there.get("epoch")) and bool(here.get("location"))


def is_ready(api: Api, name: str) -> bool:
    """Whether a group runs on this cluster and says that it can be moved to the other one."""
    status = api.get(f"{GROUPS_PATH}/{name}").get("status") or {}
    truths = {row["type"]: row["status"] for row in status.get("conditions") or []}
    return truths.get("FailoverReady") == "True" and status.get("currentState") == "running"


def _metadata(name: str) -> Object:
    return {"name": name, "namespace": NAMESPACE}


def group(name: str, members: Mapping[str, int]) -> Object:
    """A ProtectionGroup at home on cluster1."""
    spec = {
        "clusters": {"primary": "cluster1", "dr": "cluster2"},
        "virtualMachines": [{"name": vm, "priority": priority} for vm, priority in members.items()],
    }
    return {"apiVersion": _API, "kind": "ProtectionGroup", "metadata": _metadata(name), "spec": spec}


_DISK: Object = {"accessModes": ["ReadWriteMany"], "storageClassName": "linstor", "volumeMode": "Block"}


def persistent_volume(vm: str) -> Object:
    """What LINSTOR's CSI driver would have made."""
    spec = {
        **_DISK,
        "capacity": {"storage": "1Gi"},
        "persistentVolumeReclaimPolicy": "Retain",
        "claimRef": {"namespace": NAMESPACE, "name": volume_of(vm)},
        "csi": {"driver": "linstor.csi.linbit.com", "volumeHandle": volume_of(vm)},
    }
    return {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": volume_of(vm)}, "spec": spec}


def claim(vm: str) -> Object:
    """Bound to that volume and to no other."""
    spec = {**_DISK, "volumeName": volume_of(vm), "resources": {"requests": {"storage": "1Gi"}}}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": _metadata(volume_of(vm)), "spec": spec}


def virtual_machine(vm: str) -> Object:
    """A small one with one disk and one interface."""
    devices = {
        "disks": [{"name": "root", "disk": {"bus": "virtio"}}],
        "interfaces": [{"name": "default", "masquerade": {}}],
    }
    template = {
        "terminationGracePeriodSeconds": 30,
        "domain": {"devices": devices, "resources": {"requests": {"memory": "64Mi"}}},
        "networks": [{"name": "default", "pod": {}}],
        "volumes": [{"name": "root", "persistentVolumeClaim": {"claimName": volume_of(vm)}}],
    }
    spec = {
        "runStrategy": "Always",
        "template": {"metadata": {"labels": {"kubevirt.io/vm": vm}}, "spec": template},
    }
    return {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachine", "metadata": _metadata(vm), "spec": spec}
