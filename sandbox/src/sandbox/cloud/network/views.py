"""Neutron's records as JSON."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

from sandbox.cloud.ids import stamp
from sandbox.cloud.network.model import Network, Port, Rule, SecurityGroup, Subnet
from sandbox.cloud.wire import Call


def network(item: Network, call: Call) -> dict[str, Any]:
    """A network with the ids of its subnets."""
    body: dict[str, Any] = {
        "id": item.id,
        "name": item.name,
        "tenant_id": item.project_id,
        "project_id": item.project_id,
        "admin_state_up": item.admin_state_up,
        "status": "ACTIVE",
        "shared": item.shared,
        "subnets": [subnet.id for subnet in call.cloud.network.subnets_of(item.id)],
        "router:external": False,
        "is_default": False,
        "port_security_enabled": item.port_security,
        "mtu": item.mtu,
        "availability_zones": ["nova"],
        "availability_zone_hints": [],
        "ipv4_address_scope": None,
        "ipv6_address_scope": None,
        "description": item.description,
        "tags": list(item.tags),
        "created_at": stamp(item.created_at),
        "updated_at": stamp(item.created_at),
        "revision_number": 1,
    }
    if call.is_admin:
        body.update({"provider:network_type": "vxlan", "provider:physical_network": None})
        body["provider:segmentation_id"] = int(item.id[:4], 16)
    return body


def subnet(item: Subnet, call: Call) -> dict[str, Any]:
    """A range of addresses."""
    first, last = (str(ip_address(number)) for number in item.pool)
    if item.gateway == first:
        first = str(ip_address(item.pool[0] + 1))
    return {
        "id": item.id,
        "name": item.name,
        "network_id": item.network_id,
        "tenant_id": item.project_id,
        "project_id": item.project_id,
        "cidr": str(item.cidr),
        "ip_version": item.cidr.version,
        "gateway_ip": item.gateway,
        "enable_dhcp": item.enable_dhcp,
        "dns_nameservers": list(item.dns_nameservers),
        "allocation_pools": [{"start": first, "end": last}],
        "host_routes": [],
        "ipv6_ra_mode": None,
        "ipv6_address_mode": None,
        "subnetpool_id": None,
        "service_types": [],
        "segment_id": None,
        "description": item.description,
        "tags": list(item.tags),
        "created_at": stamp(item.created_at),
        "updated_at": stamp(item.created_at),
        "revision_number": 0,
    }


def port(item: Port, call: Call) -> dict[str, Any]:
    """A port; its binding to a host is for administrators."""
    body: dict[str, Any] = {
        "id": item.id,
        "name": item.name,
        "network_id": item.network_id,
        "tenant_id": item.project_id,
        "project_id": item.project_id,
        "mac_address": item.mac_address,
        "admin_state_up": item.admin_state_up,
        "status": item.status,
        "device_id": item.device_id,
        "device_owner": item.device_owner,
        "fixed_ips": [{"subnet_id": entry.subnet_id, "ip_address": entry.address} for entry in item.fixed_ips],
        "allowed_address_pairs": list(item.allowed_address_pairs),
        "extra_dhcp_opts": list(item.extra_dhcp_opts),
        "security_groups": list(item.security_groups),
        "port_security_enabled": item.port_security,
        "binding:vnic_type": item.vnic_type,
        "description": item.description,
        "qos_policy_id": None,
        "tags": list(item.tags),
        "created_at": stamp(item.created_at),
        "updated_at": stamp(item.updated_at),
        "revision_number": item.revision,
    }
    if call.is_admin:
        body["binding:host_id"] = item.host
        body["binding:profile"] = item.profile
        body["binding:vif_type"] = "ovs" if item.host else "unbound"
        body["binding:vif_details"] = {"port_filter": True} if item.host else {}
    return body


def rule(item: Rule, call: Call) -> dict[str, Any]:
    """A rule of a security group."""
    return {
        "id": item.id,
        "security_group_id": item.group_id,
        "tenant_id": item.project_id,
        "project_id": item.project_id,
        "direction": item.direction,
        "ethertype": item.ethertype,
        "protocol": item.protocol,
        "port_range_min": item.port_min,
        "port_range_max": item.port_max,
        "remote_ip_prefix": item.remote_prefix,
        "remote_group_id": item.remote_group,
        "remote_address_group_id": None,
        "description": item.description,
        "revision_number": 0,
    }


def group(item: SecurityGroup, call: Call) -> dict[str, Any]:
    """A security group with its rules."""
    return {
        "id": item.id,
        "name": item.name,
        "tenant_id": item.project_id,
        "project_id": item.project_id,
        "description": item.description,
        "stateful": True,
        "shared": False,
        "security_group_rules": [rule(entry, call) for entry in item.rules],
        "tags": list(item.tags),
        "created_at": stamp(item.created_at),
        "updated_at": stamp(item.created_at),
        "revision_number": 1,
    }
