"""Security groups, rules, quotas and extensions over HTTP."""

from __future__ import annotations

from typing import Any

from sandbox.cloud.errors import BadRequest, Conflict
from sandbox.cloud.ids import new_id
from sandbox.cloud.network import views
from sandbox.cloud.network.collections import listing, missing, only, project_for, refuse
from sandbox.cloud.network.model import Rule, SecurityGroup
from sandbox.cloud.network.store import QUOTAS
from sandbox.cloud.wire import Call, Reply, Route

_EXTENSIONS = [
    "security-group",
    "port-security",
    "allowed-address-pairs",
    "binding",
    "provider",
    "quotas",
    "quota_details",
    "net-mtu",
    "standard-attr-tag",
    "standard-attr-description",
    "standard-attr-timestamp",
    "standard-attr-revisions",
    "project-id",
    "pagination",
    "sorting",
    "subnet_allocation",
    "availability_zone",
    "extra_dhcp_opt",
]


def _group(call: Call, identifier: str) -> SecurityGroup:
    item = call.cloud.network.groups.get(identifier)
    if item is None or not call.sees(item.project_id):
        raise missing("SecurityGroup", identifier)
    return item


def list_groups(call: Call) -> Reply:
    """The project's groups, with `default` among them from the first look on; an admin's look at another project counts too."""
    project_id = call.query.get("project_id") if call.is_admin else None
    if project_id or call.project_id:
        call.cloud.network.default_group(project_id or call.project_id)
    items = [item for item in call.cloud.network.groups.values() if call.sees(item.project_id)]
    return listing(call, "security_groups", (views.group(item, call) for item in items))


def show_group(call: Call) -> Reply:
    """One group."""
    return Reply(200, {"security_group": views.group(_group(call, call.params["id"]), call)})


def create_group(call: Call) -> Reply:
    """A group that lets everything out and nothing in."""
    given = call.part("security_group")
    only(given, ("name", "description", "project_id", "tenant_id", "stateful", "tags"), "security_group")
    project = project_for(call, given, "security_group")
    if given.get("name") == "default":
        raise Conflict("Default security group already exists.", "SecurityGroupDefaultAlreadyExists")
    have = sum(1 for item in call.cloud.network.groups.values() if item.project_id == project)
    call.cloud.network.check_quota(project, "security_group", have)
    item = call.cloud.network.add_group(str(given.get("name", "")), project, str(given.get("description") or ""))
    return Reply(201, {"security_group": views.group(item, call)})


def update_group(call: Call) -> Reply:
    """Name and description."""
    item, given = _group(call, call.params["id"]), call.part("security_group")
    item.name = str(given.get("name", item.name))
    item.description = str(given.get("description", item.description))
    return Reply(200, {"security_group": views.group(item, call)})


def delete_group(call: Call) -> Reply:
    """Not `default`, and not while a port has it."""
    item, neutron = _group(call, call.params["id"]), call.cloud.network
    if any(item.id in port.security_groups for port in neutron.ports.values()):
        raise Conflict(f"Security Group {item.id} in use.", "SecurityGroupInUse")
    if item.name == "default" and not call.is_admin:
        raise Conflict("Removing default security group not allowed.", "SecurityGroupCannotRemoveDefault")
    del neutron.groups[item.id]
    return Reply(204)


def list_rules(call: Call) -> Reply:
    """The rules of every group one sees."""
    groups = [item for item in call.cloud.network.groups.values() if call.sees(item.project_id)]
    return listing(call, "security_group_rules", (views.rule(rule, call) for item in groups for rule in item.rules))


def create_rule(call: Call) -> Reply:
    """A rule; the same one twice is a 409."""
    given = call.part("security_group_rule")
    group = _group(call, str(given.get("security_group_id")))
    if given.get("direction") not in ("ingress", "egress"):
        raise BadRequest("Invalid input for direction. It must be ingress or egress.", "HTTPBadRequest")
    rule = Rule(
        new_id(),
        group.id,
        group.project_id,
        given["direction"],
        str(given.get("ethertype") or "IPv4"),
        given.get("protocol"),
        given.get("port_range_min"),
        given.get("port_range_max"),
        given.get("remote_ip_prefix"),
        given.get("remote_group_id"),
        str(given.get("description") or ""),
    )
    same = next((old for old in group.rules if _meaning(old) == _meaning(rule)), None)
    if same is not None:
        raise Conflict(f"Security group rule already exists. Rule id is {same.id}.", "SecurityGroupRuleExists")
    group.rules.append(rule)
    return Reply(201, {"security_group_rule": views.rule(rule, call)})


