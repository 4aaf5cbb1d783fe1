"""Volume snapshots and group snapshots over HTTP."""

from __future__ import annotations

from typing import Any

from sandbox.cloud.errors import BadRequest, NotFound
from sandbox.cloud.ids import new_id
from sandbox.cloud.listing import page
from sandbox.cloud.volume import views
from sandbox.cloud.volume.driver import BackendError
from sandbox.cloud.volume.groups import members
from sandbox.cloud.volume.model import Group, GroupSnapshot, Snapshot, Volume
from sandbox.cloud.volume.store import Volumes
from sandbox.cloud.volume.volumes import checked_metadata, store
from sandbox.cloud.wire import Call, Reply, Route


def _snapshot(call: Call) -> Snapshot:
    item = store(call).snapshots.get(call.params["id"])
    if item is None or not call.sees(item.project_id):
        raise NotFound(f"Snapshot {call.params['id']} could not be found.")
    return item


def create(call: Call) -> Reply:
    """202; an attached volume needs `force` below 3.66."""
    given, cinder = call.part("snapshot"), store(call)
    volume = cinder.volumes.get(str(given.get("volume_id")))
    if volume is None or not call.sees(volume.project_id):
        raise NotFound(f"Volume {given.get('volume_id')} could not be found.")
    allowed = volume.status == "available" or (volume.status == "in-use" and (given.get("force") or call.minor >= 66))
    if not allowed:
        raise BadRequest(
            f"Invalid volume: Volume {volume.id} status must be available, but current status is: {volume.status}."
        )
    item = _new(cinder, volume, call)
    item.name, item.description = given.get("name"), given.get("description")
    item.metadata = checked_metadata(given.get("metadata") or {})
    cinder.work.later(cinder.profile.current.volume, lambda: _take(cinder, item, volume))
    return Reply(202, {"snapshot": views.snapshot(item, call)})


def _new(cinder: Volumes, volume: Volume, call: Call) -> Snapshot:
    item = Snapshot(
        new_id(), volume.project_id, call.who.user_id, volume.id, None, None, volume.size, cinder.clock.now()
    )
    cinder.snapshots[item.id] = item
    return item


def _take(cinder: Volumes, item: Snapshot, volume: Volume) -> None:
    try:
        item.provider_id = cinder.backend.snapshot(str(volume.provider_id), f"snapshot-{item.id}")
        item.status = "available"
    except BackendError as error:
        item.status = "error"
        cinder.last_errors[item.id] = str(error)


def index(call: Call) -> Reply:
    """All of the project, filtered by volume, name and status."""
    everything = call.is_admin and bool(call.flag("all_tenants"))
    items = [item for item in store(call).snapshots.values() if everything or item.project_id == call.project_id]
    for key in ("volume_id", "name", "status"):
        items = [item for item in items if key not in call.query or getattr(item, key) == call.query[key]]
    chosen, _ = page(items[::-1], call.query, lambda item: item.id)
    return Reply(200, {"snapshots": [views.snapshot(item, call) for item in chosen]})


def show(call: Call) -> Reply:
    """One snapshot."""
    return Reply(200, {"snapshot": views.snapshot(_snapshot(call), call)})


def delete(call: Call) -> Reply:
    """202."""
    item, cinder = _snapshot(call), store(call)
    if item.group_snapshot_id is not None:
        raise BadRequest(f"Invalid snapshot: Snapshot {item.id} belongs to a group snapshot; delete that one.")
    item.status = "deleting"
    cinder.work.later(cinder.profile.current.volume, lambda: _drop(cinder, item))
    return Reply(202)


def _drop(cinder: Volumes, item: Snapshot) -> None:
    try:
        if item.provider_id is not None:
            cinder.backend.delete_snapshot(item.provider_id)
    except BackendError as error:
        if "does not exist" not in str(error):
            item.status = "error_deleting"
            cinder.last_errors[item.id] = str(error)
            return
    cinder.snapshots.pop(item.id, None)


def _group_snapshot(call: Call) -> GroupSnapshot:
    call.needs(14, 3)
    item = store(call).group_snapshots.get(call.params["id"])
    if item is None or not call.sees(item.project_id):
        raise NotFound(f"GroupSnapshot {call.params['id']} could not be found.")
    return item


