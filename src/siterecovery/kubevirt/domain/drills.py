"""What a test failover (a drill) runs on: copies of the stopped VMs on the standby side, on copies of their disks. Pure.

A drill must disturb nobody: its VMs carry none of the originals' labels (no Service, no selector of a group finds them), none of their addresses, and
only the Pod network, behind NAT. Everything it makes is labelled with the group, which is how a clean-up finds it."""

import copy
from collections.abc import Mapping
from typing import Any

from siterecovery.kubevirt.domain.names import DRILL
from siterecovery.kubevirt.domain.resources import (
    PERSISTENT_VOLUME_CLAIMS,
    PERSISTENT_VOLUMES,
    VIRTUAL_MACHINES,
    Object,
)
from siterecovery.kubevirt.domain.virtual_machine import HALTED

SUFFIX = "-drill"
"""Short: LINSTOR's names end at 48 characters, and a CSI volume's has 40."""


def name_of(original: str) -> str:
    return original + SUFFIX


def selector(group: str) -> str:
    return f"{DRILL}={group}"


def virtual_machine(vm: Mapping[str, Any], group: str, claims: Mapping[str, str]) -> Object:
    """Halted at first. `claims`: the copies' names by the originals'."""
    metadata = vm["metadata"]
    made = VIRTUAL_MACHINES.header(name_of(metadata["name"]), metadata["namespace"])
    made["metadata"]["labels"] = {DRILL: group}
    spec = copy.deepcopy(dict(vm["spec"]))
    for field in ("running", "dataVolumeTemplates"):
        spec.pop(field, None)
    template = spec["template"]
    template["metadata"] = {"labels": {DRILL: group}}
    _on_copies(template["spec"], claims)
    _apart(template["spec"])
    return made | {"spec": spec | {"runStrategy": HALTED}}


def _on_copies(template: Object, claims: Mapping[str, str]) -> None:
    for volume in template.get("volumes") or ():
        data = volume.pop("dataVolume", None)
        if data is not None:
            volume["persistentVolumeClaim"] = {"claimName": data["name"]}
        claim = volume.get("persistentVolumeClaim")
        if claim is not None:
            claim["claimName"] = claims.get(claim["claimName"], claim["claimName"])


def _apart(template: Object) -> None:
    """One interface, on the Pod network, without the original's address."""
    devices = template.setdefault("domain", {}).setdefault("devices", {})
    devices["interfaces"] = [{"name": "default", "masquerade": {}}]
    template["networks"] = [{"name": "default", "pod": {}}]


def claim(pvc: Mapping[str, Any], group: str, handle: str) -> Object:
    metadata, spec = pvc["metadata"], pvc["spec"]
    made = PERSISTENT_VOLUME_CLAIMS.header(name_of(metadata["name"]), metadata["namespace"])
    made["metadata"]["labels"] = {DRILL: group}
    kept = {key: spec[key] for key in ("accessModes", "resources", "volumeMode", "storageClassName") if key in spec}
    return made | {"spec": kept | {"volumeName": handle}}


def volume(pv: Mapping[str, Any], pvc: Mapping[str, Any], group: str, handle: str) -> Object:
    """Retain: the storage copy is removed by the clean-up, which knows that it is a copy."""
    spec = pv["spec"]
    made = PERSISTENT_VOLUMES.header(handle)
    made["metadata"]["labels"] = {DRILL: group}
    kept = {
        key: spec[key]
        for key in ("capacity", "accessModes", "volumeMode", "mountOptions", "storageClassName")
        if key in spec
    }
    bound = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "name": name_of(pvc["metadata"]["name"])}
    bound["namespace"] = pvc["metadata"]["namespace"]
    csi = {**spec["csi"], "volumeHandle": handle}
    return made | {
        "spec": {**kept, "csi": csi, "claimRef": bound, "persistentVolumeReclaimPolicy": "Retain"},
    }
