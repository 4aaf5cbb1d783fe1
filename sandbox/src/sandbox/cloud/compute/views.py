"""Nova's records as JSON."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import orjson

from sandbox.cloud.compute.model import BlockDevice, Flavor, KeyPair, Server, ServerGroup
from sandbox.cloud.ids import micro_stamp, stamp
from sandbox.cloud.wire import Call

if TYPE_CHECKING:
    from sandbox.cloud.site import Cloud

_BODY_VERSIONS = (3, 9, 16, 19, 26, 47, 61, 63, 71, 73, 90, 96, 98)


def server(item: Server, call: Call, *, listed: bool = False) -> orjson.Fragment:
    """A server in detail, rendered once per kind of reader until it changes."""
    key = (call.is_admin, listed, sum(1 for version in _BODY_VERSIONS if call.minor >= version))
    rendered = item.cache.get(key)
    if rendered is None:
        rendered = orjson.dumps(_server(item, call, listed))
        item.cache[key] = rendered
    return orjson.Fragment(rendered)


def _server(item: Server, call: Call, listed: bool) -> dict[str, Any]:
    body: dict[str, Any] = {
        "id": item.id,
        "name": item.name,
        "status": item.status,
        "tenant_id": item.project_id,
        "user_id": item.user_id,
        "metadata": item.metadata,
        "hostId": hashlib.sha224((item.project_id + item.host).encode()).hexdigest() if item.host else "",
        "image": {"id": item.image_id, "links": [_bookmark(call.cloud, "images", item.image_id)]}
        if item.image_id
        else "",
        "flavor": _flavor_of(item.flavor, call),
        "created": stamp(item.created_at),
        "updated": stamp(item.updated_at),
        "addresses": call.cloud.network.addresses(item.id, [nic.port_id for nic in item.nics]),
        "accessIPv4": "",
        "accessIPv6": "",
        "links": server_links(item, call.cloud),
        "OS-DCF:diskConfig": "MANUAL",
        "OS-EXT-AZ:availability_zone": item.zone if item.host else "",
        "config_drive": item.config_drive,
        "key_name": item.key_name,
        "OS-SRV-USG:launched_at": micro_stamp(item.launched_at) if item.launched_at is not None else None,
        "OS-SRV-USG:terminated_at": micro_stamp(item.terminated_at) if item.terminated_at is not None else None,
        "OS-EXT-STS:task_state": item.task_state,
        "OS-EXT-STS:vm_state": item.vm_state,
        "OS-EXT-STS:power_state": item.power_state,
        "os-extended-volumes:volumes_attached": [_attached(disk, call) for disk in item.disks if disk.volume_id],
    }
    _add_states(body, item, call)
    _add_versioned(body, item, call, listed)
    return body


def _add_states(body: dict[str, Any], item: Server, call: Call) -> None:
    """What is there in some states only, and what administrators see."""
    if item.status in ("ACTIVE", "BUILD", "REBOOT", "HARD_REBOOT"):
        body["progress"] = 0
    if item.nics or item.status != "ERROR":
        body["security_groups"] = [{"name": name} for name in item.security_groups]
    if item.fault is not None and item.status in ("ERROR", "DELETED"):
        fault = {"code": item.fault.code, "message": item.fault.message, "created": stamp(item.fault.created_at)}
        body["fault"] = {**fault, "details": item.fault.details} if call.is_admin else fault
    if call.is_admin:
        body["OS-EXT-SRV-ATTR:host"] = item.host or None
        body["OS-EXT-SRV-ATTR:instance_name"] = f"instance-{item.id[:8]}"
        body["OS-EXT-SRV-ATTR:hypervisor_hostname"] = item.host or None


def _add_versioned(body: dict[str, Any], item: Server, call: Call, listed: bool) -> None:
    """Fields that newer microversions brought."""
    if call.minor >= 3 and call.is_admin:
        body["OS-EXT-SRV-ATTR:hostname"] = _hostname(item)
        body["OS-EXT-SRV-ATTR:kernel_id"] = body["OS-EXT-SRV-ATTR:ramdisk_id"] = ""
        body["OS-EXT-SRV-ATTR:launch_index"] = 0
        body["OS-EXT-SRV-ATTR:reservation_id"] = f"r-{item.id[:8]}"
        body["OS-EXT-SRV-ATTR:root_device_name"] = "/dev/vda"
        body["OS-EXT-SRV-ATTR:user_data"] = item.user_data
    if call.minor >= 90:
        body["OS-EXT-SRV-ATTR:hostname"] = _hostname(item)
    if call.minor >= 9:
        body["locked"] = item.locked_by is not None
    if call.minor >= 16 and call.is_admin:
        body["host_status"] = "UP" if item.host else ""
    if call.minor >= 19:
        body["description"] = item.description
    if call.minor >= 26:
        body["tags"] = list(item.tags)
    if call.minor >= 63:
        body["trusted_image_certificates"] = None
    if call.minor >= 71 and not listed:
        group = call.cloud.compute.group_of(item.id)
        body["server_groups"] = [group.id] if group else []
    if call.minor >= 73:
        body["locked_reason"] = item.lock_reason
    if call.minor >= 96:
        body["pinned_availability_zone"] = item.pinned_zone


def _hostname(item: Server) -> str:
    return "".join(char if char.isalnum() or char in "-." else "-" for char in item.name.lower())


def _attached(disk: BlockDevice, call: Call) -> dict[str, Any]:
    entry: dict[str, Any] = {"id": disk.volume_id}
    if call.minor >= 3:
        entry["delete_on_termination"] = disk.delete_on_termination
    return entry


def _flavor_of(item: Flavor, call: Call) -> dict[str, Any]:
    """Up to 2.46 a reference, later the sizes with only the original name."""
    if call.minor <= 46:
        return {"id": item.id, "links": [_bookmark(call.cloud, "flavors", item.id)]}
    return {
        "vcpus": item.vcpus,
        "ram": item.ram,
        "disk": item.disk,
        "ephemeral": item.ephemeral,
        "swap": item.swap,
        "original_name": item.name,
        "extra_specs": item.extra_specs,
    }


def server_links(item: Server, cloud: Cloud) -> list[dict[str, str]]:
    """Self and bookmark."""
    return [
        {"rel": "self", "href": f"{cloud.url_of('compute')}/servers/{item.id}"},
        _bookmark(cloud, "servers", item.id),
    ]


def _bookmark(cloud: Cloud, collection: str, identifier: str) -> dict[str, str]:
    return {"rel": "bookmark", "href": f"{cloud.root_of('compute')}/{collection}/{identifier}"}


def flavor(item: Flavor, call: Call) -> dict[str, Any]:
    """A flavor in detail."""
    body: dict[str, Any] = {
        "id": item.id,
        "name": item.name,
        "vcpus": item.vcpus,
        "ram": item.ram,
        "disk": item.disk,
        "swap": item.swap if call.minor >= 75 else (item.swap or ""),
        "OS-FLV-EXT-DATA:ephemeral": item.ephemeral,
        "OS-FLV-DISABLED:disabled": False,
        "os-flavor-access:is_public": item.is_public,
        "rxtx_factor": 1.0,
        "links": [
            {"rel": "self", "href": f"{call.cloud.url_of('compute')}/flavors/{item.id}"},
            _bookmark(call.cloud, "flavors", item.id),
        ],
    }
    if call.minor >= 55:
        body["description"] = item.description
    if call.minor >= 61:
        body["extra_specs"] = item.extra_specs
    return body


def keypair(item: KeyPair, call: Call, *, shown: bool = True) -> dict[str, Any]:
    """A key pair; only `show` tells whose it is and when it was made."""
    body: dict[str, Any] = {"name": item.name, "public_key": item.public_key, "fingerprint": item.fingerprint}
    if call.minor >= 2:
        body["type"] = item.type
    if shown:
        body.update({"id": 1, "user_id": item.user_id, "created_at": micro_stamp(item.created_at)})
        body.update({"deleted": False, "deleted_at": None, "updated_at": None})
    return body


def group(item: ServerGroup, call: Call) -> dict[str, Any]:
    """A server group; since 2.64 with one policy and its rules."""
    members = [member for member in item.members if member in call.cloud.compute.servers]
    body: dict[str, Any] = {"id": item.id, "name": item.name, "members": members}
    if call.minor >= 64:
        body.update({"policy": item.policy, "rules": item.rules})
    else:
        body.update({"policies": [item.policy], "metadata": {}})
    if call.minor >= 13:
        body.update({"project_id": item.project_id, "user_id": item.user_id})
    return body


def attachment(item: Server, disk: BlockDevice, call: Call) -> dict[str, Any]:
    """A volume attachment with what this microversion shows of it."""
    body: dict[str, Any] = {"volumeId": disk.volume_id, "serverId": item.id, "device": disk.device}
    if call.minor < 89:
        body["id"] = disk.volume_id
    if call.minor >= 70:
        body["tag"] = disk.tag
    if call.minor >= 79:
        body["delete_on_termination"] = disk.delete_on_termination
    if call.minor >= 89:
        volume = call.cloud.volume.volumes.get(disk.volume_id or "")
        entries = volume.attachments if volume else ()
        body["attachment_id"] = next((entry.id for entry in entries if entry.server_id == item.id), None)
        body["bdm_uuid"] = disk.id
    return body
