"""What the clouds and arrays themselves say of a group: through their own interfaces, never through the product."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import httpx
import sqlalchemy

from real.dr.workload import Machine, Workload
from real.testbed.environment import Sites
from real.testbed.layout import Site
from real.testbed.names import KEYPAIR

OURS = "protector:"


@dataclasses.dataclass(frozen=True)
class Vm:
    """A server as Nova, Cinder and Neutron show it. `disks` are volume names in the order of their devices."""

    status: str
    locked: bool
    flavor: str
    key: str | None
    metadata: Mapping[str, str]
    security_groups: tuple[str, ...]
    addresses: Mapping[str, tuple[str, ...]]
    disks: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Place:
    """One site's part of a group. `states` are volume names to what Cinder's own database says; `array` their array volumes."""

    vms: Mapping[str, Vm]
    states: Mapping[str, str]
    bootable: frozenset[str]
    array: Mapping[str, str]
    ports: int
    grouped: frozenset[str]
    """Names of the volumes in Cinder's volume groups of this name."""


NOTHING = Place({}, {}, frozenset(), {}, 0, frozenset())


def place(sites: Sites, name: str, workload: Workload) -> Place:
    """What is there of the group on a site, whatever its state."""
    with sites.cloud(name) as cloud:
        volumes = {v.id: v for v in cloud.block_storage.volumes() if (v.name or "").startswith(f"{workload.group}-")}
        servers = [s for s in cloud.compute.servers() if s.name.startswith(f"{workload.group}-")]
        networks = {network.id: network.name for network in cloud.network.networks()}
        vms = {server.name: _vm(cloud, server, volumes, networks) for server in servers}
        ports = [port for port in cloud.network.ports() if port.name.startswith(f"{workload.group}-")]
        grouped = _grouped(cloud, workload.group)
    return Place(
        vms=vms,
        states=_states(sites[name], workload.group),
        bootable=frozenset(v.name for v in volumes.values() if v.is_bootable),
        array={v.name: v.metadata.get("array_volume_name", "") for v in volumes.values()},
        ports=len(ports),
        grouped=frozenset(volumes[id].name for id in grouped if id in volumes),
    )


def _vm(cloud: Any, server: Any, volumes: Mapping[str, Any], networks: Mapping[str, str]) -> Vm:
    attached = sorted(cloud.compute.volume_attachments(server.id), key=lambda item: (len(item.device), item.device))
    ports = list(cloud.network.ports(device_id=server.id))
    groups = {group for port in ports for group in port.security_group_ids}
    return Vm(
        status=server.status,
        locked=bool(server.is_locked),
        flavor=server.flavor["original_name"],
        key=server.key_name,
        metadata={key: value for key, value in server.metadata.items() if not key.startswith(OURS)},
        security_groups=tuple(sorted(cloud.network.get_security_group(group).name for group in groups)),
        addresses={networks[port.network_id]: tuple(ip["ip_address"] for ip in port.fixed_ips) for port in ports},
        disks=tuple(volumes[item.volume_id].name if item.volume_id in volumes else item.volume_id for item in attached),
    )


def _grouped(cloud: Any, name: str) -> set[str]:
    found = set()
    for group in cloud.block_storage.groups():
        if group.name == name:
            listed = cloud.block_storage.get(f"/volumes?group_id={group.id}", microversion="3.38").json()["volumes"]
            found |= {volume["id"] for volume in listed}
    return found


def _states(site: Site, group: str) -> dict[str, str]:
    """Cinder's database, which knows states that its API shows under other names."""
    engine = sqlalchemy.create_engine(site.database_url("cinder"))
    query = sqlalchemy.text("SELECT display_name, status FROM volumes WHERE deleted = 0 AND display_name LIKE :like")
    with engine.connect() as connection:
        rows = connection.execute(query, {"like": f"{group}-%"}).all()
    engine.dispose()
    names = [name for name, _ in rows]
    assert len(set(names)) == len(names), f"volumes made twice: {sorted(names)}"
    return {str(name): str(status) for name, status in rows}


def array(sites: Sites, site: str) -> Mapping[str, Any]:
    """Everything an array holds, even when it drops all calls."""
    answer = httpx.get(f"{sites.control_url}/arrays/{sites[site].array}/state", timeout=10, trust_env=False)
    found: Mapping[str, Any] = answer.raise_for_status().json()
    return found


def array_volumes(sites: Sites, site: str) -> dict[str, int]:
    """Living array volumes by name, with the generation of their content."""
    return {v["name"]: v["generation"] for v in array(sites, site)["volumes"] if not v["destroyed"]}


def tagged(sites: Sites, site: str, group_id: str) -> set[str]:
    """Names of the array volumes that carry a group's id in a tag."""
    volumes = array(sites, site)["volumes"]
    return {v["name"] for v in volumes if any(tag["value"] == group_id for tag in v["tags"])}


def starts(sites: Sites, site: str, workload: Workload) -> int:
    """How often Nova was asked to start (or unlock) a server of the group since each was made."""
    with sites.cloud(site) as cloud:
        servers = [s for s in cloud.compute.servers() if s.name.startswith(f"{workload.group}-")]
        actions = [action.action for s in servers for action in cloud.compute.server_actions(s.id)]
    return sum(action in ("start", "unlock", "reboot") for action in actions)


def write(sites: Sites, site: str, volumes: Mapping[str, str], generation: int) -> None:
    """A guest writes: the content of these array volumes becomes this generation."""
    for name in volumes.values():
        url = f"{sites.control_url}/arrays/{sites[site].array}/volumes/{name}"
        httpx.post(url, json={"generation": generation}, timeout=10, trust_env=False).raise_for_status()


def machine(machine: Machine, site: str, seen: Vm) -> Vm:
    """How a running VM must be on a site: mapped, everything else kept.

    The web networks have the same subnet on both sites, so addresses stay. Those of the databases do not: any one will do.
    """
    away = site == "site-b"
    network = machine.network.replace("primary", "secondary") if away else machine.network
    address = (machine.address,) if "web" in network else seen.addresses.get(network, ())
    return Vm(
        status="ACTIVE",
        locked=False,
        flavor=machine.flavor.replace("m1.large", "m2.large") if away else machine.flavor,
        key=KEYPAIR,
        metadata=machine.metadata,
        security_groups=(machine.security_group,),
        addresses={network: address},
        disks=machine.disks,
    )
