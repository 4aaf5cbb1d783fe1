"""What a world holds when it starts, under the same names on every cloud and with different ids; and a demo workload.

The seed is put straight into the records, as an operator's installation would have; the workload is made through the
APIs, as its user would make it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from sandbox.cloud.compute.flavors import fingerprint
from sandbox.cloud.compute.model import Flavor, KeyPair
from sandbox.cloud.ids import new_id
from sandbox.cloud.site import Cloud

PASSWORD = "s3cr3t"
SERVICE_PASSWORD = "protector-s3cr3t"
# user -> (password, project, roles)
USERS: Mapping[str, tuple[str, str, tuple[str, ...]]] = {
    "dr-admin": (PASSWORD, "production", ("admin", "member")),
    "operator": (PASSWORD, "production", ("member",)),
    "mallory": (PASSWORD, "other", ("member",)),
    "protector": (SERVICE_PASSWORD, "service", ("admin", "service")),
}
REPLICATED = {
    "volume_backend_name": "pure",
    "replication_enabled": "<is> True",
    "replication_type": "<in> async",
}
_PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ6c3ZVw0sE9GkZl0uJ0p4m2cTq7y1XwB5rN8aDfHhKp ops@sandbox"
# network -> (cidr, shared)
_PRIMARY_NETWORKS = {"net-primary-web": "10.10.0.0/20", "net-primary-db": "10.20.0.0/20"}
_SECONDARY_NETWORKS = {
    "net-secondary-web": "10.10.0.0/20",
    "net-secondary-db": "10.30.0.0/20",
    "net-dr-test-web": "10.10.0.0/20",
}


@dataclass(frozen=True)
class SiteSeed:
    """What differs between the sites."""

    networks: Mapping[str, str]
    flavors: Mapping[str, tuple[int, int]]
    security_groups: tuple[str, ...] = ()


SITES: Mapping[str, SiteSeed] = {
    "site-a": SiteSeed(_PRIMARY_NETWORKS, {"m1.small": (1, 2048), "m1.large": (4, 8192)}, ("web",)),
    "site-b": SiteSeed(_SECONDARY_NETWORKS, {"m1.small": (1, 2048), "m2.large": (4, 8192)}),
}


def seed(cloud: Cloud) -> None:
    """Fill one cloud; a site the seed does not know gets what both have."""
    special = SITES.get(cloud.name, SiteSeed({}, {"m1.small": (1, 2048)}))
    _people(cloud)
    production = cloud.identity.directory.project_named("production")
    project_id = production.id if production else ""
    for name, (vcpus, ram) in special.flavors.items():
        flavor = Flavor(new_id(), name, vcpus, ram, 20)
        cloud.compute.flavors[flavor.id] = flavor
    for name, cidr in special.networks.items():
        network = cloud.network.add_network(name, project_id)
        cloud.network.add_subnet(network, f"{name}-subnet", cidr)
    for name in special.security_groups:
        cloud.network.add_group(name, project_id, "Web servers")
    cloud.image.add("cirros", project_id)
    cloud.volume.add_type("standard", {"volume_backend_name": "pure"})
    cloud.volume.add_type("replicated-ssd", REPLICATED)
    cloud.volume.default_type = "standard"
    cloud.volume.add_group_type("consistent", {"consistent_group_snapshot_enabled": "<is> True"})


def _people(cloud: Cloud) -> None:
    directory = cloud.identity.directory
    for name, (password, project_name, roles) in USERS.items():
        project = directory.project_named(project_name) or directory.add_project(project_name)
        user = directory.add_user(name, password, project.id)
        for role in roles:
            directory.grant(user.id, project.id, directory.role(role).id)
    owner = directory.user_named("dr-admin")
    if owner is not None:
        key = KeyPair("ops", owner.id, _PUBLIC_KEY, fingerprint(_PUBLIC_KEY), cloud.clock.now())
        cloud.compute.keypairs[owner.id, key.name] = key


@dataclass(frozen=True)
class Machine:
    """One server of the demo workload, its boot volume first; all volumes are 1 GiB of type replicated-ssd."""

    name: str
    network: str
    flavor: str
    volumes: tuple[str, ...]


WORKLOAD: tuple[Machine, ...] = (
    Machine("web-server-1", "net-primary-web", "m1.small", ("vol-boot-ws1", "vol-data-ws1")),
    Machine("web-server-2", "net-primary-web", "m1.small", ("vol-boot-ws2",)),
    Machine("db-server", "net-primary-db", "m1.large", ("vol-boot-db", "vol-data-db")),
)


def many(count: int, volumes: int = 1, prefix: str = "vm", network: str = "net-primary-web") -> tuple[Machine, ...]:
    """A crowd of alike servers, `<prefix>-0001` and so on, for benchmarks and tests of size."""
    names = (f"{prefix}-{number:04d}" for number in range(1, count + 1))
    return tuple(
        Machine(name, network, "m1.small", tuple(f"vol-{name}-{disk}" for disk in range(volumes))) for name in names
    )


class WorkloadError(Exception):
    """The demo workload could not be made; the message says which call was refused, and how."""


class _User:
    """A user at a keyboard: a token and the catalog's URLs. Waits by looking every `pause` seconds."""

    pause = 0.05

    def __init__(self, session: aiohttp.ClientSession, auth_url: str) -> None:
        self._session = session
        self._auth_url = auth_url
        self._token = ""
        self._named: dict[tuple[str, str], str] = {}
        self.urls: dict[str, str] = {}

    async def log_in(self, name: str, password: str, project: str) -> None:
        domain = {"name": "Default"}
        body = {
            "auth": {
                "identity": {
                    "methods": ["password"],
                    "password": {"user": {"name": name, "domain": domain, "password": password}},
                },
                "scope": {"project": {"name": project, "domain": domain}},
            }
        }
        async with self._session.post(f"{self._auth_url}/auth/tokens", json=body) as answer:
            if answer.status != 201:
                raise WorkloadError(f"{name} cannot log in: HTTP {answer.status}")
            self._token = answer.headers["X-Subject-Token"]
            catalog = (await answer.json())["token"]["catalog"]
        self.urls = {item["type"]: item["endpoints"][0]["url"] for item in catalog}

    async def call(self, method: str, service: str, path: str, body: Any = None, **query: str) -> Any:
        headers = {"X-Auth-Token": self._token}
        url = self.urls[service] + path
        async with self._session.request(method, url, json=body, headers=headers, params=query) as answer:
            if answer.status >= 400:
                raise WorkloadError(f"{method} {service}{path}: HTTP {answer.status} {await answer.text()}")
            return await answer.json() if answer.content_type == "application/json" else None

    async def named(self, service: str, path: str, key: str, name: str) -> str:
        """The id of the thing of that name in a list, which is asked for once."""
        if (key, name) not in self._named:
            for item in (await self.call("GET", service, path))[key]:
                self._named[key, item["name"]] = str(item["id"])
        if (key, name) in self._named:
            return self._named[key, name]
        raise WorkloadError(f"there is no {name} among the {key}; was the world started without its seed?")

    async def wait(self, service: str, path: str, key: str, status: str) -> None:
        while True:
            now = (await self.call("GET", service, path))[key]["status"]
            if now == status:
                return
            if now.lower().startswith("error"):
                raise WorkloadError(f"{path} ended in {now}")
            await asyncio.sleep(self.pause)