def _meaning(rule: Rule) -> tuple[Any, ...]:
    ports = (rule.port_min, rule.port_max)
    return (rule.direction, rule.ethertype, rule.protocol, *ports, rule.remote_prefix, rule.remote_group)


def _rule(call: Call) -> tuple[SecurityGroup, Rule]:
    for group in call.cloud.network.groups.values():
        for rule in group.rules:
            if rule.id == call.params["id"] and call.sees(group.project_id):
                return group, rule
    raise missing("SecurityGroupRule", call.params["id"])


def show_rule(call: Call) -> Reply:
    """One rule."""
    return Reply(200, {"security_group_rule": views.rule(_rule(call)[1], call)})


def delete_rule(call: Call) -> Reply:
    """204."""
    group, rule = _rule(call)
    group.rules.remove(rule)
    return Reply(204)


def quota(call: Call) -> Reply:
    """GET, PUT and DELETE of a project's limits."""
    project = call.params["project"].removesuffix(".json")
    if not call.sees(project):
        raise refuse("rule:get_quota")
    neutron = call.cloud.network
    if call.method != "GET" and not call.is_admin:
        raise refuse("rule:update_quota")
    if call.method == "DELETE":
        neutron.quotas.pop(project, None)
        return Reply(204)
    if call.method == "PUT":
        given = {key: int(value) for key, value in call.part("quota").items() if key in QUOTAS}
        neutron.quotas.setdefault(project, {}).update(given)
    return Reply(200, {"quota": {**QUOTAS, **neutron.quotas.get(project, {}), "project_id": project}})


def quota_details(call: Call) -> Reply:
    """Limits with what is used of them."""
    project, neutron = call.params["project"], call.cloud.network
    if not call.sees(project):
        raise refuse("rule:get_quota")
    shelves: dict[str, dict[str, Any]] = {
        "network": neutron.networks,
        "subnet": neutron.subnets,
        "port": neutron.ports,
        "security_group": neutron.groups,
    }
    limits = {**QUOTAS, **neutron.quotas.get(project, {})}
    rows = {
        name: {"limit": limit, "used": _count(shelves.get(name, {}), project), "reserved": 0}
        for name, limit in limits.items()
    }
    return Reply(200, {"quota": rows})


def _count(shelf: dict[str, Any], project: str) -> int:
    return sum(1 for item in shelf.values() if item.project_id == project)


def extensions(call: Call) -> Reply:
    """The extensions this Neutron has."""
    rows = [_extension(alias) for alias in _EXTENSIONS]
    return Reply(200, {"extensions": rows})


def extension(call: Call) -> Reply:
    """One extension by alias."""
    if call.params["alias"] not in _EXTENSIONS:
        raise missing("Extension", call.params["alias"])
    return Reply(200, {"extension": _extension(call.params["alias"])})


def _extension(alias: str) -> dict[str, Any]:
    return {"alias": alias, "name": alias, "description": "", "updated": "2016-01-01T00:00:00-00:00", "links": []}


def nothing(call: Call) -> Reply:
    """Routers, floating addresses and agents: there are none."""
    name = call.path.rsplit("/", 1)[-1].replace("-", "_")
    return Reply(200, {name: []})


ROUTES = (
    Route("GET", "/security-groups", list_groups),
    Route("POST", "/security-groups", create_group),
    Route("GET", "/security-groups/{id}", show_group),
    Route("PUT", "/security-groups/{id}", update_group),
    Route("DELETE", "/security-groups/{id}", delete_group),
    Route("GET", "/security-group-rules", list_rules),
    Route("POST", "/security-group-rules", create_rule),
    Route("GET", "/security-group-rules/{id}", show_rule),
    Route("DELETE", "/security-group-rules/{id}", delete_rule),
    Route("GET", "/quotas/{project}", quota),
    Route("PUT", "/quotas/{project}", quota),
    Route("DELETE", "/quotas/{project}", quota),
    Route("GET", "/quotas/{project}/details.json", quota_details),
    Route("GET", "/quotas/{project}/details", quota_details),
    Route("GET", "/extensions", extensions),
    Route("GET", "/extensions/{alias}", extension),
    Route("GET", "/routers", nothing),
    Route("GET", "/floatingips", nothing),
    Route("GET", "/agents", nothing),
)
