"""VMs for tests: how to make one, give it a disk, and wait for what happens to it."""

from collections.abc import Sequence
from typing import Any

from sandbox.kubernetes.access import Access
from sandbox.kubernetes.client import Api, Missing, wait_until

PATIENCE = 120.0
Object = dict[str, Any]


def virtual_machine(
    namespace: str, name: str, strategy: str = "Always", *, claims: Sequence[str] = (), grace: int = 30, **spec: Any
) -> Object:
    """A VM with one interface; its disks are `claims`, or one throw-away disk. `spec` replaces runStrategy (`running=True`)."""
    names = claims or [""]
    volumes = [
        {"name": f"disk{number}", "persistentVolumeClaim": {"claimName": claim}}
        if claim
        else {"name": f"disk{number}", "containerDisk": {"image": "sandbox/disk:1"}}
        for number, claim in enumerate(names)
    ]
    devices = {
        "disks": [{"name": volume["name"], "disk": {"bus": "virtio"}} for volume in volumes],
        "interfaces": [{"name": "default", "masquerade": {}}],
    }
    template = {
        "terminationGracePeriodSeconds": grace,
        "domain": {"devices": devices, "resources": {"requests": {"memory": "64Mi"}}},
        "networks": [{"name": "default", "pod": {}}],
        "volumes": volumes,
    }
    return {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachine",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            **(spec or {"runStrategy": strategy}),
            "template": {"metadata": {"labels": {"kubevirt.io/vm": name}}, "spec": template},
        },
    }


def until_empty(plane: Access) -> None:
    """Nothing runs on the cluster any more, in any namespace."""
    instances = "/apis/kubevirt.io/v1/virtualmachineinstances"
    wait_until(f"an empty {plane.name}", PATIENCE, lambda: not plane.api.items(instances))


def bind_disk(plane: Access, namespace: str, claim: str, handle: str, storage_class: str = "linstor") -> None:
    """A PersistentVolume of that handle and a claim bound to it, by hand as a mirror does it; returns when it is bound."""
    common: Object = {"accessModes": ["ReadWriteMany"], "storageClassName": storage_class, "volumeMode": "Block"}
    volume = {
        **common,
        "capacity": {"storage": "1Gi"},
        "persistentVolumeReclaimPolicy": "Retain",
        "claimRef": {"namespace": namespace, "name": claim},
        "csi": {"driver": "linstor.csi.linbit.com", "volumeHandle": handle},
    }
    wanted = {**common, "volumeName": handle, "resources": {"requests": {"storage": "1Gi"}}}
    plane.api.create({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": handle}, "spec": volume})
    item = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": claim, "namespace": namespace},
        "spec": wanted,
    }
    plane.api.create(item)
    wait_until(
        f"claim {claim}", PATIENCE, lambda: plane.api.get(plane.api.path(item))["status"].get("phase") == "Bound"
    )


def vm_path(namespace: str, name: str) -> str:
    """Where a VM lies."""
    return f"/apis/kubevirt.io/v1/namespaces/{namespace}/virtualmachines/{name}"


def instance_path(namespace: str, name: str) -> str:
    """Where its instance lies while there is one."""
    return f"/apis/kubevirt.io/v1/namespaces/{namespace}/virtualmachineinstances/{name}"


def look(api: Api, path: str) -> Object:
    """An object, {} when there is none."""
    try:
        found: Object = api.get(path)
    except Missing:
        return {}
    return found


def status(plane: Access, namespace: str, name: str) -> Object:
    """What KubeVirt says about a VM: printableStatus, ready, created and so on."""
    found: Object = look(plane.api, vm_path(namespace, name)).get("status") or {}
    return found


def running(plane: Access, namespace: str, name: str, seconds: float = PATIENCE) -> Object:
    """Wait until it runs and is ready; its status then."""

    def ask() -> Object | None:
        told = status(plane, namespace, name)
        return told if told.get("printableStatus") == "Running" and told.get("ready") else None

    return wait_until(f"{namespace}/{name} running on {plane.name}", seconds, ask)


def shows(plane: Access, namespace: str, name: str, printable: str, seconds: float = PATIENCE) -> Object:
    """Wait until `kubectl get vm` shows that status."""

    def ask() -> Object | None:
        told = status(plane, namespace, name)
        return told if told.get("printableStatus") == printable else None

    return wait_until(f"{printable} of {namespace}/{name} on {plane.name}", seconds, ask)


def gone(plane: Access, namespace: str, name: str, seconds: float = PATIENCE) -> None:
    """Wait until it is really stopped: no instance and no launcher Pod (printableStatus Stopped comes before that)."""
    pods = f"/api/v1/namespaces/{namespace}/pods"

    def ask() -> bool:
        if look(plane.api, instance_path(namespace, name)):
            return False
        return not plane.api.items(pods, labelSelector=f"vm.kubevirt.io/name={name}")

    wait_until(f"the end of {namespace}/{name} on {plane.name}", seconds, ask)


def set_strategy(plane: Access, namespace: str, name: str, strategy: str) -> None:
    """Change runStrategy, as `kubectl patch` does."""
    plane.api.merge(vm_path(namespace, name), {"spec": {"runStrategy": strategy}})