def create_group_snapshot(call: Call) -> Reply:
    """202; all members at one instant."""
    call.needs(14, 3)
    given, cinder = call.part("group_snapshot"), store(call)
    group = cinder.groups.get(str(given.get("group_id")))
    if group is None or not call.sees(group.project_id):
        raise NotFound(f"Group {given.get('group_id')} could not be found.")
    held = members(cinder, group)
    if not held:
        raise BadRequest("Invalid group snapshot: Source group is empty. No group snapshot will be created.")
    item = GroupSnapshot(
        new_id(),
        group.id,
        group.project_id,
        call.who.user_id,
        given.get("name"),
        given.get("description"),
        group.type,
        cinder.clock.now(),
    )
    cinder.group_snapshots[item.id] = item
    parts = [_new(cinder, volume, call) for volume in held]
    for part in parts:
        part.group_snapshot_id = item.id
    cinder.work.later(cinder.profile.current.volume, lambda: _take_group(cinder, item, group, parts))
    body = {"id": item.id, "name": item.name, "group_type_id": group.type.id}
    return Reply(202, {"group_snapshot": body})


def _take_group(cinder: Volumes, item: GroupSnapshot, group: Group, parts: list[Snapshot]) -> None:
    """One call on the array for a consistent group; one per volume for any other."""
    try:
        if group.type.consistent:
            name = cinder.backend.group_snapshot(cinder.backend.group_name(group.id), f"cgsnapshot-{item.id}-cinder")
            for part in parts:
                part.provider_id = f"{name}.{cinder.volumes[part.volume_id].provider_id}"
        else:
            for part in parts:
                volume = str(cinder.volumes[part.volume_id].provider_id)
                part.provider_id = cinder.backend.snapshot(volume, f"snapshot-{part.id}")
        state = "available"
    except BackendError as error:
        state = "error"
        cinder.last_errors[item.id] = str(error)
    item.status = state
    for part in parts:
        part.status = state


def list_group_snapshots(call: Call) -> Reply:
    """All of the project."""
    call.needs(14, 3)
    everything = call.is_admin and bool(call.flag("all_tenants"))
    items = [item for item in store(call).group_snapshots.values() if everything or item.project_id == call.project_id]
    items = [item for item in items if call.query.get("group_id", item.group_id) == item.group_id]
    return Reply(200, {"group_snapshots": [views.group_snapshot(item, call) for item in items[::-1]]})


def show_group_snapshot(call: Call) -> Reply:
    """One group snapshot."""
    return Reply(200, {"group_snapshot": views.group_snapshot(_group_snapshot(call), call)})


def delete_group_snapshot(call: Call) -> Reply:
    """202, with its members."""
    item, cinder = _group_snapshot(call), store(call)
    item.status = "deleting"
    cinder.work.later(cinder.profile.current.volume, lambda: _drop_group(cinder, item))
    return Reply(202)


def _drop_group(cinder: Volumes, item: GroupSnapshot) -> None:
    parts = [part for part in cinder.snapshots.values() if part.group_snapshot_id == item.id]
    try:
        if item.type.consistent:
            cinder.backend.delete_group_snapshot(
                f"{cinder.backend.group_name(item.group_id)}.cgsnapshot-{item.id}-cinder"
            )
        else:
            for part in parts:
                cinder.backend.delete_snapshot(str(part.provider_id))
    except BackendError as error:
        if "does not exist" not in str(error):
            item.status = "error"
            cinder.last_errors[item.id] = str(error)
            return
    for part in parts:
        cinder.snapshots.pop(part.id, None)
    cinder.group_snapshots.pop(item.id, None)


_TABLE: tuple[tuple[str, str, Any], ...] = (
    ("POST", "/snapshots", create),
    ("GET", "/snapshots", index),
    ("GET", "/snapshots/detail", index),
    ("GET", "/snapshots/{id}", show),
    ("DELETE", "/snapshots/{id}", delete),
    ("POST", "/group_snapshots", create_group_snapshot),
    ("GET", "/group_snapshots", list_group_snapshots),
    ("GET", "/group_snapshots/detail", list_group_snapshots),
    ("GET", "/group_snapshots/{id}", show_group_snapshot),
    ("DELETE", "/group_snapshots/{id}", delete_group_snapshot),
)
ROUTES = tuple(Route(method, path, handler) for method, path, handler in _TABLE)
