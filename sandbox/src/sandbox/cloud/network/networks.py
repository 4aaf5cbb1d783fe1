"""Networks and subnets over HTTP."""

from __future__ import annotations

from sandbox.cloud.errors import BadRequest, Conflict
from sandbox.cloud.network import views
from sandbox.cloud.network.collections import listing, missing, only, project_for, refuse
from sandbox.cloud.network.model import Network, Subnet
from sandbox.cloud.wire import Call, Reply, Route

_NETWORK_KEYS = [
    "name",
    "description",
    "admin_state_up",
    "shared",
    "project_id",
    "tenant_id",
    "port_security_enabled",
    "mtu",
    "router:external",
    "provider:network_type",
    "provider:physical_network",
    "provider:segmentation_id",
    "availability_zone_hints",
    "is_default",
    "tags",
]
_SUBNET_KEYS = [
    "name",
    "description",
    "network_id",
    "cidr",
    "ip_version",
    "gateway_ip",
    "enable_dhcp",
    "dns_nameservers",
    "allocation_pools",
    "host_routes",
    "project_id",
    "tenant_id",
    "ipv6_ra_mode",
    "ipv6_address_mode",
    "subnetpool_id",
    "prefixlen",
    "use_default_subnetpool",
    "service_types",
    "segment_id",
    "tags",
]


def network_of(call: Call, identifier: str) -> Network:
    """The network, if it exists for this project."""
    item = call.cloud.network.networks.get(identifier)
    if item is None or not (item.shared or call.sees(item.project_id)):
        raise missing("Network", identifier)
    return item


def list_networks(call: Call) -> Reply:
    """One's own and the shared ones."""
    items = [item for item in call.cloud.network.networks.values() if item.shared or call.sees(item.project_id)]
    return listing(call, "networks", (views.network(item, call) for item in items))


def show_network(call: Call) -> Reply:
    """One network."""
    return Reply(200, {"network": views.network(network_of(call, call.params["id"]), call)})


def create_network(call: Call) -> Reply:
    """A network; `shared` is for administrators."""
    given = call.part("network")
    only(given, _NETWORK_KEYS, "network")
    if given.get("shared") and not call.is_admin:
        raise refuse("rule:create_network and rule:create_network:shared")
    project = project_for(call, given, "network")
    have = sum(1 for item in call.cloud.network.networks.values() if item.project_id == project)
    call.cloud.network.check_quota(project, "network", have)
    item = call.cloud.network.add_network(str(given.get("name", "")), project, shared=bool(given.get("shared")))
    item.description = str(given.get("description") or "")
    item.port_security = bool(given.get("port_security_enabled", True))
    return Reply(201, {"network": views.network(item, call)})


def update_network(call: Call) -> Reply:
    """Name, description, state; `shared` by administrators."""
    item, given = network_of(call, call.params["id"]), call.part("network")
    _owned(call, item.project_id, "update_network")
    only(given, _NETWORK_KEYS, "network")
    if "shared" in given:
        if not call.is_admin:
            raise refuse("rule:update_network and rule:update_network:shared")
        item.shared = bool(given["shared"])
    item.name = str(given.get("name", item.name))
    item.description = str(given.get("description", item.description))
    item.admin_state_up = bool(given.get("admin_state_up", item.admin_state_up))
    return Reply(200, {"network": views.network(item, call)})


def delete_network(call: Call) -> Reply:
    """Not while ports are on it."""
    item, neutron = network_of(call, call.params["id"]), call.cloud.network
    _owned(call, item.project_id, "delete_network")
    if any(port.network_id == item.id for port in neutron.ports.values()):
        text = "There are one or more ports still in use on the network"
        raise Conflict(f"Unable to complete operation on network {item.id}. {text}.", "NetworkInUse")
    for subnet in neutron.subnets_of(item.id):
        del neutron.subnets[subnet.id]
    del neutron.networks[item.id]
    return Reply(204)


def _owned(call: Call, project_id: str, rule: str) -> None:
    """Sharing a network is not owning it."""
    if not call.sees(project_id):
        raise refuse(f"rule:{rule}")


def _subnet(call: Call) -> Subnet:
    item = call.cloud.network.subnets.get(call.params["id"])
    if item is None:
        raise missing("Subnet", call.params["id"])
    network_of(call, item.network_id)
    return item


def list_subnets(call: Call) -> Reply:
    """The ranges of every network one sees."""
    neutron = call.cloud.network
    seen = {item.id for item in neutron.networks.values() if item.shared or call.sees(item.project_id)}
    items = [item for item in neutron.subnets.values() if item.network_id in seen]
    return listing(call, "subnets", (views.subnet(item, call) for item in items))


def show_subnet(call: Call) -> Reply:
    """One range."""
    return Reply(200, {"subnet": views.subnet(_subnet(call), call)})


def create_subnet(call: Call) -> Reply:
    """A range on a network of one's own; overlapping ranges of one network are a 400."""
    given = call.part("subnet")
    only(given, _SUBNET_KEYS, "subnet")
    network = network_of(call, str(given.get("network_id")))
    _owned(call, network.project_id, "create_subnet")
    if "cidr" not in given:
        raise BadRequest("Invalid input for operation: a subnet needs a cidr.", "BadRequest")
    item = call.cloud.network.add_subnet(
        network, str(given.get("name", "")), str(given["cidr"]), given.get("gateway_ip")
    )
    others = [other for other in call.cloud.network.subnets_of(network.id) if other is not item]
    if any(str(other.cidr) == str(item.cidr) for other in others):
        del call.cloud.network.subnets[item.id]
        text = f"Requested subnet with cidr: {item.cidr} for network: {network.id} overlaps with another subnet"
        raise BadRequest(f"Invalid input for operation: {text}.", "InvalidInput")
    item.enable_dhcp = bool(given.get("enable_dhcp", True))
    item.dns_nameservers = tuple(given.get("dns_nameservers") or ())
    item.description = str(given.get("description") or "")
    return Reply(201, {"subnet": views.subnet(item, call)})


def delete_subnet(call: Call) -> Reply:
    """Not while a port has one of its addresses."""
    item, neutron = _subnet(call), call.cloud.network
    _owned(call, item.project_id, "delete_subnet")
    if any(fixed.subnet_id == item.id for port in neutron.ports.values() for fixed in port.fixed_ips):
        text = "One or more ports have an IP allocation from this subnet"
        raise Conflict(f"Unable to complete operation on subnet {item.id}: {text}.", "SubnetInUse")
    del neutron.subnets[item.id]
    return Reply(204)


ROUTES = (
    Route("GET", "/networks", list_networks),
    Route("POST", "/networks", create_network),
    Route("GET", "/networks/{id}", show_network),
    Route("PUT", "/networks/{id}", update_network),
    Route("DELETE", "/networks/{id}", delete_network),
    Route("GET", "/subnets", list_subnets),
    Route("POST", "/subnets", create_subnet),
    Route("GET", "/subnets/{id}", show_subnet),
    Route("DELETE", "/subnets/{id}", delete_subnet),
)
