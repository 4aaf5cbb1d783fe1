"""What Neutron knows: networks, subnets, ports, security groups."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from typing import Any


@dataclass(eq=False)
class Network:
    """A layer-2 network; `shared` ones are open to every project."""

    id: str
    name: str
    project_id: str
    shared: bool = False
    description: str = ""
    admin_state_up: bool = True
    port_security: bool = True
    mtu: int = 1450
    tags: tuple[str, ...] = ()
    created_at: float = 0.0


@dataclass(eq=False)
class Subnet:
    """A range of addresses on a network. `used` holds every address that a port has, `hint` where to look next."""

    id: str
    name: str
    network_id: str
    project_id: str
    cidr: IPv4Network | IPv6Network
    gateway: str | None
    enable_dhcp: bool = True
    dns_nameservers: tuple[str, ...] = ()
    pool: tuple[int, int] = (0, 0)
    tags: tuple[str, ...] = ()
    description: str = ""
    created_at: float = 0.0
    used: set[str] = field(default_factory=set, repr=False)
    hint: int = 0


@dataclass(frozen=True)
class FixedIp:
    """One address of a port."""

    subnet_id: str
    address: str


@dataclass(eq=False)
class Port:
    """A plug for a server."""

    id: str
    network_id: str
    project_id: str
    mac_address: str
    name: str = ""
    description: str = ""
    fixed_ips: tuple[FixedIp, ...] = ()
    security_groups: tuple[str, ...] = ()
    port_security: bool = True
    allowed_address_pairs: tuple[Mapping[str, str], ...] = ()
    vnic_type: str = "normal"
    profile: Mapping[str, Any] = field(default_factory=dict)
    host: str = ""
    device_id: str = ""
    device_owner: str = ""
    status: str = "DOWN"
    admin_state_up: bool = True
    tags: tuple[str, ...] = ()
    extra_dhcp_opts: tuple[Mapping[str, Any], ...] = ()
    created_at: float = 0.0
    updated_at: float = 0.0
    revision: int = 1


@dataclass(eq=False)
class Rule:
    """One opening in a security group."""

    id: str
    group_id: str
    project_id: str
    direction: str
    ethertype: str = "IPv4"
    protocol: str | None = None
    port_min: int | None = None
    port_max: int | None = None
    remote_prefix: str | None = None
    remote_group: str | None = None
    description: str = ""


@dataclass(eq=False)
class SecurityGroup:
    """A set of rules of one project."""

    id: str
    name: str
    project_id: str
    description: str = ""
    rules: list[Rule] = field(default_factory=list)
    tags: tuple[str, ...] = ()
    created_at: float = 0.0
