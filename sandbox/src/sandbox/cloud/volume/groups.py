"""Generic volume groups over HTTP (3.13)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sandbox.cloud.errors import BadRequest, NotFound
from sandbox.cloud.ids import new_id
from sandbox.cloud.listing import next_link, page
from sandbox.cloud.volume import views
from sandbox.cloud.volume.driver import BackendError
from sandbox.cloud.volume.model import Group, Volume
from sandbox.cloud.volume.store import ZONE, Volumes
from sandbox.cloud.volume.types import group_type_of
from sandbox.cloud.volume.volumes import store
from sandbox.cloud.wire import Call, Reply, Route

_ADDABLE = ("available", "in-use")
_REMOVABLE = ("available", "in-use", "error", "error_deleting")


def group_of(call: Call, key: str = "id") -> Group:
    """The group the path names; Cinder's 404 otherwise."""
    call.needs(13, 3)
    item = store(call).groups.get(call.params[key])
    if item is None or not call.sees(item.project_id):
        raise NotFound(f"Group {call.params[key]} could not be found.")
    return item


def members(cinder: Volumes, group: Group) -> list[Volume]:
    """The volumes of a group."""
    return [item for item in cinder.volumes.values() if item.group_id == group.id]


def create(call: Call) -> Reply:
    """202 and a group in `creating`."""
    call.needs(13, 3)
    given, cinder = call.part("group"), store(call)
    if not given.get("volume_types"):
        raise BadRequest("Invalid input for field/attribute group. 'volume_types' is a required property")
    if given.get("availability_zone") not in (None, ZONE):
        raise BadRequest(f"Invalid input received: Availability zone '{given['availability_zone']}' is invalid.")
    types = tuple(cinder.type_of(name) for name in given["volume_types"])
    group = Group(
        new_id(),
        call.project_id,
        call.who.user_id,
        given.get("name"),
        given.get("description"),
        group_type_of(cinder, str(given.get("group_type"))),
        types,
        ZONE,
        cinder.pool,
        cinder.clock.now(),
    )
    cinder.groups[group.id] = group
    cinder.note("volume_group", "created", group.id, group.name, description=group.description)
    cinder.work.later(cinder.profile.current.volume, lambda: _build(cinder, group))
    return Reply(202, {"group": {"id": group.id, "name": group.name}})


def _build(cinder: Volumes, group: Group) -> None:
    """A backend that refuses leaves the group in `error`, and the reason in the log of errors."""
    try:
        if group.type.consistent:
            cinder.backend.create_group(cinder.backend.group_name(group.id))
        group.status = "available"
    except BackendError as error:
        group.status = "error"
        cinder.last_errors[group.id] = str(error)


def index(call: Call) -> Reply:
    """Ids and names."""
    return _listing(call, "groups", lambda item: {"id": item.id, "name": item.name})


def detail(call: Call) -> Reply:
    """Everything."""
    return _listing(call, "groups/detail", lambda item: views.group(item, call))


def _listing(call: Call, path: str, render: Any) -> Reply:
    call.needs(13, 3)
    everything = call.is_admin and bool(call.flag("all_tenants"))
    items = [item for item in store(call).groups.values() if everything or item.project_id == call.project_id]
    for key in ("name", "status"):
        items = [item for item in items if key not in call.query or getattr(item, key) == call.query[key]]
    items.reverse()
    chosen, more = page(items, call.query, lambda item: item.id)
    body: dict[str, Any] = {"groups": [render(item) for item in chosen]}
    if more and "limit" in call.query:
        body["group_links"] = next_link(f"{views.base(call)}/{path}", call.query, chosen[-1].id)
    return Reply(200, body)


def show(call: Call) -> Reply:
    """One group."""
    return Reply(200, {"group": views.group(group_of(call), call)})


def update(call: Call) -> Reply:
    """Add and remove volumes, all checked before anything changes; 202 and `updating` for as long as it takes."""
    group, given, cinder = group_of(call), call.part("group"), store(call)
    add, remove = _ids(given.get("add_volumes")), _ids(given.get("remove_volumes"))
    if not any(key in given for key in ("name", "description", "add_volumes", "remove_volumes")):
        raise BadRequest("Name, description, add_volumes, and remove_volumes can not be all empty in the request body.")
    _check_both(add, remove)
    if group.status != "available":
        raise BadRequest("Invalid group: Group status must be available.")
    joining = [_joining(cinder, group, identifier) for identifier in add]
    leaving = [_leaving(cinder, group, identifier) for identifier in remove]
    group.name, group.description = given.get("name") or group.name, given.get("description") or group.description
    joining = [item for item in joining if item.group_id is None]
    if joining or leaving:
        group.status = "updating"
        cinder.work.later(cinder.profile.current.volume, lambda: _change(cinder, group, joining, leaving))
    return Reply(202)


