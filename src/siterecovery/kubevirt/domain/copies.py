"""What the stopped copies on the other cluster look like, made from the originals. Pure.

A copy is the same machine: its MACs and its firmware's UUID are kept, so that its guest does not notice; its networks and storage classes have
other names; DataVolumes are taken out, because their volumes arrive by replication."""

import copy
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from siterecovery.kubevirt.domain import virtual_machine as vms
from siterecovery.kubevirt.domain.names import (
    FINGERPRINT,
    GROUP_LABEL,
    HELD,
    MIRRORED_FROM,
    ORIGINAL_RUN,
    SOURCE_UID,
)
from siterecovery.kubevirt.domain.quantities import whole
from siterecovery.kubevirt.domain.resources import (
    CONTROLLER_REVISIONS,
    OURS,
    PERSISTENT_VOLUME_CLAIMS,
    PERSISTENT_VOLUMES,
    SERVICE_ACCOUNTS,
    VIRTUAL_MACHINES,
    Object,
    Resource,
)

_LOCAL_ANNOTATIONS = ("kubectl.kubernetes.io/", "pv.kubernetes.io/", "volume.", "kubevirt.io/", f"{OURS}/", "cdi.")
"""Say something about the original's own cluster."""


def virtual_machine(
    vm: Mapping[str, Any],
    instance: Mapping[str, Any] | None,
    *,
    group: str,
    source: str,
    networks: Mapping[str, str],
) -> Object:
    """`networks`: Multus names there, by the names here. `source`: the name of the cluster it is copied from."""
    metadata = vm["metadata"]
    run = vms.recorded(vm) or vms.run_of(vm)
    spec = copy.deepcopy(dict(vm["spec"]))
    spec.pop("dataVolumeTemplates", None)
    for field in ("running", "runStrategy"):
        spec.pop(field, None)
    spec |= {"running": False} if run.startswith("running=") else {"runStrategy": vms.HALTED}
    template = spec.get("template", {}).get("spec", {})
    _plain_claims(template)
    _map_networks(template, metadata["namespace"], networks)
    _keep_identity(template, vm, instance)
    _keep_revisions(spec, vm)
    made = VIRTUAL_MACHINES.header(metadata["name"], metadata["namespace"])
    made["metadata"] |= {
        "labels": {**_labels(metadata), GROUP_LABEL: group},
        "annotations": {**_annotations(metadata), ORIGINAL_RUN: run, **_marks(metadata, source)},
    }
    return _signed(made | {"spec": spec})


def _plain_claims(template: Object) -> None:
    for volume in template.get("volumes") or ():
        if data := volume.pop("dataVolume", None):
            hotpluggable = {key: data[key] for key in ("hotpluggable",) if key in data}
            volume["persistentVolumeClaim"] = {"claimName": data["name"], **hotpluggable}


def _map_networks(template: Object, namespace: str, networks: Mapping[str, str]) -> None:
    """A network may be written with or without the VM's own namespace."""
    for network in template.get("networks") or ():
        multus = network.get("multus")
        if not multus:
            continue
        name = multus["networkName"]
        full = name if "/" in name else f"{namespace}/{name}"
        short = full.removeprefix(f"{namespace}/")
        multus["networkName"] = networks.get(name) or networks.get(full) or networks.get(short) or name


def _keep_identity(template: Object, vm: Mapping[str, Any], instance: Mapping[str, Any] | None) -> None:
    """What KubeVirt chose when the original was started: a guest keeps its addresses, and its licence, by it."""
    running = instance or {}
    domain = template.setdefault("domain", {})
    firmware = (running.get("spec") or {}).get("domain", {}).get("firmware") or {}
    for key in ("uuid", "serial"):
        if firmware.get(key):
            domain.setdefault("firmware", {}).setdefault(key, firmware[key])
    addresses = {
        item["name"]: item["mac"]
        for item in (running.get("status") or {}).get("interfaces") or ()
        if item.get("name") and item.get("mac")
    }
    for interface in (domain.get("devices") or {}).get("interfaces") or ():
        if not interface.get("macAddress") and interface["name"] in addresses:
            interface["macAddress"] = addresses[interface["name"]]


def revisions(vm: Mapping[str, Any]) -> list[str]:
    """ControllerRevisions that hold the instance type and the preference as they were when the VM took them."""
    return [name for part in ("instancetype", "preference") if (name := _revision(vm, part))]


def _revision(vm: Mapping[str, Any], part: str) -> str | None:
    matcher = vm["spec"].get(part) or {}
    told = (vm.get("status") or {}).get(f"{part}Ref") or {}
    found = matcher.get("revisionName") or (told.get("controllerRevisionRef") or {}).get("name")
    return str(found) if found else None


def _keep_revisions(spec: Object, vm: Mapping[str, Any]) -> None:
    for part in ("instancetype", "preference"):
        if part in spec and (name := _revision(vm, part)):
            spec[part] = {**spec[part], "revisionName": name}


def claim(pvc: Mapping[str, Any], *, group: str, source: str, classes: Mapping[str, str]) -> Object:
    metadata, spec = pvc["metadata"], pvc["spec"]
    made = PERSISTENT_VOLUME_CLAIMS.header(metadata["name"], metadata["namespace"])
    made["metadata"] |= {
        "labels": {**_labels(metadata), GROUP_LABEL: group},
        "annotations": {**_annotations(metadata), **_marks(metadata, source)},
    }
    kept = {key: spec[key] for key in ("accessModes", "resources", "volumeMode", "volumeName") if key in spec}
    return made | {"spec": kept | _class(spec, classes)}


