"""What it means that a ProtectionRequest has a VM under replication (DRBD Operator model): the plan, kept on the VM itself, and the objects and
patches that follow from it. Pure.

The plan is written in one conditional write before anything else is done. So two requests never work on one VM, whoever goes on after a crash does
the same work, and what the VM was before is known for as long as it is under replication, also when its request is gone."""

import copy
import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from siterecovery.kubevirt.domain.names import PROTECTION, REQUEST_LABEL
from siterecovery.kubevirt.domain.resources import PERSISTENT_VOLUME_CLAIMS, PERSISTENT_VOLUMES, Object

DRIVER = "drbd-operator.siterecovery.trilio.io"
"""CSI driver of frontend volumes: it opens the DRBD device named by the `volumeHandle`."""
SUFFIX = "-drbd"
_MOST_NAME = 30
"""Characters of the claim's name in a handle: with the suffixes of copies it stays below the 48 that DRBD's tools take."""


@dataclasses.dataclass(frozen=True)
class Disk:
    """One claim. `nodes`: cluster → where its replicas are; `classes`: cluster → class of the backing device there."""

    claim: str
    frontend: str
    handle: str
    size: int
    nodes: Mapping[str, list[str]]
    classes: Mapping[str, str]


@dataclasses.dataclass(frozen=True)
class Plan:
    """`run`: what the VM was set to; `up`: its guest ran. `sources`: each disk volume of the VM as it was, by its name in the VM; `templates`: its
    dataVolumeTemplates, which KubeVirt wants only for volumes that use them."""

    request: str
    """The UID of the request that wrote it."""
    name: str
    run: str
    up: bool
    primary: str
    dr: str
    disks: tuple[Disk, ...]
    sources: Mapping[str, Object]
    templates: list[Object]
    policy: str
    quorum: str
    on_no_quorum: str

    @property
    def handles(self) -> tuple[str, ...]:
        return tuple(disk.handle for disk in self.disks)

    def text(self) -> str:
        return json.dumps(dataclasses.asdict(self), separators=(",", ":"), sort_keys=True)

    def annotation(self) -> dict[str, str]:
        return {PROTECTION: self.text()}


def plan_of(vm: Mapping[str, Any]) -> Plan | None:
    """None for a VM that nobody has taken under replication. ValueError when somebody has spoilt the annotation."""
    found = (vm["metadata"].get("annotations") or {}).get(PROTECTION)
    if not found:
        return None
    try:
        fields = json.loads(found)
        return Plan(**{**fields, "disks": tuple(Disk(**disk) for disk in fields["disks"])})
    except (TypeError, KeyError, ValueError) as error:
        raise ValueError(f"annotation {PROTECTION} of {vm['metadata']['name']} cannot be read: {error}") from error


def is_genuine(plan: Plan, request: str, primary: str, dr: str, classes: frozenset[str]) -> bool:
    """Whether it is what that request would have written. Who may edit a VM may edit its annotations, and must not get another's volume by it."""
    return (plan.request, plan.primary, plan.dr) == (request, primary, dr) and all(
        disk.handle == handle_of(request, disk.claim)
        and disk.frontend == frontend_of(disk.claim)
        and disk.size > 0
        and set(disk.nodes) == set(disk.classes) == {primary, dr}
        and classes.issuperset(disk.classes.values())
        for disk in plan.disks
    )


def genuine_handles(plan: Plan) -> tuple[str, ...]:
    """Those that its request could have made."""
    return tuple(disk.handle for disk in plan.disks if disk.handle == handle_of(plan.request, disk.claim))


def frontend_of(claim: str) -> str:
    return claim + SUFFIX


def handle_of(request: str, claim: str) -> str:
    """The same for the same request and claim, and no other's: also the name of the frontend's PersistentVolume, which has no namespace."""
    digest = hashlib.sha256(f"{request}/{claim}".encode()).hexdigest()[:8]
    return f"{claim[:_MOST_NAME].rstrip('-.')}-{digest}"


