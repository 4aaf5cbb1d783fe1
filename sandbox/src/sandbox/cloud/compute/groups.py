"""Server groups over HTTP."""

from __future__ import annotations

from typing import Any

from sandbox.cloud.compute import views
from sandbox.cloud.compute.model import ServerGroup
from sandbox.cloud.errors import BadRequest, NotFound
from sandbox.cloud.ids import new_id
from sandbox.cloud.wire import Call, Reply, Route

_POLICIES = ("affinity", "anti-affinity", "soft-affinity", "soft-anti-affinity")


def _group(call: Call) -> ServerGroup:
    item = call.cloud.compute.groups.get(call.params["id"])
    if item is None or not call.sees(item.project_id):
        raise NotFound(f"Instance group {call.params['id']} could not be found.")
    return item


def index(call: Call) -> Reply:
    """The project's groups; an administrator may ask for all."""
    everything = call.is_admin and call.flag("all_projects")
    items = [item for item in call.cloud.compute.groups.values() if everything or item.project_id == call.project_id]
    return Reply(200, {"server_groups": [views.group(item, call) for item in items]})


def show(call: Call) -> Reply:
    """One group."""
    return Reply(200, {"server_group": views.group(_group(call), call)})


def create(call: Call) -> Reply:
    """`policies` with one entry before 2.64, `policy` with `rules` since."""
    given = call.part("server_group")
    key = "policy" if call.minor >= 64 else "policies"
    if key not in given:
        raise BadRequest(f"Invalid input for field/attribute server_group. '{key}' is a required property")
    policy: Any = given["policy"] if call.minor >= 64 else (given["policies"] or [None])[0]
    if policy not in _POLICIES:
        raise BadRequest(f"Invalid input for field/attribute {key}. '{policy}' is not one of {list(_POLICIES)}")
    item = ServerGroup(
        new_id(), str(given.get("name")), call.project_id, call.who.user_id, str(policy), given.get("rules") or {}
    )
    call.cloud.compute.groups[item.id] = item
    return Reply(200, {"server_group": views.group(item, call)})


def delete(call: Call) -> Reply:
    """Its servers stay."""
    del call.cloud.compute.groups[_group(call).id]
    return Reply(204)


ROUTES = (
    Route("GET", "/os-server-groups", index),
    Route("POST", "/os-server-groups", create),
    Route("GET", "/os-server-groups/{id}", show),
    Route("DELETE", "/os-server-groups/{id}", delete),
)
