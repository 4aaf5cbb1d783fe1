"""Neutron: ports made by the service user in the tenant's project, networks and security groups by name.

A member may set neither address nor MAC on a shared network, so ports are the service user's work. A port's key stands in its
*description*, which is set by the very call that creates the port and can be filtered for; a tag would need a second call, and between the
two a crash would leave a port nobody finds.
"""

import hashlib
import ipaddress
from typing import Any

from siterecovery.protector.clouds.base import KEY, NetworkPort, PortSpec
from siterecovery.protector.clouds.rest import Service
from siterecovery.protector.clouds.scope import Scope
from siterecovery.workflow.abreast import abreast

_LONGEST = 255


class NeutronNetworks:
    """`base.Networks` over Neutron. Lists always name the project: a trust may carry an administrator's role."""

    def __init__(self, neutron: Service, scope: Scope) -> None:
        self._neutron = neutron
        self._scope = scope

    def networks(self, name_or_id: str) -> list[tuple[str, str]]:
        """An id wins over names. The service user sees all networks, so those of other projects that are not shared are left out."""
        by_id, by_name = abreast(lambda: self._matching("id", name_or_id), lambda: self._matching("name", name_or_id))
        found: list[tuple[str, str]] = by_id or by_name
        return found

    def _matching(self, field: str, value: str) -> list[tuple[str, str]]:
        found = self._neutron.items("/networks", "networks", {field: value})
        return [(item["id"], item["name"]) for item in found if self._usable(item)]

    def _usable(self, network: dict[str, Any]) -> bool:
        if not self._scope.admin:
            return True
        return bool(network.get("shared")) or network.get("project_id") == self._scope.project_id

    def ports(self, *, key: str | None = None, device_id: str | None = None) -> list[NetworkPort]:
        """Of the project."""
        params: dict[str, str | int] = {"project_id": self._scope.project_id}
        if key is not None:
            params["description"] = _description(key)
        if device_id is not None:
            params["device_id"] = device_id
        found = [port_of(item) for item in self._neutron.items("/ports", "ports", params)]
        return [port for port in found if key is None or _description(key) in port.tags]

    def create_port(self, spec: PortSpec) -> NetworkPort:
        """Not repeated; CloudConflict when an address or the MAC is taken. Without port security Neutron allows neither groups nor pairs."""
        port: dict[str, Any] = {
            "name": spec.name,
            "network_id": spec.network_id,
            "project_id": spec.project_id,
            "description": _description(spec.key),
            "admin_state_up": True,
        }
        if spec.vnic_type != "normal":
            port["binding:vnic_type"] = spec.vnic_type
        if spec.fixed_ips:
            port["fixed_ips"] = [{"ip_address": address} for address in spec.fixed_ips]
        if spec.mac_address:
            port["mac_address"] = spec.mac_address
        if not spec.port_security_enabled:
            port |= {"port_security_enabled": False, "security_groups": []}
        else:
            if spec.security_group_ids is not None:
                port["security_groups"] = list(spec.security_group_ids)
            if spec.allowed_address_pairs:
                port["allowed_address_pairs"] = [dict(pair) for pair in spec.allowed_address_pairs]
        return port_of(self._neutron.create("/ports", {"port": port})["port"])

    def delete_port(self, port_id: str) -> None:
        """No error when it is gone."""
        self._neutron.delete(f"/ports/{port_id}")

    def ensure_security_group(self, name: str, project_id: str) -> str:
        """Found by name; a new one lets nothing in (Neutron's own default), because rules of the other cloud are not guessed."""
        params: dict[str, str | int] = {"name": name, "project_id": project_id}
        found = self._neutron.items("/security-groups", "security_groups", params)
        if found:
            return str(min(item["id"] for item in found))
        body = {"name": name, "project_id": project_id, "description": "Made by Protector: add your rules."}
        return str(self._neutron.create("/security-groups", {"security_group": body})["security_group"]["id"])

    def address_free(self, network_id: str, address: str) -> bool:
        """Asked by the service user; a member would not see the ports of others. What is no address is not free."""
        try:
            wanted = ipaddress.ip_address(address)
        except ValueError:
            return False
        subnets = self._neutron.items("/subnets", "subnets", {"network_id": network_id})
        if not any(_holds(subnet, wanted) for subnet in subnets):
            return False
        params: dict[str, str | int] = {"network_id": network_id, "fixed_ips": f"ip_address={wanted}"}
        taken = self._neutron.items("/ports", "ports", params)
        return not any(ip["ip_address"] == str(wanted) for port in taken for ip in port["fixed_ips"])


def _holds(subnet: dict[str, Any], address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Neither its gateway nor, with IPv4, its network and broadcast address can be given to a port."""
    network = ipaddress.ip_network(subnet["cidr"])
    edges = {network.network_address, network.broadcast_address} if network.version == 4 else {network.network_address}
    return address in network and address not in edges and str(address) != subnet.get("gateway_ip")


def port_of(body: dict[str, Any]) -> NetworkPort:
    """Neutron's port as a plain value; our key in its description is shown among its tags."""
    description = body.get("description") or ""
    ours = (description,) if description.startswith(f"{KEY}=") else ()
    return NetworkPort(
        id=body["id"],
        network_id=body["network_id"],
        device_id=body.get("device_id") or "",
        name=body.get("name") or "",
        fixed_ips=tuple(ip["ip_address"] for ip in body.get("fixed_ips") or ()),
        mac_address=body.get("mac_address") or "",
        tags=(*(body.get("tags") or ()), *ours),
    )


def _description(key: str) -> str:
    """A description holds 255 characters: a longer key is shortened to something as unique."""
    text = f"{KEY}={key}"
    return text if len(text) <= _LONGEST else f"{KEY}={hashlib.sha256(key.encode()).hexdigest()}"
