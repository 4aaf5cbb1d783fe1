"""Volume types and group types over HTTP."""

from __future__ import annotations

from typing import Any

from sandbox.cloud.errors import BadRequest, Conflict, Forbidden, NotFound
from sandbox.cloud.volume import views
from sandbox.cloud.volume.model import GroupType, VolumeType
from sandbox.cloud.volume.store import Volumes
from sandbox.cloud.wire import Call, Reply, Route


def group_type_of(cinder: Volumes, name_or_id: str) -> GroupType:
    """A group type by id or name; Cinder's 404 otherwise."""
    found = cinder.group_types.get(name_or_id)
    found = found or next((item for item in cinder.group_types.values() if item.name == name_or_id), None)
    if found is None:
        raise NotFound(f"Group type {name_or_id} could not be found.")
    return found


def _type(call: Call) -> VolumeType:
    item = call.cloud.volume.types.get(call.params["id"])
    if item is None:
        raise NotFound(f"Volume type {call.params['id']} could not be found.")
    return item


def list_types(call: Call) -> Reply:
    """All public types."""
    return Reply(200, {"volume_types": [views.volume_type(item, call) for item in call.cloud.volume.types.values()]})


def show_type(call: Call) -> Reply:
    """One type by id, or `default`."""
    item = call.cloud.volume.type_of(None) if call.params["id"] == "default" else _type(call)
    return Reply(200, {"volume_type": views.volume_type(item, call)})


def create_type(call: Call) -> Reply:
    """A new type, by an administrator."""
    call.admin_only("volume_extension:type_create")
    given, cinder = call.part("volume_type"), call.cloud.volume
    if any(item.name == given.get("name") for item in cinder.types.values()):
        raise Conflict(f"Volume Type {given.get('name')} already exists.")
    item = cinder.add_type(str(given.get("name")), given.get("extra_specs") or {})
    item.description = given.get("description")
    item.is_public = bool(given.get("os-volume-type-access:is_public", True))
    return Reply(200, {"volume_type": views.volume_type(item, call)})


def delete_type(call: Call) -> Reply:
    """Not while a volume has it."""
    call.admin_only("volume_extension:type_delete")
    item = _type(call)
    if any(volume.type is item for volume in call.cloud.volume.volumes.values()):
        raise BadRequest("Target volume type is still in use.")
    del call.cloud.volume.types[item.id]
    return Reply(202)


def extra_specs(call: Call) -> Reply:
    """GET, or POST to add."""
    item = _type(call)
    if call.method == "POST":
        call.admin_only("volume_extension:types_extra_specs:create")
        item.extra_specs.update({str(key): str(value) for key, value in call.part("extra_specs").items()})
    return Reply(200, {"extra_specs": views.volume_type(item, call)["extra_specs"]})


def delete_extra_spec(call: Call) -> Reply:
    """Remove one key."""
    call.admin_only("volume_extension:types_extra_specs:delete")
    if _type(call).extra_specs.pop(call.params["key"], None) is None:
        raise NotFound(f"Volume Type {call.params['id']} has no extra specs with key {call.params['key']}.")
    return Reply(202)


def _group_type(call: Call) -> GroupType:
    item = call.cloud.volume.group_types.get(call.params["id"])
    if item is None:
        raise NotFound(f"Group type {call.params['id']} could not be found.")
    return item


def list_group_types(call: Call) -> Reply:
    """All public group types (3.11)."""
    call.needs(11, 3)
    return Reply(
        200, {"group_types": [views.group_type(item, call) for item in call.cloud.volume.group_types.values()]}
    )


def show_group_type(call: Call) -> Reply:
    """One group type."""
    call.needs(11, 3)
    return Reply(200, {"group_type": views.group_type(_group_type(call), call)})


def create_group_type(call: Call) -> Reply:
    """A new group type, by an administrator."""
    call.needs(11, 3)
    call.admin_only("group:group_types:create")
    given, cinder = call.part("group_type"), call.cloud.volume
    if any(item.name == given.get("name") for item in cinder.group_types.values()):
        raise Conflict(f"Group Type {given.get('name')} already exists.")
    item = cinder.add_group_type(str(given.get("name")), given.get("group_specs") or {})
    item.description = given.get("description")
    return Reply(202, {"group_type": views.group_type(item, call)})


def group_specs(call: Call) -> Reply:
    """GET, or POST to add; both for administrators."""
    call.needs(11, 3)
    call.admin_only("group:group_types_specs:get_all")
    item = _group_type(call)
    if call.method == "POST":
        item.group_specs.update({str(key): str(value) for key, value in call.part("group_specs").items()})
    return Reply(200 if call.method == "GET" else 202, {"group_specs": dict(item.group_specs)})


def delete_group_type(call: Call) -> Reply:
    """Not while a group has it."""
    call.needs(11, 3)
    call.admin_only("group:group_types:delete")
    item = _group_type(call)
    if any(group.type is item for group in call.cloud.volume.groups.values()):
        raise BadRequest("Target group type is still in use.")
    del call.cloud.volume.group_types[item.id]
    return Reply(202)


def type_access(call: Call) -> Reply:
    """Every type here is public, so there is no list of projects to show."""
    raise NotFound("Access list not available for public volume types.")


def encryption(call: Call) -> Reply:
    """No type is encrypted."""
    if not call.is_admin:
        raise Forbidden("Policy doesn't allow volume_extension:volume_type_encryption:get to be performed.")
    body: dict[str, Any] = {}
    return Reply(200, body)


ROUTES = (
    Route("GET", "/types", list_types),
    Route("POST", "/types", create_type),
    Route("GET", "/types/{id}", show_type),
    Route("DELETE", "/types/{id}", delete_type),
    Route("GET", "/types/{id}/extra_specs", extra_specs),
    Route("POST", "/types/{id}/extra_specs", extra_specs),
    Route("DELETE", "/types/{id}/extra_specs/{key}", delete_extra_spec),
    Route("GET", "/types/{id}/os-volume-type-access", type_access),
    Route("GET", "/types/{id}/encryption", encryption),
    Route("GET", "/group_types", list_group_types),
    Route("POST", "/group_types", create_group_type),
    Route("GET", "/group_types/{id}", show_group_type),
    Route("DELETE", "/group_types/{id}", delete_group_type),
    Route("GET", "/group_types/{id}/group_specs", group_specs),
    Route("POST", "/group_types/{id}/group_specs", group_specs),
)
