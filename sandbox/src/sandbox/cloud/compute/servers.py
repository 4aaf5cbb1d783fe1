"""Servers over HTTP: list, show, update, delete, metadata, tags."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sandbox.cloud.compute import views
from sandbox.cloud.compute.create import create
from sandbox.cloud.compute.model import Server
from sandbox.cloud.errors import BadRequest, Conflict, Forbidden, NotFound
from sandbox.cloud.ids import parse_stamp
from sandbox.cloud.listing import next_link, ordered, page
from sandbox.cloud.wire import Call, Reply, Route

_SORTING: Mapping[str, Any] = {
    "created_at": lambda item: item.created_at,
    "updated_at": lambda item: item.updated_at,
    "display_name": lambda item: item.name,
    "name": lambda item: item.name,
    "uuid": lambda item: item.id,
    "vm_state": lambda item: item.vm_state,
    "launched_at": lambda item: item.launched_at or 0.0,
}


def server_of(call: Call) -> Server:
    """The server the path names, if it exists for this project; Nova's 404 otherwise."""
    item = call.cloud.compute.servers.get(call.params["id"])
    if item is None or not call.sees(item.project_id):
        raise NotFound(f"Instance {call.params['id']} could not be found.")
    return item


def check_lock(call: Call, item: Server) -> None:
    """A locked server obeys administrators only."""
    if item.locked_by is not None and not call.is_admin:
        raise Conflict(f"Instance {item.id} is locked")


def _chosen(call: Call) -> list[Server]:
    query = call.query
    everything = bool(call.flag("all_tenants"))
    if everything and not call.is_admin:
        raise Forbidden("Policy doesn't allow os_compute_api:servers:detail:get_all_tenants to be performed.")
    project = (query.get("project_id") or query.get("tenant_id")) if everything else call.project_id
    items = [item for item in _candidates(call) if project in (None, item.project_id)]
    return ordered((item for item in items if _matches(item, call)), query, _SORTING)


def _candidates(call: Call) -> list[Server]:
    """Live servers; deleted ones too when asked what has changed since some time."""
    nova = call.cloud.compute
    if "changes-since" in call.query:
        return [*nova.deleted, *nova.servers.values()]
    if call.is_admin and call.flag("deleted"):
        return list(nova.deleted)
    return list(nova.servers.values())


def _matches(item: Server, call: Call) -> bool:
    """Whether a server passes every filter of the query."""
    query = call.query
    plain = {
        "flavor": item.flavor.id,
        "image": item.image_id,
        "key_name": item.key_name,
        "user_id": item.user_id,
        "uuid": item.id,
        "availability_zone": item.zone,
        "vm_state": item.vm_state,
        "task_state": item.task_state,
    }
    if any(key in query and plain[key] != query[key] for key in plain):
        return False
    if "name" in query and not _name_like(query["name"], item.name):
        return False
    if "status" in query and item.status != query["status"].upper():
        return False
    if "host" in query and call.is_admin and item.host != query["host"]:
        return False
    if "locked" in query and call.minor >= 73 and (item.locked_by is not None) != call.flag("locked"):
        return False
    return _matches_tags(item, query) and _matches_times(item, query)


def _name_like(pattern: str, name: str) -> bool:
    """Nova hands the name to the database as a regular expression."""
    try:
        return re.search(pattern, name) is not None
    except re.error as error:
        raise BadRequest(f"Invalid filter pattern {pattern}: {error}") from error


def _matches_tags(item: Server, query: Mapping[str, str]) -> bool:
    have = set(item.tags)
    asked = {
        key: set(query[key].split(",")) for key in ("tags", "tags-any", "not-tags", "not-tags-any") if key in query
    }
    return (
        asked.get("tags", set()) <= have
        and ("tags-any" not in asked or bool(asked["tags-any"] & have))
        and ("not-tags" not in asked or not asked["not-tags"] <= have)
        and not asked.get("not-tags-any", set()) & have
    )


def _matches_times(item: Server, query: Mapping[str, str]) -> bool:
    since, before = query.get("changes-since"), query.get("changes-before")
    return (since is None or item.updated_at >= _moment(since)) and (
        before is None or item.updated_at <= _moment(before)
    )


def _moment(text: str) -> float:
    try:
        return parse_stamp(text)
    except ValueError as error:
        raise BadRequest("Invalid filter field: changes-since or changes-before is not a time.") from error


def _listing(call: Call, path: str, render: Any) -> Reply:
    chosen, more = page(_chosen(call), call.query, lambda item: item.id)
    body: dict[str, Any] = {"servers": [render(item) for item in chosen]}
    if more:
        body["servers_links"] = next_link(f"{call.cloud.url_of('compute')}/{path}", call.query, chosen[-1].id)
    return Reply(200, body)


def index(call: Call) -> Reply:
    """Ids and names."""
    return _listing(
        call,
        "servers",
        lambda item: {"id": item.id, "name": item.name, "links": views.server_links(item, call.cloud)},
    )


def detail(call: Call) -> Reply:
    """Everything."""
    return _listing(call, "servers/detail", lambda item: views.server(item, call, listed=True))


def show(call: Call) -> Reply:
    """One server."""
    return Reply(200, {"server": views.server(server_of(call), call)})