def volume(
    pv: Mapping[str, Any], pvc: Mapping[str, Any], *, group: str, source: str, classes: Mapping[str, str]
) -> Object:
    """The same `volumeHandle`: on the other cluster the storage system knows it by the same name. Retain: a deleted claim must not delete it."""
    metadata, spec = pv["metadata"], pv["spec"]
    made = PERSISTENT_VOLUMES.header(metadata["name"])
    made["metadata"] |= {"labels": {GROUP_LABEL: group}, "annotations": _marks(metadata, source)}
    csi = {key: value for key, value in spec["csi"].items() if key not in ("volumeAttributes",)}
    attributes = {
        key: value
        for key, value in (spec["csi"].get("volumeAttributes") or {}).items()
        if not key.startswith("storage.kubernetes.io/")  # names the provisioner process of the original
    }
    bound = {"apiVersion": "v1", "kind": "PersistentVolumeClaim"}
    bound |= {"name": pvc["metadata"]["name"], "namespace": pvc["metadata"]["namespace"]}
    kept = {key: spec[key] for key in ("capacity", "accessModes", "volumeMode", "mountOptions") if key in spec}
    return made | {
        "spec": {
            **kept,
            **_class(spec, classes),
            "csi": csi | ({"volumeAttributes": attributes} if attributes else {}),
            "claimRef": bound,
            "persistentVolumeReclaimPolicy": "Retain",
        }
    }


def _class(spec: Mapping[str, Any], classes: Mapping[str, str]) -> dict[str, str]:
    name = spec.get("storageClassName")
    return {"storageClassName": classes.get(name, name)} if name is not None else {}


def plain(resource: Resource, obj: Mapping[str, Any], *, group: str, source: str) -> Object:
    """A Secret or a ConfigMap, whole."""
    metadata = obj["metadata"]
    made = resource.header(metadata["name"], metadata["namespace"])
    made["metadata"] |= {
        "labels": {**_labels(metadata), GROUP_LABEL: group},
        "annotations": {**_annotations(metadata), **_marks(metadata, source)},
    }
    kept = {key: obj[key] for key in ("type", "data", "binaryData", "immutable") if key in obj}
    return _signed(made | kept)


def service_account(obj: Mapping[str, Any], *, group: str, source: str) -> Object:
    """Its name, and how its images are pulled: tokens are each cluster's own, and what it may do is said by bindings that a cluster's people make."""
    metadata = obj["metadata"]
    made = SERVICE_ACCOUNTS.header(metadata["name"], metadata["namespace"])
    made["metadata"] |= {
        "labels": {**_labels(metadata), GROUP_LABEL: group},
        "annotations": {**_annotations(metadata), **_marks(metadata, source)},
    }
    kept = {key: obj[key] for key in ("imagePullSecrets", "automountServiceAccountToken") if key in obj}
    return _signed(made | kept)


def grown(there: Mapping[str, Any], wanted: Mapping[str, Any], *path: str) -> Object | None:
    """A claim or a volume as it is there, with the size it should have; None when it is as large. It never shrinks: no storage does."""
    made = copy.deepcopy(dict(there))
    *parents, last = path
    now, then = made, wanted
    for key in parents:
        now, then = now.setdefault(key, {}), then.get(key) or {}
    if last not in then or whole(str(then[last])) <= whole(str(now.get(last) or "0")):
        return None
    now[last] = then[last]
    made["metadata"].pop("managedFields", None)
    return made


def revision(obj: Mapping[str, Any], *, group: str, source: str) -> Object:
    metadata = obj["metadata"]
    made = CONTROLLER_REVISIONS.header(metadata["name"], metadata["namespace"])
    made["metadata"] |= {
        "labels": {**_labels(metadata), GROUP_LABEL: group},
        "annotations": _marks(metadata, source),
    }
    return made | {"data": obj.get("data"), "revision": obj.get("revision", 0)}


def group_spec(group: Mapping[str, Any]) -> dict[str, Any]:
    """What both copies of a group share: all but `desiredState`, which is each cluster's own."""
    return {key: value for key, value in group["spec"].items() if key != "desiredState"}


def is_copy(obj: Mapping[str, Any]) -> bool:
    return MIRRORED_FROM in (obj["metadata"].get("annotations") or {})


def fingerprint(obj: Mapping[str, Any]) -> str | None:
    found = (obj["metadata"].get("annotations") or {}).get(FINGERPRINT)
    return str(found) if found else None


def _labels(metadata: Mapping[str, Any]) -> dict[str, str]:
    return dict(metadata.get("labels") or {})


def _annotations(metadata: Mapping[str, Any]) -> dict[str, str]:
    """Without those that speak of the original's own cluster, and without ours."""
    return {
        key: value
        for key, value in (metadata.get("annotations") or {}).items()
        if not key.startswith(_LOCAL_ANNOTATIONS) and key != HELD
    }


def _marks(metadata: Mapping[str, Any], source: str) -> dict[str, str]:
    return {MIRRORED_FROM: source, SOURCE_UID: str(metadata.get("uid", ""))}


def _signed(made: Object) -> Object:
    text = json.dumps(made, sort_keys=True, default=str)
    made["metadata"]["annotations"][FINGERPRINT] = hashlib.sha256(text.encode()).hexdigest()[:16]
    return made