def claim_in(volume: Mapping[str, Any]) -> str | None:
    """The claim of one volume of a VM; a DataVolume has the name of its claim."""
    found = (volume.get("persistentVolumeClaim") or {}).get("claimName") or (volume.get("dataVolume") or {}).get("name")
    return str(found) if found else None


def sources(vm: Mapping[str, Any]) -> dict[str, Object]:
    """The VM's volumes on claims, whole, by their names."""
    return {volume["name"]: copy.deepcopy(volume) for volume in _volumes(vm) if claim_in(volume)}


def onto_frontends(vm: Mapping[str, Any], plan: Plan) -> Object:
    """The merge patch of `spec`: each planned claim's volume uses the frontend instead. Nothing where it does already."""
    by_claim = {disk.claim: disk.frontend for disk in plan.disks}
    made = []
    for volume in copy.deepcopy(_volumes(vm)):
        frontend = by_claim.get(claim_in(volume) or "")
        if frontend is None or volume["name"] not in plan.sources:
            made.append(volume)
            continue
        used = volume.pop("dataVolume", None) or volume.pop("persistentVolumeClaim")
        kept = {key: used[key] for key in ("hotpluggable", "readOnly") if key in used}
        made.append({**volume, "persistentVolumeClaim": {"claimName": frontend, **kept}})
    return _patch(vm, made, None)


def onto_originals(vm: Mapping[str, Any], plan: Plan) -> Object:
    """The merge patch of `spec` that takes that back; volumes a person has changed meanwhile stay."""
    frontends = {disk.frontend for disk in plan.disks}
    made = [
        copy.deepcopy(plan.sources[volume["name"]])
        if claim_in(volume) in frontends and volume["name"] in plan.sources
        else volume
        for volume in _volumes(vm)
    ]
    return _patch(vm, made, plan.templates or None)


def uses(vm: Mapping[str, Any], names: frozenset[str]) -> set[str]:
    return {name for volume in _volumes(vm) if (name := claim_in(volume)) in names and name}


def frontend_claim(pvc: Mapping[str, Any], disk: Disk, request: str) -> Object:
    """No storage class: nothing provisions it but the volume made for it."""
    made = PERSISTENT_VOLUME_CLAIMS.header(disk.frontend, pvc["metadata"]["namespace"])
    made["metadata"]["labels"] = {REQUEST_LABEL: request}
    spec = {**_shape(pvc), "resources": {"requests": {"storage": str(disk.size)}}, "volumeName": disk.handle}
    return made | {"spec": spec}


def frontend_volume(pvc: Mapping[str, Any], disk: Disk, request: str) -> Object:
    """Retain: only who made the replicas removes them."""
    made = PERSISTENT_VOLUMES.header(disk.handle)
    made["metadata"]["labels"] = {REQUEST_LABEL: request}
    bound = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "name": disk.frontend}
    bound["namespace"] = pvc["metadata"]["namespace"]
    return made | {
        "spec": {
            **_shape(pvc),
            "capacity": {"storage": str(disk.size)},
            "csi": {"driver": DRIVER, "volumeHandle": disk.handle},
            "claimRef": bound,
            "persistentVolumeReclaimPolicy": "Retain",
        }
    }


def _shape(pvc: Mapping[str, Any]) -> Object:
    spec = pvc["spec"]
    return {
        "accessModes": spec.get("accessModes") or ["ReadWriteOnce"],
        "volumeMode": spec.get("volumeMode") or "Filesystem",
        "storageClassName": "",
    }


def _volumes(vm: Mapping[str, Any]) -> list[Object]:
    template = ((vm.get("spec") or {}).get("template") or {}).get("spec") or {}
    return list(template.get("volumes") or ())


def _patch(vm: Mapping[str, Any], volumes: list[Object], templates: list[Object] | None) -> Object:
    spec = vm.get("spec") or {}
    patch: Object = {}
    if volumes != _volumes(vm):
        patch["template"] = {"spec": {"volumes": volumes}}
    if templates != (spec.get("dataVolumeTemplates") or None):
        patch["dataVolumeTemplates"] = templates
    return patch
