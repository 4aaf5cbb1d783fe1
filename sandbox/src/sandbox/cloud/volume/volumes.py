"""Volumes over HTTP: create, list, show, update, delete, metadata."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

import orjson

from sandbox.cloud.errors import BadRequest, NotFound
from sandbox.cloud.listing import next_link, ordered, page
from sandbox.cloud.volume import views
from sandbox.cloud.volume.model import Snapshot, Volume
from sandbox.cloud.volume.store import Volumes
from sandbox.cloud.wire import Call, Reply, Route

_DELETABLE = ("available", "error", "error_restoring", "error_extending", "error_managing")
_SORTING: Mapping[str, Any] = {
    "created_at": lambda item: item.created_at,
    "id": lambda item: item.id,
    "name": lambda item: item.name or "",
    "display_name": lambda item: item.name or "",
    "size": lambda item: item.size,
    "status": lambda item: item.visible_status,
}


def store(call: Call) -> Volumes:
    """Cinder of the cloud that is asked."""
    return call.cloud.volume


def volume_of(call: Call, key: str = "id") -> Volume:
    """The volume the path names, if it exists for this project; Cinder's 404 otherwise."""
    item = store(call).volumes.get(call.params[key])
    if item is None or not call.sees(item.project_id):
        raise NotFound(f"Volume {call.params[key]} could not be found.")
    return item


def create(call: Call) -> Reply:
    """202 and a volume in `creating`; blank, or from a snapshot, a volume or an image."""
    given = call.part("volume")
    source = _source(call, given)
    size = _size(given, source)
    cinder = store(call)
    type_ = cinder.type_of(given.get("volume_type") or (source.type_name if source else None))
    cinder.check_quota(call.project_id, size)
    volume = cinder.new_volume(call.who, size, type_)
    _describe(volume, given)
    cinder.note("volume", "created", volume.id, volume.name, metadata=dict(volume.metadata), reference=None)
    group_id = given.get("group_id") if call.minor >= 13 else None
    if source is not None:
        volume.bootable, volume.image_metadata = source.bootable, source.image_metadata
        volume.snapshot_id, volume.source_volid = source.snapshot_id, source.volume_id
    body = orjson.dumps({"volume": views.volume(volume, call)})
    cinder.later(cinder.profile.current.volume, volume, lambda: _build(cinder, volume, source, group_id), "error")
    return Reply(202, orjson.Fragment(body))


class Source:
    """What a new volume is copied from: the array's name of it, and what comes along."""

    def __init__(self, original: Volume | None, provider_id: str | None) -> None:
        self.provider_id = provider_id
        self.type_name = original.type.id if original else None
        self.size = original.size if original else 0
        self.bootable = original.bootable if original else True
        self.image_metadata: Mapping[str, str] = original.image_metadata if original else {}
        self.snapshot_id: str | None = None
        self.volume_id: str | None = None


def _source(call: Call, given: Mapping[str, Any]) -> Source | None:
    if given.get("snapshot_id"):
        snapshot = store(call).snapshots.get(str(given["snapshot_id"]))
        if snapshot is None or not call.sees(snapshot.project_id):
            raise NotFound(f"Snapshot {given['snapshot_id']} could not be found.")
        return _from_snapshot(store(call), snapshot)
    if given.get("source_volid"):
        original = store(call).volumes.get(str(given["source_volid"]))
        if original is None or not call.sees(original.project_id):
            raise NotFound(f"Volume {given['source_volid']} could not be found.")
        source = Source(original, original.provider_id)
        source.volume_id = original.id
        return source
    if given.get("imageRef"):
        return _from_image(call, str(given["imageRef"]))
    return None


def _from_snapshot(cinder: Volumes, snapshot: Snapshot) -> Source:
    source = Source(cinder.volumes.get(snapshot.volume_id), snapshot.provider_id)
    source.snapshot_id, source.size = snapshot.id, snapshot.size
    return source


def _from_image(call: Call, image_id: str) -> Source:
    image = call.cloud.image.images.get(image_id)
    if image is None:
        raise BadRequest("Invalid image identifier or unable to access requested image.")
    source = Source(None, None)
    source.image_metadata = {"image_id": image.id, "image_name": image.name, "disk_format": image.disk_format}
    return source