def update(call: Call) -> Reply:
    """Name and, from 2.19, description."""
    item, given = server_of(call), call.part("server")
    item.name = str(given.get("name", item.name))
    if "description" in given:
        if call.minor < 19:
            raise BadRequest("Additional properties are not allowed ('description' was unexpected)")
        item.description = given["description"]
    item.updated_at = call.cloud.clock.now()
    return Reply(200, {"server": views.server(item, call)})


def delete(call: Call) -> Reply:
    """204; the server is seen `deleting` and then not at all."""
    item = server_of(call)
    check_lock(call, item)
    call.cloud.life.delete(item)
    return Reply(204)


def metadata(call: Call) -> Reply:
    """GET all; POST adds; PUT replaces."""
    item = server_of(call)
    if call.method != "GET":
        check_lock(call, item)
        given = {str(key): str(value) for key, value in call.part("metadata").items()}
        item.metadata = {**item.metadata, **given} if call.method == "POST" else given
    return Reply(200, {"metadata": dict(item.metadata)})


def metadata_item(call: Call) -> Reply:
    """One key."""
    item, key = server_of(call), call.params["key"]
    if call.method == "PUT":
        check_lock(call, item)
        item.metadata = {**item.metadata, **{name: str(value) for name, value in call.part("meta").items()}}
    if key not in item.metadata:
        raise NotFound("Metadata item was not found")
    if call.method == "DELETE":
        check_lock(call, item)
        item.metadata = {name: value for name, value in item.metadata.items() if name != key}
        return Reply(204)
    return Reply(200, {"meta": {key: item.metadata[key]}})


def tags(call: Call) -> Reply:
    """All tags (2.26): GET, PUT to replace, DELETE to clear."""
    call.needs(26, 2)
    item = server_of(call)
    if call.method == "PUT":
        wanted = call.body.get("tags") if isinstance(call.body, dict) else None
        if not isinstance(wanted, list) or not all(isinstance(tag, str) and 0 < len(tag) <= 60 for tag in wanted):
            raise BadRequest(
                "Invalid input for field/attribute tags. It must be a list of strings of 1 to 60 characters"
            )
        item.tags = tuple(sorted(set(wanted)))
    if call.method == "DELETE":
        item.tags = ()
        return Reply(204)
    return Reply(200, {"tags": list(item.tags)})


def tag(call: Call) -> Reply:
    """One tag (2.26): GET asks, PUT sets, DELETE removes."""
    call.needs(26, 2)
    item, name = server_of(call), call.params["tag"]
    present = name in item.tags
    if call.method == "PUT":
        item.tags = tuple(sorted({*item.tags, name}))
        return Reply(204 if present else 201)
    if not present:
        raise NotFound(f"Server {item.id} has no tag '{name}'")
    if call.method == "DELETE":
        item.tags = tuple(entry for entry in item.tags if entry != name)
    return Reply(204)


def addresses(call: Call) -> Reply:
    """The addresses by network."""
    item = server_of(call)
    return Reply(200, {"addresses": call.cloud.network.addresses(item.id, [nic.port_id for nic in item.nics])})


def security_groups(call: Call) -> Reply:
    """The security groups of a server, as the old extension lists them."""
    item = server_of(call)
    found = [call.cloud.network.security_group(name, item.project_id) for name in item.security_groups]
    rows = [
        {
            "id": group.id,
            "name": group.name,
            "description": group.description,
            "tenant_id": group.project_id,
            "rules": [],
        }
        for group in found
        if group is not None
    ]
    return Reply(200, {"security_groups": rows})


def diagnostics_are_not_simulated(call: Call) -> Reply:
    """No hypervisor, no diagnostics: Nova's own answer for a driver that has none."""
    server_of(call)
    raise Conflict("Unable to get diagnostics, functionality not implemented")


_ONE = "/servers/{id}"
_TABLE: tuple[tuple[str, str, Any], ...] = (
    ("POST", "/servers", create),
    ("GET", "/servers", index),
    ("GET", "/servers/detail", detail),
    ("GET", _ONE, show),
    ("PUT", _ONE, update),
    ("DELETE", _ONE, delete),
    ("GET", _ONE + "/metadata", metadata),
    ("POST", _ONE + "/metadata", metadata),
    ("PUT", _ONE + "/metadata", metadata),
    ("GET", _ONE + "/metadata/{key}", metadata_item),
    ("PUT", _ONE + "/metadata/{key}", metadata_item),
    ("DELETE", _ONE + "/metadata/{key}", metadata_item),
    ("GET", _ONE + "/tags", tags),
    ("PUT", _ONE + "/tags", tags),
    ("DELETE", _ONE + "/tags", tags),
    ("GET", _ONE + "/tags/{tag}", tag),
    ("PUT", _ONE + "/tags/{tag}", tag),
    ("DELETE", _ONE + "/tags/{tag}", tag),
    ("GET", _ONE + "/ips", addresses),
    ("GET", _ONE + "/os-security-groups", security_groups),
    ("GET", _ONE + "/diagnostics", diagnostics_are_not_simulated),
)
ROUTES = tuple(Route(method, path, handler) for method, path, handler in _TABLE)