_AT_ONCE = 32
"""Machines made at the same time: more would only wait for one another."""


async def create_workload(auth_url: str, machines: tuple[Machine, ...] = WORKLOAD) -> dict[str, str]:
    """Make what is not there yet as dr-admin through the APIs; returns names with ids of what was made.

    WorkloadError when a call is refused.
    """
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(user: _User, machine: Machine) -> dict[str, str]:
        async with gate:
            return await _machine(user, machine)

    async with aiohttp.ClientSession() as session:
        user = _User(session, auth_url)
        await user.log_in("dr-admin", PASSWORD, "production")
        there = {item["name"] for item in (await user.call("GET", "compute", "/servers"))["servers"]}
        missing = [machine for machine in machines if machine.name not in there]
        made = await asyncio.gather(*(one(user, machine) for machine in missing))
    return {name: identifier for part in made for name, identifier in part.items()}


async def _machine(user: _User, machine: Machine) -> dict[str, str]:
    volumes = [await _volume(user, name) for name in machine.volumes]
    boot = {"os-set_bootable": {"bootable": True}}
    await user.call("POST", "volumev3", f"/volumes/{volumes[0]}/action", boot)
    disks = [
        {"uuid": volume, "source_type": "volume", "destination_type": "volume", "boot_index": -1 if index else 0}
        for index, volume in enumerate(volumes)
    ]
    server = {
        "name": machine.name,
        "flavorRef": await user.named("compute", "/flavors", "flavors", machine.flavor),
        "networks": [{"uuid": await user.named("network", "/v2.0/networks", "networks", machine.network)}],
        "block_device_mapping_v2": disks,
        "key_name": "ops",
        "metadata": {"tier": machine.name.split("-")[0]},
    }
    made = (await user.call("POST", "compute", "/servers", {"server": server}))["server"]
    await user.wait("compute", f"/servers/{made['id']}", "server", "ACTIVE")
    return {machine.name: str(made["id"]), **dict(zip(machine.volumes, volumes, strict=True))}


async def _volume(user: _User, name: str) -> str:
    body = {"volume": {"name": name, "size": 1, "volume_type": "replicated-ssd"}}
    made = (await user.call("POST", "volumev3", "/volumes", body))["volume"]
    await user.wait("volumev3", f"/volumes/{made['id']}", "volume", "available")
    return str(made["id"])
