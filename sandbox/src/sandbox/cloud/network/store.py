"""Neutron's state, address allocation, and what Nova asks of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Any

from sandbox.clock import Clock
from sandbox.cloud.errors import BadRequest, Conflict
from sandbox.cloud.ids import new_id
from sandbox.cloud.network.model import FixedIp, Port, Rule, SecurityGroup, Subnet
from sandbox.cloud.network.model import Network as Net

if TYPE_CHECKING:
    from sandbox.cloud.compute.model import Server
    from sandbox.cloud.wire import Call

QUOTAS: Mapping[str, int] = {
    "network": 1000,
    "subnet": 1000,
    "port": 100_000,
    "security_group": 1000,
    "security_group_rule": 10_000,
    "router": 10,
    "floatingip": 50,
    "subnetpool": -1,
    "rbac_policy": 10,
}


class Network:
    """Neutron of one cloud. `changed` hears the id of every server whose ports changed."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.networks: dict[str, Net] = {}
        self.subnets: dict[str, Subnet] = {}
        self.ports: dict[str, Port] = {}
        self.groups: dict[str, SecurityGroup] = {}
        self.quotas: dict[str, dict[str, int]] = {}
        self.macs: dict[tuple[str, str], str] = {}  # network, mac -> port
        self.changed: Callable[[str], None] = lambda server_id: None

    def add_network(self, name: str, project_id: str, *, shared: bool = False) -> Net:
        """A new network without subnets."""
        item = Net(new_id(), name, project_id, shared, created_at=self.clock.now())
        self.networks[item.id] = item
        return item

    def add_subnet(self, network: Net, name: str, cidr: str, gateway: str | None = None) -> Subnet:
        """A new range; the first address is the gateway unless another is named, the rest is the pool."""
        try:
            block = ip_network(cidr)
        except ValueError as error:
            raise BadRequest(
                f"Invalid input for cidr. Reason: '{cidr}' is not a valid IP subnet.", "HTTPBadRequest"
            ) from error
        first = int(block.network_address) + 1
        last = int(block.broadcast_address) - 1
        gateway = gateway or str(ip_address(first))
        item = Subnet(new_id(), name, network.id, network.project_id, block, gateway, pool=(first, last), hint=first)
        item.created_at = self.clock.now()
        item.used.add(gateway)
        self.subnets[item.id] = item
        return item

    def subnets_of(self, network_id: str) -> list[Subnet]:
        """The ranges of one network."""
        return [item for item in self.subnets.values() if item.network_id == network_id]

    def default_group(self, project_id: str) -> SecurityGroup:
        """The project's `default` security group, made on first use as Neutron does."""
        found = self.security_group("default", project_id, make=False)
        return found or self.add_group("default", project_id, "Default security group")

    def add_group(self, name: str, project_id: str, description: str = "") -> SecurityGroup:
        """A new security group that lets everything out."""
        group = SecurityGroup(new_id(), name, project_id, description, created_at=self.clock.now())
        group.rules = [Rule(new_id(), group.id, project_id, "egress", kind) for kind in ("IPv4", "IPv6")]
        self.groups[group.id] = group
        return group

    def security_group(self, name_or_id: str, project_id: str, *, make: bool = True) -> SecurityGroup | None:
        """The project's group of that name or id."""
        if name_or_id == "default" and make:
            return self.default_group(project_id)
        mine = (item for item in self.groups.values() if item.project_id == project_id)
        return next((item for item in mine if name_or_id in (item.id, item.name)), None)

    def check_quota(self, project_id: str, resource: str, have: int, more: int = 1) -> None:
        """409 OverQuota when the project has no room."""
        limit = self.quotas.get(project_id, {}).get(resource, QUOTAS[resource])
        if 0 <= limit < have + more:
            raise Conflict(f"Quota exceeded for resources: ['{resource}'].", "OverQuota")

    def add_port(self, port: Port, wanted: Any) -> Port:
        """Give a new port its addresses and keep it; nothing is kept when an address is not to be had."""
        self.claim_mac(port)
        try:
            port.fixed_ips = self.allocate(port.network_id, wanted)
        except (BadRequest, Conflict):
            del self.macs[port.network_id, port.mac_address]
            raise
        self.ports[port.id] = port
        return port

    def claim_mac(self, port: Port) -> None:
        """Take the port's MAC address on its network; 409 when another port has it."""
        key = (port.network_id, port.mac_address)
        if self.macs.get(key, port.id) != port.id:
            raise Conflict(
                f"Unable to complete operation for network {port.network_id}. "
                f"The mac address {port.mac_address} is in use.",
                "MacAddressInUse",
            )
        self.macs[key] = port.id

    def new_mac(self, network_id: str) -> str:
        """A free address with OpenStack's prefix."""
        while True:
            mac = "fa:16:3e:" + ":".join(f"{byte:02x}" for byte in os.urandom(3))
            if (network_id, mac) not in self.macs:
                return mac

    def allocate(self, network_id: str, wanted: Any) -> tuple[FixedIp, ...]:
        """Addresses as asked for; one from the first IPv4 range for None; 409 when taken or none is left."""
        if wanted is None:
            ranges = [item for item in self.subnets_of(network_id) if item.cidr.version == 4]
            return (self._any(ranges[0]),) if ranges else ()
        chosen: list[FixedIp] = []
        try:
            for entry in wanted:
                chosen.append(self._one(network_id, entry))
        except (BadRequest, Conflict):
            self.give_back(chosen)
            raise
        return tuple(chosen)

    def give_back(self, addresses: Iterable[FixedIp]) -> None:
        """Free addresses."""
        for entry in addresses:
            subnet = self.subnets.get(entry.subnet_id)
            if subnet is not None:
                subnet.used.discard(entry.address)
                subnet.hint = min(subnet.hint, int(ip_address(entry.address)))

    def _one(self, network_id: str, entry: Mapping[str, Any]) -> FixedIp:
        subnet = self._subnet_for(network_id, entry)
        if "ip_address" not in entry:
            return self._any(subnet)
        address = str(ip_address(entry["ip_address"]))
        if address in subnet.used:
            raise Conflict(f"IP address {address} already allocated in subnet {subnet.id}", "IpAddressAlreadyAllocated")
        subnet.used.add(address)
        return FixedIp(subnet.id, address)

    def _subnet_for(self, network_id: str, entry: Mapping[str, Any]) -> Subnet:
        ranges = self.subnets_of(network_id)
        if "subnet_id" in entry:
            ranges = [item for item in ranges if item.id == entry["subnet_id"]]
            if not ranges:
                text = f"Failed to create port on network {network_id}, because fixed_ips included invalid subnet {entry['subnet_id']}"
                raise BadRequest(f"Invalid input for operation: {text}.", "InvalidInput")
        if "ip_address" not in entry:
            return ranges[0]
        try:
            address = ip_address(entry["ip_address"])
        except ValueError as error:
            raise BadRequest(
                f"Invalid input for fixed_ips. Reason: '{entry['ip_address']}' is not a valid IP address.",
                "HTTPBadRequest",
            ) from error
        for subnet in ranges:
            if address in subnet.cidr:
                return subnet
        kind = "specified subnet" if "subnet_id" in entry else "any of the subnets on the specified network"
        name = "InvalidIpForSubnet" if "subnet_id" in entry else "InvalidIpForNetwork"
        raise BadRequest(f"IP address {address} is not a valid IP for {kind}.", name)

    @staticmethod
    def _any(subnet: Subnet) -> FixedIp:
        first, last = subnet.pool
        for number in range(max(first, subnet.hint), last + 1):
            address = str(ip_address(number))
            if address not in subnet.used:
                subnet.used.add(address)
                subnet.hint = number + 1
                return FixedIp(subnet.id, address)
        raise Conflict(f"No more IP addresses available on network {subnet.network_id}.", "IpAddressGenerationFailure")

    def drop_port(self, port: Port) -> None:
        """Forget a port and free what it had."""
        self.give_back(port.fixed_ips)
        self.macs.pop((port.network_id, port.mac_address), None)
        self.ports.pop(port.id, None)
        self.changed(port.device_id)

    # What Nova asks.

    def addresses(self, server_id: str, port_ids: Iterable[str]) -> dict[str, list[dict[str, Any]]]:
        """Nova's `addresses`, by network name."""
        result: dict[str, list[dict[str, Any]]] = {}
        for port in (self.ports[port_id] for port_id in port_ids if port_id in self.ports):
            entries = result.setdefault(self.networks[port.network_id].name, [])
            for fixed in port.fixed_ips:
                entry = {"version": 6 if ":" in fixed.address else 4, "addr": fixed.address}
                entries.append({**entry, "OS-EXT-IPS:type": "fixed", "OS-EXT-IPS-MAC:mac_addr": port.mac_address})
        return result

    def check_free(self, port_id: str, call: Call) -> None:
        """A port a server may have: there, the caller's, and not in use."""
        port = self.ports.get(port_id)
        if port is None or not call.sees(port.project_id):
            raise BadRequest(f"Port {port_id} could not be found.")
        if port.device_id:
            raise Conflict(f"Port {port_id} is still in use.")
        if not self.subnets_of(port.network_id):
            raise BadRequest(f"Port {port_id} requires a FixedIP in order to be used.")

    def check_usable(self, wanted: Mapping[str, Any], call: Call) -> None:
        """A network a server may be on."""
        item = self.networks.get(str(wanted.get("uuid")))
        if item is None or not (item.shared or call.sees(item.project_id)):
            raise BadRequest(f"Network {wanted.get('uuid')} could not be found.")
        address = wanted.get("fixed_ip")
        if address is not None and any(str(address) in subnet.used for subnet in self.subnets_of(item.id)):
            raise BadRequest(f"Fixed IP address {address} is already in use.")

    def usable(self, project_id: str) -> list[Net]:
        """The networks a server lands on when none was named."""
        return [item for item in self.networks.values() if item.shared or item.project_id == project_id]

    def port_for_server(self, server: Server, wanted: Mapping[str, Any]) -> Port:
        """Make the port Nova owns."""
        network_id = str(wanted["uuid"])
        names = wanted.get("security_groups") or ("default",)
        groups = [self.security_group(name, server.project_id) for name in names]
        port = Port(new_id(), network_id, server.project_id, self.new_mac(network_id))
        port.security_groups = tuple(group.id for group in groups if group is not None)
        port.created_at = port.updated_at = self.clock.now()
        address = wanted.get("fixed_ip")
        self.add_port(port, [{"ip_address": address}] if address else None)
        self.bind(port.id, server.id)
        return port

    def bind(self, port_id: str, server_id: str) -> None:
        """A server has this port now."""
        port = self.ports[port_id]
        port.device_id, port.device_owner = server_id, "compute:nova"
        self.touch(port)

    def activate(self, port_id: str, host: str) -> None:
        """The port is plugged on a host."""
        port = self.ports.get(port_id)
        if port is not None:
            port.host, port.status = host, "ACTIVE"
            self.touch(port)

    def release(self, port_id: str, *, owned: bool) -> None:
        """A server is done with a port: Nova's own goes, a given one stays and is free again."""
        port = self.ports.get(port_id)
        if port is None:
            return
        if owned:
            self.drop_port(port)
            return
        port.device_id = port.device_owner = port.host = ""
        port.status = "DOWN"
        self.touch(port)

    def touch(self, port: Port) -> None:
        """Note a change, for the port's own numbers and the server that shows it."""
        port.updated_at = self.clock.now()
        port.revision += 1
        self.changed(port.device_id)
