"""Domains, projects, users, roles and who holds what, over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from sandbox.cloud.errors import BadRequest, Conflict, Forbidden, NotFound
from sandbox.cloud.identity import views
from sandbox.cloud.identity.model import Directory
from sandbox.cloud.wire import Call, Reply, Route

Item = TypeVar("Item")


def guard(call: Call, rule: str, *, own: bool = False) -> None:
    """Keystone's policy: administrators, or the user a thing belongs to."""
    if not (call.is_admin or own):
        raise Forbidden(f"You are not authorized to perform the requested action: identity:{rule}.")


def base(call: Call) -> str:
    """The URL links start with."""
    return call.cloud.url_of("identity")


def directory(call: Call) -> Directory:
    """The records of the cloud that is asked."""
    return call.cloud.identity.directory


def found(items: Mapping[str, Item], kind: str, identifier: str) -> Item:
    """The record of that id, or Keystone's 404."""
    item = items.get(identifier)
    if item is None:
        raise NotFound(f"Could not find {kind}: {identifier}.")
    return item


def collection(call: Call, name: str, entries: Iterable[dict[str, Any]]) -> Reply:
    """A list filtered by the plain attributes in the query."""
    wanted = {
        key: value
        for key, value in call.query.items()
        if key in ("name", "domain_id", "type", "service_id", "interface")
    }
    listing = [entry for entry in entries if all(str(entry.get(key)) == value for key, value in wanted.items())]
    return Reply(200, {name: listing, "links": {"self": f"{base(call)}/{name}", "previous": None, "next": None}})


def list_domains(call: Call) -> Reply:
    """Administrators only."""
    guard(call, "list_domains")
    return collection(call, "domains", (views.domain(item, base(call)) for item in directory(call).domains.values()))


def show_domain(call: Call) -> Reply:
    """Anybody may see their own domain; there is only one."""
    return Reply(200, {"domain": views.domain(found(directory(call).domains, "domain", call.params["id"]), base(call))})


def list_projects(call: Call) -> Reply:
    """Administrators only; others use /v3/auth/projects."""
    guard(call, "list_projects")
    return collection(call, "projects", (views.project(item, base(call)) for item in directory(call).projects.values()))


def show_project(call: Call) -> Reply:
    """One's own project, or any for an administrator."""
    guard(call, "get_project", own=call.params["id"] == call.project_id)
    item = found(directory(call).projects, "project", call.params["id"])
    return Reply(200, {"project": views.project(item, base(call))})


def create_project(call: Call) -> Reply:
    """A new project; names are unique in a domain."""
    guard(call, "create_project")
    given = call.part("project")
    if directory(call).project_named(str(given.get("name"))):
        raise Conflict(
            f"Conflict occurred attempting to store project - it is not permitted to have two: {given['name']}."
        )
    item = directory(call).add_project(_name(given), str(given.get("description") or ""))
    return Reply(201, {"project": views.project(item, base(call))})


def list_users(call: Call) -> Reply:
    """Administrators only."""
    guard(call, "list_users")
    return collection(call, "users", (views.user(item, base(call)) for item in directory(call).users.values()))


def show_user(call: Call) -> Reply:
    """Oneself, or anybody for an administrator."""
    guard(call, "get_user", own=call.params["id"] == call.who.user_id)
    return Reply(200, {"user": views.user(found(directory(call).users, "user", call.params["id"]), base(call))})


def create_user(call: Call) -> Reply:
    """A new user."""
    guard(call, "create_user")
    given = call.part("user")
    if directory(call).user_named(str(given.get("name"))):
        raise Conflict(f"Conflict occurred attempting to store user - Duplicate entry found with name {given['name']}.")
    item = directory(call).add_user(
        _name(given), str(given.get("password", "")), str(given.get("default_project_id") or "")
    )
    return Reply(201, {"user": views.user(item, base(call))})


def user_projects(call: Call) -> Reply:
    """The projects a user has a role in."""
    guard(call, "list_user_projects", own=call.params["id"] == call.who.user_id)
    mine = {project for user, project, _ in directory(call).assignments if user == call.params["id"]}
    items = (item for item in directory(call).projects.values() if item.id in mine)
    return collection(call, "projects", (views.project(item, base(call)) for item in items))


def list_roles(call: Call) -> Reply:
    """Administrators only."""
    guard(call, "list_roles")
    return collection(call, "roles", (views.role(item, base(call)) for item in directory(call).roles.values()))


def show_role(call: Call) -> Reply:
    """Administrators only."""
    guard(call, "get_role")
    return Reply(200, {"role": views.role(found(directory(call).roles, "role", call.params["id"]), base(call))})


def create_role(call: Call) -> Reply:
    """A new role; Keystone's 409 for a name that is there."""
    guard(call, "create_role")
    name = _name(call.part("role"))
    if any(role.name == name for role in directory(call).roles.values()):
        raise Conflict(f"Conflict occurred attempting to store role - Duplicate entry found with name {name}.")
    return Reply(201, {"role": views.role(directory(call).role(name), base(call))})