def _check_both(add: list[str], remove: list[str]) -> None:
    twice = set(add) & set(remove)
    if twice:
        raise BadRequest(f"Invalid volume: UUIDs {sorted(twice)} are in both add and remove volume list.")


def _ids(text: Any) -> list[str]:
    return [part.strip() for part in str(text).split(",") if part.strip()] if text else []


def _joining(cinder: Volumes, group: Group, identifier: str) -> Volume:
    """A volume that may be added, or the 400 that says why not."""
    start = f"Invalid volume: Cannot add volume {identifier} to group {group.id}"
    volume = cinder.volumes.get(identifier)
    if volume is None:
        raise BadRequest(f"{start} because volume cannot be found.")
    if volume.group_id not in (None, group.id):
        raise BadRequest(f"{start} because it is already in group {volume.group_id}.")
    if volume.project_id != group.project_id:
        raise BadRequest(f"{start} as they belong to different projects.")
    if volume.type not in group.volume_types:
        raise BadRequest(f"{start} because volume type {volume.type.id} is not supported by the group.")
    if volume.status not in _ADDABLE:
        raise BadRequest(
            f"{start} because volume is in an invalid state: {volume.status}. Valid states are: {_ADDABLE}."
        )
    return volume


def _leaving(cinder: Volumes, group: Group, identifier: str) -> Volume:
    start = f"Invalid volume: Cannot remove volume {identifier} from group {group.id} because"
    volume = cinder.volumes.get(identifier)
    if volume is None or volume.group_id != group.id:
        raise BadRequest(f"{start} it is not in the group.")
    if volume.status not in _REMOVABLE:
        raise BadRequest(f"{start} volume is in an invalid state: {volume.status}. Valid states are: {_REMOVABLE}.")
    return volume


def _change(cinder: Volumes, group: Group, joining: list[Volume], leaving: list[Volume]) -> None:
    """The driver first, then the records; a refusal leaves the group in `error` and the records as they were."""
    try:
        if group.type.consistent:
            name = cinder.backend.group_name(group.id)
            cinder.backend.update_group(name, _names(joining), _names(leaving))
    except BackendError as error:
        group.status = "error"
        cinder.last_errors[group.id] = str(error)
        return
    for volume in joining:
        volume.group_id = group.id
    for volume in leaving:
        volume.group_id = None
    group.status = "available"


def _names(volumes: Iterable[Volume]) -> list[str]:
    return [item.provider_id for item in volumes if item.provider_id]


def act(call: Call) -> Reply:
    """Delete, reset_status; replication actions are refused as for a type that is not for replication."""
    group = group_of(call)
    action, given = next(iter(call.body.items())) if isinstance(call.body, dict) and call.body else ("", {})
    if action == "delete":
        return _delete(call, group, bool((given or {}).get("delete-volumes")))
    if action == "reset_status":
        call.needs(20, 3)
        call.admin_only("group:reset_status")
        group.status = str(given.get("status"))
        return Reply(202)
    if action in ("enable_replication", "disable_replication", "failover_replication", "list_replication_targets"):
        call.needs(38, 3)
        raise BadRequest(f"Invalid group type: Group {group.id} is not a replication group type.")
    raise BadRequest(f"There is no such action: {action}")


def _delete(call: Call, group: Group, with_volumes: bool) -> Reply:
    cinder = store(call)
    held = members(cinder, group)
    if group.status not in ("available", "error"):
        raise BadRequest(
            f"Invalid group: Group status must be available or error, but current status is: {group.status}"
        )
    if any(item.group_id == group.id for item in cinder.group_snapshots.values()):
        raise BadRequest("Invalid group: Group has existing snapshots.")
    if held and not with_volumes:
        raise BadRequest(
            f"Invalid group: Group {group.id} still contains volumes. The delete-volumes flag is required to delete it."
        )
    attached = next((item for item in held if item.attachments), None)
    if attached is not None:
        raise BadRequest(f"Invalid group: Volume in group {group.id} is attached. Need to detach first.")
    group.status = "deleting"
    cinder.work.later(cinder.profile.current.volume, lambda: _remove(cinder, group, held))
    return Reply(202)


def _remove(cinder: Volumes, group: Group, held: list[Volume]) -> None:
    try:
        if group.type.consistent:
            cinder.backend.delete_group(cinder.backend.group_name(group.id))
    except BackendError as error:
        if "does not exist" not in str(error) and "has been destroyed" not in str(error):
            group.status = "error"
            cinder.last_errors[group.id] = str(error)
            return
    for volume in held:
        volume.group_id = None
        cinder.delete(volume)
    cinder.groups.pop(group.id, None)
    cinder.note("volume_group", "deleted", group.id, group.name)


_ONE = "/groups/{id}"
ROUTES = (
    Route("POST", "/groups", create),
    Route("GET", "/groups", index),
    Route("GET", "/groups/detail", detail),
    Route("GET", _ONE, show),
    Route("PUT", _ONE, update),
    Route("POST", _ONE + "/action", act),
)