def _size(given: Mapping[str, Any], source: Source | None) -> int:
    """GiB; a copy may be larger than its source, never smaller (400)."""
    size = given.get("size")
    if size is None and source is not None and source.size:
        return source.size
    if isinstance(size, str) and size.isdigit():
        size = int(size)
    if not isinstance(size, int) or isinstance(size, bool) or size < 1:
        raise BadRequest(f"Invalid input received: Invalid volume size provided for create request: {size}")
    if source is not None and size < source.size:
        raise BadRequest(
            f"Invalid input received: Volume size '{size}'GB cannot be smaller than original {source.size}GB."
        )
    return size


def _describe(volume: Volume, given: Mapping[str, Any]) -> None:
    volume.name, volume.description = given.get("name"), given.get("description")
    volume.metadata = checked_metadata(given.get("metadata") or {})
    volume.multiattach = bool(given.get("multiattach", False))


def _build(cinder: Volumes, volume: Volume, source: Source | None, group_id: str | None) -> None:
    name = cinder.backend.volume_name(volume.id)
    cinder.backend.create(
        name,
        volume.size,
        replicated=volume.type.replicated,
        tags=cinder.tags(volume),
        source=source.provider_id if source else None,
    )
    cinder.built(volume, name)
    group = cinder.groups.get(group_id or "")
    if group is not None:
        volume.group_id = group.id
        if group.type.consistent:
            cinder.backend.update_group(cinder.backend.group_name(group.id), [name], [])


def checked_metadata(given: Any) -> dict[str, str]:
    """Metadata as Cinder accepts it: short strings; 400 otherwise."""
    if not isinstance(given, dict):
        raise BadRequest("Invalid input for field/attribute metadata. It must be an object")
    for key, value in given.items():
        if not key or len(key) > 255 or not isinstance(value, str | int | float | bool) or len(str(value)) > 255:
            raise BadRequest(f"Invalid input for field/attribute metadata. Key {key!r} or its value is not valid")
    return {key: str(value) for key, value in given.items()}


def _chosen(call: Call) -> list[Volume]:
    """The volumes this request may list and asks for, newest first unless it sorts."""
    everything = call.is_admin and bool(call.flag("all_tenants"))
    project = call.query.get("project_id") if everything else call.project_id
    items = (item for item in store(call).volumes.values() if project in (None, item.project_id))
    return ordered((item for item in items if _matches(item, call.query)), call.query, _SORTING)


def _matches(item: Volume, query: Mapping[str, str]) -> bool:
    plain = {
        "name": item.name,
        "status": item.visible_status,
        "bootable": str(item.bootable).lower(),
        "group_id": item.group_id,
        "availability_zone": item.zone,
        "volume_type_id": item.type.id,
        "id": item.id,
        "user_id": item.user_id,
    }
    for key, value in query.items():
        if key == "metadata":
            if not _wanted_metadata(value).items() <= item.metadata.items():
                return False
        elif key == "name~":
            if value not in (item.name or ""):
                return False
        elif key in plain and (plain[key] or "") != (value.lower() if key == "bootable" else value):
            return False
    return True


def _wanted_metadata(text: str) -> dict[str, str]:
    """Cinder takes the filter as a printed dictionary."""
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError) as error:
        raise BadRequest(f"Invalid input received: metadata filter {text} is not a dictionary") from error
    return {str(key): str(entry) for key, entry in value.items()} if isinstance(value, dict) else {}


def _listing(call: Call, path: str, render: Any) -> Reply:
    items = _chosen(call)
    chosen, more = page(items, call.query, lambda item: item.id)
    body: dict[str, Any] = {"volumes": [render(item) for item in chosen]}
    if more and "limit" in call.query:
        body["volumes_links"] = next_link(f"{views.base(call)}/{path}", call.query, chosen[-1].id)
    if call.minor >= 45 and call.flag("with_count"):
        body["count"] = len(items)
    return Reply(200, body)