def grants(call: Call) -> Reply:
    """The roles of a user in a project."""
    guard(call, "list_grants")
    held = directory(call).roles_of(call.params["user"], call.params["project"])
    return collection(call, "roles", (views.role(directory(call).roles[role], base(call)) for role in held))


def grant(call: Call) -> Reply:
    """PUT: give; HEAD: ask; DELETE: take away, which reaches tokens and trusts at once."""
    guard(call, {"PUT": "create_grant", "HEAD": "check_grant", "DELETE": "revoke_grant"}[call.method])
    user = found(directory(call).users, "user", call.params["user"]).id
    project = found(directory(call).projects, "project", call.params["project"]).id
    role = found(directory(call).roles, "role", call.params["role"]).id
    if call.method == "PUT":
        directory(call).grant(user, project, role)
        return Reply(204)
    held = role in directory(call).roles_of(user, project)
    if call.method == "DELETE":
        directory(call).revoke(user, project, role)
    if not held:
        raise NotFound("Could not find role assignment with role, user and project.")
    return Reply(204)


def role_assignments(call: Call) -> Reply:
    """Who holds what, filtered by `user.id`, `scope.project.id` and `role.id`; names with `include_names`."""
    guard(call, "list_role_assignments")
    asked = (call.query.get("user.id"), call.query.get("scope.project.id"), call.query.get("role.id"))
    named = call.flag("include_names") or False
    rows = [
        row
        for row in sorted(directory(call).assignments)
        if all(want in (None, have) for want, have in zip(asked, row, strict=True))
    ]
    return Reply(
        200, {"role_assignments": [_assignment(call, row, named) for row in rows], "links": {"self": base(call)}}
    )


def _assignment(call: Call, row: tuple[str, str, str], named: bool) -> dict[str, Any]:
    user, project, role = row
    names = directory(call)
    domain = {"domain": {"id": "default", "name": "Default"}}
    return {
        "user": {"id": user, **({"name": names.users[user].name, **domain} if named else {})},
        "scope": {"project": {"id": project, **({"name": names.projects[project].name, **domain} if named else {})}},
        "role": {"id": role, **({"name": names.roles[role].name} if named else {})},
        "links": {"assignment": f"{base(call)}/projects/{project}/users/{user}/roles/{role}"},
    }


def _name(given: Mapping[str, Any]) -> str:
    name = given.get("name")
    if not isinstance(name, str) or not name.strip():
        raise BadRequest("Invalid input for field 'name': it must be a non-empty string")
    return name


def list_services(call: Call) -> Reply:
    """The catalog's services, for administrators."""
    guard(call, "list_services")
    return collection(call, "services", (views.service(item, base(call)) for item in directory(call).services.values()))


def show_service(call: Call) -> Reply:
    """One of them."""
    guard(call, "get_service")
    return Reply(
        200, {"service": views.service(found(directory(call).services, "service", call.params["id"]), base(call))}
    )


def list_endpoints(call: Call) -> Reply:
    """The catalog's endpoints, for administrators."""
    guard(call, "list_endpoints")
    items = directory(call).services.values()
    return collection(
        call, "endpoints", (e for item in items for e in views.endpoints(item, directory(call).region, base(call)))
    )


def list_regions(call: Call) -> Reply:
    """The one region of this cloud."""
    return collection(call, "regions", [_region(call)])


def show_region(call: Call) -> Reply:
    """That region, or 404."""
    if call.params["id"] != directory(call).region:
        raise NotFound(f"Could not find region: {call.params['id']}.")
    return Reply(200, {"region": _region(call)})


def _region(call: Call) -> dict[str, Any]:
    name = directory(call).region
    return {"id": name, "description": "", "parent_region_id": None, "links": {"self": f"{base(call)}/regions/{name}"}}


_GRANT = "/v3/projects/{project}/users/{user}/roles"
_TABLE: tuple[tuple[str, str, Callable[[Call], Reply]], ...] = (
    ("GET", "/v3/domains", list_domains),
    ("GET", "/v3/domains/{id}", show_domain),
    ("GET", "/v3/projects", list_projects),
    ("POST", "/v3/projects", create_project),
    ("GET", "/v3/projects/{id}", show_project),
    ("GET", "/v3/users", list_users),
    ("POST", "/v3/users", create_user),
    ("GET", "/v3/users/{id}", show_user),
    ("GET", "/v3/users/{id}/projects", user_projects),
    ("GET", "/v3/roles", list_roles),
    ("POST", "/v3/roles", create_role),
    ("GET", "/v3/roles/{id}", show_role),
    ("GET", "/v3/role_assignments", role_assignments),
    ("GET", _GRANT, grants),
    ("PUT", _GRANT + "/{role}", grant),
    ("HEAD", _GRANT + "/{role}", grant),
    ("DELETE", _GRANT + "/{role}", grant),
    ("GET", "/v3/services", list_services),
    ("GET", "/v3/services/{id}", show_service),
    ("GET", "/v3/endpoints", list_endpoints),
    ("GET", "/v3/regions", list_regions),
    ("GET", "/v3/regions/{id}", show_region),
)
ROUTES = tuple(Route(method, path, handler) for method, path, handler in _TABLE)
