"""Ports over HTTP: who may choose addresses is the part that matters to a disaster recovery."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sandbox.cloud.errors import BadRequest, NotFound
from sandbox.cloud.ids import new_id
from sandbox.cloud.network import views
from sandbox.cloud.network.collections import listing, missing, only, project_for, refuse
from sandbox.cloud.network.model import Network, Port
from sandbox.cloud.network.networks import network_of
from sandbox.cloud.wire import Call, Reply, Route

_KEYS = [
    "name",
    "description",
    "network_id",
    "project_id",
    "tenant_id",
    "admin_state_up",
    "mac_address",
    "fixed_ips",
    "security_groups",
    "device_id",
    "device_owner",
    "port_security_enabled",
    "allowed_address_pairs",
    "extra_dhcp_opts",
    "binding:vnic_type",
    "binding:host_id",
    "binding:profile",
    "qos_policy_id",
    "dns_name",
    "dns_domain",
    "tags",
    "numa_affinity_policy",
    "propagate_uplink_status",
    "hints",
]
# Attributes that only the network's owner or an administrator may set.
_NETWORK_OWNERS = ("mac_address", "port_security_enabled", "allowed_address_pairs")
_ADMINISTRATORS = ("binding:host_id", "binding:profile")
_MAC = re.compile(r"^(?:[0-9a-f]{2}:){5}[0-9a-f]{2}$")


def port_of(call: Call) -> Port:
    """The port, if it exists for this project; owners of a network see the ports on it."""
    item = call.cloud.network.ports.get(call.params["id"])
    if item is None or not _sees(call, item):
        raise missing("Port", call.params["id"])
    return item


def _sees(call: Call, item: Port) -> bool:
    return call.sees(item.project_id) or call.sees(call.cloud.network.networks[item.network_id].project_id)


def index(call: Call) -> Reply:
    """Ports of the project, and those on its networks."""
    items = [item for item in call.cloud.network.ports.values() if _sees(call, item)]
    for key in ("device_id", "network_id", "id"):
        if key in call.query:
            wanted = set(call.query.getall(key))
            items = [item for item in items if getattr(item, key) in wanted]
    return listing(call, "ports", (views.port(item, call) for item in items))


def show(call: Call) -> Reply:
    """One port."""
    return Reply(200, {"port": views.port(port_of(call), call)})


def create(call: Call) -> Reply:
    """One port, or several with `ports`."""
    if isinstance(call.body, dict) and isinstance(call.body.get("ports"), list):
        made = [_make(call, given) for given in call.body["ports"]]
        return Reply(201, {"ports": [views.port(item, call) for item in made]})
    return Reply(201, {"port": views.port(_make(call, call.part("port")), call)})


def _make(call: Call, given: dict[str, Any]) -> Port:
    only(given, _KEYS, "port")
    network = network_of(call, str(given.get("network_id")))
    _check_policy(call, network, given, "create_port")
    neutron = call.cloud.network
    project = project_for(call, given, "port")
    neutron.check_quota(project, "port", sum(1 for item in neutron.ports.values() if item.project_id == project))
    mac = _mac(given.get("mac_address")) or neutron.new_mac(network.id)
    port = Port(new_id(), network.id, project, mac, port_security=network.port_security)
    port.created_at = neutron.clock.now()
    _apply(call, port, {"security_groups": None, **given})
    return neutron.add_port(port, _wanted_addresses(given))


def _wanted_addresses(given: Mapping[str, Any]) -> Any:
    wanted = given.get("fixed_ips")
    if wanted is not None and not (isinstance(wanted, list) and all(isinstance(entry, dict) for entry in wanted)):
        raise BadRequest(
            f"Invalid input for fixed_ips. Reason: Invalid data format for fixed IP: '{wanted}'.", "HTTPBadRequest"
        )
    return wanted


def _mac(text: Any) -> str | None:
    if text is None:
        return None
    mac = str(text).lower()
    if not _MAC.match(mac):
        raise BadRequest(
            f"Invalid input for mac_address. Reason: '{text}' is not a valid MAC address.", "HTTPBadRequest"
        )
    return mac


def _check_policy(call: Call, network: Network, given: Mapping[str, Any], action: str) -> None:
    """On a network somebody else owns, a member takes what it is given."""
    if call.is_admin or "service" in call.who.role_names:
        return
    owns = network.project_id == call.project_id
    chosen = [key for key in _NETWORK_OWNERS if key in given and not owns]
    if any("ip_address" in entry for entry in given.get("fixed_ips") or ()) and not owns:
        chosen.append("fixed_ips:ip_address")
    chosen += [key for key in _ADMINISTRATORS if key in given]
    if chosen:
        raise refuse(f"rule:{action} and (rule:{action}:{chosen[0]})")


def _apply(call: Call, port: Port, given: Mapping[str, Any]) -> None:
    """Take over the plain attributes of a request."""
    port.name = str(given.get("name", port.name))
    port.description = str(given.get("description", port.description) or "")
    port.admin_state_up = bool(given.get("admin_state_up", port.admin_state_up))
    port.device_id = str(given.get("device_id", port.device_id) or "")
    port.device_owner = str(given.get("device_owner", port.device_owner) or "")
    port.vnic_type = str(given.get("binding:vnic_type", port.vnic_type))
    port.host = str(given.get("binding:host_id", port.host) or "")
    port.profile = given.get("binding:profile", port.profile) or {}
    port.extra_dhcp_opts = tuple(given.get("extra_dhcp_opts", port.extra_dhcp_opts) or ())
    port.port_security = bool(given.get("port_security_enabled", port.port_security))
    if "tags" in given:
        port.tags = tuple(sorted(given["tags"]))
    if "security_groups" in given:
        port.security_groups = _groups(call, port, given["security_groups"])
    if "allowed_address_pairs" in given:
        port.allowed_address_pairs = _pairs(port, given["allowed_address_pairs"] or [])


def _groups(call: Call, port: Port, wanted: Any) -> tuple[str, ...]:
    """The default group when none is asked for; none on a port without port security."""
    if not port.port_security:
        if wanted:
            raise BadRequest(
                "Port Security must be enabled in order to have allowed address pairs or security groups on a port.",
                "PortSecurityAndIPRequiredForSecurityGroups",
            )
        return ()
    if wanted is None:
        return (call.cloud.network.default_group(port.project_id).id,)
    for identifier in wanted:
        group = call.cloud.network.groups.get(identifier)
        if group is None or not (call.is_admin or group.project_id == port.project_id):
            raise missing("SecurityGroup", identifier)
    return tuple(wanted)


def _pairs(port: Port, wanted: list[Any]) -> tuple[Mapping[str, str], ...]:
    for entry in wanted:
        if not isinstance(entry, dict) or "ip_address" not in entry:
            raise BadRequest("AllowedAddressPair must contain ip_address", "AllowedAddressPairsMissingIP")
    return tuple(
        {"ip_address": entry["ip_address"], "mac_address": entry.get("mac_address", port.mac_address)}
        for entry in wanted
    )


def update(call: Call) -> Reply:
    """Change a port; new addresses are taken before the old ones are given back."""
    port, given, neutron = port_of(call), call.part("port"), call.cloud.network
    only(given, [key for key in _KEYS if key not in ("network_id", "project_id", "tenant_id")], "port")
    _check_policy(call, neutron.networks[port.network_id], given, "update_port")
    if given.get("mac_address"):
        _change_mac(call, port, given["mac_address"])
    if "fixed_ips" in given:
        _readdress(call, port, given)
    before = port.device_id
    _apply(call, port, given)
    neutron.touch(port)
    neutron.changed(before)
    return Reply(200, {"port": views.port(port, call)})


def _change_mac(call: Call, port: Port, wanted: Any) -> None:
    neutron, old = call.cloud.network, port.mac_address
    port.mac_address = _mac(wanted) or old
    try:
        neutron.claim_mac(port)
    except Exception:
        # Whatever refuses the new address is for the caller to hear; the port keeps the old one.
        port.mac_address = old
        raise
    if port.mac_address != old:
        neutron.macs.pop((port.network_id, old), None)


def _readdress(call: Call, port: Port, given: Mapping[str, Any]) -> None:
    neutron = call.cloud.network
    kept = {entry.address: entry for entry in port.fixed_ips}
    wanted = _wanted_addresses(given) or []
    new = neutron.allocate(port.network_id, [entry for entry in wanted if entry.get("ip_address") not in kept])
    stay = [kept[entry["ip_address"]] for entry in wanted if entry.get("ip_address") in kept]
    neutron.give_back(entry for entry in port.fixed_ips if entry not in stay)
    port.fixed_ips = (*stay, *new)


def delete(call: Call) -> Reply:
    """204, also for a port that a server has."""
    port = call.cloud.network.ports.get(call.params["id"])
    if port is None or not call.sees(port.project_id):
        raise missing("Port", call.params["id"])
    call.cloud.network.drop_port(port)
    return Reply(204)


def tagged(call: Call) -> Any:
    """The port, network, subnet or security group that `/{kind}/{id}/tags` names."""
    neutron = call.cloud.network
    shelves: Mapping[str, Mapping[str, Any]] = {
        "ports": neutron.ports,
        "networks": neutron.networks,
        "subnets": neutron.subnets,
        "security-groups": neutron.groups,
    }
    item = shelves.get(call.params["kind"], {}).get(call.params["id"])
    if item is None or not call.sees(item.project_id):
        raise NotFound(
            f"Tag resource {call.params['kind']} {call.params['id']} could not be found.", "TagResourceNotFound"
        )
    return item


def tags(call: Call) -> Reply:
    """All tags: GET, PUT to replace, DELETE to clear."""
    item = tagged(call)
    if call.method == "PUT":
        wanted = call.body.get("tags") if isinstance(call.body, dict) else None
        if not isinstance(wanted, list):
            raise BadRequest("Invalid tags body.", "HTTPBadRequest")
        item.tags = tuple(sorted({str(tag) for tag in wanted}))
    if call.method == "DELETE":
        item.tags = ()
        return Reply(204)
    return Reply(200, {"tags": list(item.tags)})


def tag(call: Call) -> Reply:
    """One tag."""
    item, name = tagged(call), call.params["tag"]
    if call.method == "PUT":
        item.tags = tuple(sorted({*item.tags, name}))
        return Reply(201)
    if name not in item.tags:
        raise NotFound(f"Tag {name} could not be found.", "TagNotFound")
    if call.method == "DELETE":
        item.tags = tuple(entry for entry in item.tags if entry != name)
    return Reply(204)


_TAGS = "/{kind}/{id}/tags"
ROUTES = (
    Route("GET", "/ports", index),
    Route("POST", "/ports", create),
    Route("GET", "/ports/{id}", show),
    Route("PUT", "/ports/{id}", update),
    Route("DELETE", "/ports/{id}", delete),
    Route("GET", _TAGS, tags),
    Route("PUT", _TAGS, tags),
    Route("DELETE", _TAGS, tags),
    Route("GET", _TAGS + "/{tag}", tag),
    Route("PUT", _TAGS + "/{tag}", tag),
    Route("DELETE", _TAGS + "/{tag}", tag),
)