def index(call: Call) -> Reply:
    """Ids and names."""
    return _listing(
        call, "volumes", lambda item: {"id": item.id, "name": item.name, "links": views.volume_links(item, call)}
    )


def detail(call: Call) -> Reply:
    """Everything."""
    return _listing(call, "volumes/detail", lambda item: views.volume(item, call))


def summary(call: Call) -> Reply:
    """Counts and sizes (3.12)."""
    call.needs(12, 3)
    items = _chosen(call)
    return Reply(200, {"volume-summary": {"total_count": len(items), "total_size": sum(item.size for item in items)}})


def show(call: Call) -> Reply:
    """One volume."""
    return Reply(200, {"volume": views.volume(volume_of(call), call)})


def update(call: Call) -> Reply:
    """Name, description and metadata."""
    volume, given = volume_of(call), call.part("volume")
    volume.name = given.get("name", volume.name)
    volume.description = given.get("description", volume.description)
    if "metadata" in given:
        volume.metadata = checked_metadata(given["metadata"])
    volume.updated_at = store(call).clock.now()
    return show(call)


def delete(call: Call) -> Reply:
    """202; 400 for what is in use, in a group, or has snapshots (unless `cascade`)."""
    volume = volume_of(call)
    cascade = bool(call.flag("cascade"))
    force = call.minor >= 23 and bool(call.flag("force"))
    if force:
        call.admin_only("volume:force_delete")
    check_deletable(store(call), volume, force=force, cascade=cascade)
    for snapshot in [item for item in store(call).snapshots.values() if item.volume_id == volume.id]:
        del store(call).snapshots[snapshot.id]
    store(call).delete(volume)
    return Reply(202)


def check_deletable(cinder: Volumes, volume: Volume, *, force: bool = False, cascade: bool = False) -> None:
    """The one sentence Cinder has for every reason not to delete or unmanage."""
    has_snapshots = any(item.volume_id == volume.id for item in cinder.snapshots.values())
    fits = (
        (force or volume.status in _DELETABLE)
        and not volume.attachments
        and volume.group_id is None
        and (cascade or not has_snapshots)
    )
    if not fits:
        states = " or ".join(_DELETABLE)
        start = "" if force else f"status must be {states} and"
        raise BadRequest(
            f"Invalid volume: Volume {start} must not be migrating, attached, belong to a group, have snapshots, "
            "awaiting a transfer, or be disassociated from snapshots after volume transfer."
        )


def metadata(call: Call) -> Reply:
    """GET all; POST adds; PUT replaces all."""
    volume = volume_of(call)
    if call.method != "GET":
        given = checked_metadata(call.part("metadata"))
        volume.metadata = {**volume.metadata, **given} if call.method == "POST" else given
        volume.updated_at = store(call).clock.now()
    return Reply(200, {"metadata": dict(volume.metadata)})


def metadata_item(call: Call) -> Reply:
    """One key: GET, PUT, DELETE."""
    volume, key = volume_of(call), call.params["key"]
    if call.method == "PUT":
        volume.metadata = {**volume.metadata, **checked_metadata(call.part("meta"))}
    if key not in volume.metadata:
        raise NotFound(f"Volume {volume.id} has no metadata with key {key}.")
    if call.method == "DELETE":
        volume.metadata = {name: value for name, value in volume.metadata.items() if name != key}
        return Reply(200)
    return Reply(200, {"meta": {key: volume.metadata[key]}})


_ONE = "/volumes/{id}"
ROUTES = (
    Route("POST", "/volumes", create),
    Route("GET", "/volumes", index),
    Route("GET", "/volumes/detail", detail),
    Route("GET", "/volumes/summary", summary),
    Route("GET", _ONE, show),
    Route("PUT", _ONE, update),
    Route("DELETE", _ONE, delete),
    Route("GET", _ONE + "/metadata", metadata),
    Route("POST", _ONE + "/metadata", metadata),
    Route("PUT", _ONE + "/metadata", metadata),
    Route("GET", _ONE + "/metadata/{key}", metadata_item),
    Route("PUT", _ONE + "/metadata/{key}", metadata_item),
    Route("DELETE", _ONE + "/metadata/{key}", metadata_item),
)
