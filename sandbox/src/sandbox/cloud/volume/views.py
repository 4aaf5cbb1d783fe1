"""Cinder's records as JSON."""

from __future__ import annotations

from typing import Any

import orjson

from sandbox.cloud.ids import micro_stamp
from sandbox.cloud.volume.model import Attachment, Group, GroupSnapshot, GroupType, Snapshot, Volume, VolumeType
from sandbox.cloud.wire import Call

# What a member sees of a type's extra specs (Cinder since Xena).
_USER_VISIBLE = ("RESKEY:availability_zones", "multiattach", "replication_enabled")
_BODY_VERSIONS = (3, 13, 21, 48, 61, 63, 65, 69)


def base(call: Call) -> str:
    """The URL that links and pages start with."""
    return f"{call.cloud.root_of('volume')}/v3/{call.project_id}"


def volume(item: Volume, call: Call) -> orjson.Fragment:
    """A volume in detail, rendered once per kind of reader until it changes."""
    service = "service" in call.who.role_names
    key = (call.is_admin, service, sum(1 for version in _BODY_VERSIONS if call.minor >= version))
    rendered = item.cache.get(key)
    if rendered is None:
        rendered = orjson.dumps(_volume(item, call))
        item.cache[key] = rendered
    return orjson.Fragment(rendered)


def _volume(item: Volume, call: Call) -> dict[str, Any]:
    shows_host = call.is_admin or "service" in call.who.role_names
    body: dict[str, Any] = {
        "id": item.id,
        "status": item.visible_status,
        "size": item.size,
        "availability_zone": item.zone,
        "created_at": micro_stamp(item.created_at),
        "updated_at": micro_stamp(item.updated_at) if item.updated_at is not None else None,
        "name": item.name,
        "description": item.description,
        "volume_type": item.type.name,
        "snapshot_id": item.snapshot_id,
        "source_volid": item.source_volid,
        "metadata": item.metadata,
        "links": volume_links(item, call),
        "user_id": item.user_id,
        "bootable": str(item.bootable).lower(),
        "encrypted": False,
        "replication_status": item.replication_status,
        "consistencygroup_id": None,
        "multiattach": item.multiattach,
        "attachments": [_attachment(item, entry, shows_host) for entry in item.attachments],
        "os-vol-tenant-attr:tenant_id": item.project_id,
    }
    if item.image_metadata:
        body["volume_image_metadata"] = item.image_metadata
    _add_versioned(body, item, call)
    return body


def _add_versioned(body: dict[str, Any], item: Volume, call: Call) -> None:
    """Fields that only administrators see, and those newer microversions brought."""
    if call.is_admin:
        body["migration_status"] = None
        body["os-vol-host-attr:host"] = item.host
        body["os-vol-mig-status-attr:migstat"] = None
        body["os-vol-mig-status-attr:name_id"] = None
    if call.minor >= 13:
        body["group_id"] = item.group_id
    if call.minor >= 21 and call.is_admin:
        body["provider_id"] = item.provider_id
    if call.minor >= 48:
        body["shared_targets"] = call.minor < 69 or None
        body["service_uuid"] = None
    if call.minor >= 61 and call.is_admin:
        body["cluster_name"] = None
    if call.minor >= 63:
        body["volume_type_id"] = item.type.id
    if call.minor >= 65:
        body["consumes_quota"] = True


def volume_links(item: Volume, call: Call) -> list[dict[str, str]]:
    """Self and bookmark."""
    root = call.cloud.root_of("volume")
    return [
        {"rel": "self", "href": f"{root}/v3/{item.project_id}/volumes/{item.id}"},
        {"rel": "bookmark", "href": f"{root}/{item.project_id}/volumes/{item.id}"},
    ]


def _attachment(item: Volume, entry: Attachment, shows_host: bool) -> dict[str, Any]:
    return {
        "id": item.id,
        "attachment_id": entry.id,
        "volume_id": item.id,
        "server_id": entry.server_id,
        "host_name": entry.host if shows_host else None,
        "device": entry.device,
        "attached_at": micro_stamp(entry.attached_at),
    }


def attachment(item: Volume, entry: Attachment) -> dict[str, Any]:
    """An attachment of the attachments API."""
    return {
        "id": entry.id,
        "volume_id": item.id,
        "instance": entry.server_id,
        "status": "attached",
        "attach_mode": "rw",
        "attached_at": micro_stamp(entry.attached_at),
        "detached_at": None,
        "connection_info": {},
    }


def volume_type(item: VolumeType, call: Call) -> dict[str, Any]:
    """A type with the extra specs this reader may see."""
    specs = item.extra_specs
    if not call.is_admin:
        specs = {key: value for key, value in specs.items() if key in _USER_VISIBLE}
    body = {
        "id": item.id,
        "name": item.name,
        "is_public": item.is_public,
        "description": item.description,
        "extra_specs": specs,
        "os-volume-type-access:is_public": item.is_public,
    }
    if call.is_admin:
        body["qos_specs_id"] = None
    return body


def group_type(item: GroupType, call: Call) -> dict[str, Any]:
    """A group type; its specs are for administrators."""
    body = {"id": item.id, "name": item.name, "is_public": item.is_public, "description": item.description}
    return {**body, "group_specs": item.group_specs} if call.is_admin else body


def snapshot(item: Snapshot, call: Call) -> dict[str, Any]:
    """A snapshot in detail."""
    body = {
        "id": item.id,
        "volume_id": item.volume_id,
        "name": item.name,
        "description": item.description,
        "size": item.size,
        "status": item.status,
        "created_at": micro_stamp(item.created_at),
        "updated_at": None,
        "metadata": item.metadata,
        "os-extended-snapshot-attributes:progress": "100%" if item.status == "available" else "0%",
        "os-extended-snapshot-attributes:project_id": item.project_id,
    }
    if call.minor >= 14:
        body["group_snapshot_id"] = item.group_snapshot_id
    if call.minor >= 41:
        body["user_id"] = item.user_id
    return body


def group(item: Group, call: Call) -> dict[str, Any]:
    """A group in detail; members with `list_volume` from 3.25."""
    body: dict[str, Any] = {
        "id": item.id,
        "status": item.status,
        "availability_zone": item.zone,
        "created_at": micro_stamp(item.created_at),
        "name": item.name,
        "description": item.description,
        "group_type": item.type.id,
        "volume_types": [entry.id for entry in item.volume_types],
    }
    if call.minor >= 14:
        body["group_snapshot_id"] = item.group_snapshot_id
        body["source_group_id"] = item.source_group_id
    if call.minor >= 25 and call.flag("list_volume"):
        members = call.cloud.volume.volumes.values()
        body["volumes"] = [entry.id for entry in members if entry.group_id == item.id]
    if call.minor >= 38:
        body["replication_status"] = "disabled"
    if call.minor >= 58 and call.is_admin:
        body["project_id"] = item.project_id
    return body


def group_snapshot(item: GroupSnapshot, call: Call) -> dict[str, Any]:
    """A group snapshot in detail."""
    body = {
        "id": item.id,
        "group_id": item.group_id,
        "group_type_id": item.type.id,
        "status": item.status,
        "created_at": micro_stamp(item.created_at),
        "name": item.name,
        "description": item.description,
    }
    if call.minor >= 58 and call.is_admin:
        body["project_id"] = item.project_id
    return body
