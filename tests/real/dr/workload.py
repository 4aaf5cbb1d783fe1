"""A group to move: three VMs with five volumes on site a, with everything that must survive a move."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from real.dr.pair import Pair
from real.testbed.environment import Sites
from real.testbed.names import KEYPAIR, SECURITY_GROUP
from real.testbed.seed import blank_volume, wait_for_status

AWAY = (
    ("--network-mapping", "net-primary-web=net-secondary-web"),
    ("--network-mapping", "net-primary-db=net-secondary-db"),
    ("--flavor-mapping", "m1.large=m2.large"),
)
HOME = (
    ("--network-mapping", "net-secondary-web=net-primary-web"),
    ("--network-mapping", "net-secondary-db=net-primary-db"),
    ("--flavor-mapping", "m2.large=m1.large"),
)


def mapped(pairs: tuple[tuple[str, str], ...]) -> tuple[str, ...]:
    """Mappings as words of a command."""
    return tuple(word for pair in pairs for word in pair)


@dataclass(frozen=True)
class Machine:
    """One VM: `disks` in the order of their devices, the boot volume first; `address` is asked for at creation."""

    name: str
    flavor: str
    network: str
    address: str
    disks: tuple[str, ...]
    metadata: Mapping[str, str]
    security_group: str


@dataclass(frozen=True)
class Workload:
    """The VMs of one group, whose name is also part of all names in it."""

    group: str
    machines: tuple[Machine, ...]

    @property
    def volumes(self) -> tuple[str, ...]:
        """The names of all volumes."""
        return tuple(disk for machine in self.machines for disk in machine.disks)


def planned(group: str, number: int) -> Workload:
    """What a group consists of. `number` makes its addresses its own."""
    web = ("m1.small", "net-primary-web")
    machines = (
        Machine(
            f"{group}-web-1",
            *web,
            f"10.20.0.{number}",
            (f"{group}-root-1", f"{group}-data-1"),
            {"tier": "web", "owner": "søren"},
            SECURITY_GROUP,
        ),
        Machine(f"{group}-web-2", *web, f"10.20.0.{number + 1}", (f"{group}-root-2",), {}, "default"),
        Machine(
            f"{group}-db",
            "m1.large",
            "net-primary-db",
            f"10.21.0.{number}",
            (f"{group}-root-3", f"{group}-data-3"),
            {"tier": "db"},
            SECURITY_GROUP,
        ),
    )
    return Workload(group, machines)


def made(sites: Sites, group: str, number: int) -> Workload:
    """The VMs running on site a."""
    workload = planned(group, number)
    with ThreadPoolExecutor(3) as workers, sites.cloud("site-a") as cloud:
        list(workers.map(lambda machine: _start(cloud, machine), workload.machines))
    return workload


def _start(cloud: Any, machine: Machine) -> None:
    volumes = [blank_volume(cloud, name, bootable=place == 0) for place, name in enumerate(machine.disks)]
    mapping = [
        {
            "boot_index": 0 if place == 0 else -1,
            "uuid": volume.id,
            "source_type": "volume",
            "destination_type": "volume",
            "delete_on_termination": False,
        }
        for place, volume in enumerate(volumes)
    ]
    network = cloud.network.find_network(machine.network)
    server = cloud.compute.create_server(
        name=machine.name,
        flavor_id=cloud.compute.find_flavor(machine.flavor).id,
        networks=[{"uuid": network.id, "fixed_ip": machine.address}],
        block_device_mapping=mapping,
        key_name=KEYPAIR,
        metadata=dict(machine.metadata),
        security_groups=[{"name": machine.security_group}],
    )
    wait_for_status(cloud.compute.get_server, server.id, "ACTIVE")


def protect(pair: Pair, workload: Workload) -> str:
    """A protection group with its policy and all VMs; its id."""
    return pair.operator.protect(workload.group, {m.name: m.name for m in workload.machines}, pair.settled)
