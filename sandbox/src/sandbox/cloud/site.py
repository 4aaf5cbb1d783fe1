"""One OpenStack site: its services, how they know each other, and their listeners."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from aiohttp import web
from aiohttp.typedefs import Middleware

from sandbox.clock import Clock
from sandbox.cloud import compute, identity, image, network, placement, volume
from sandbox.cloud.compute.life import Life
from sandbox.cloud.compute.store import Compute
from sandbox.cloud.guests import Content, Guests
from sandbox.cloud.identity import Identity
from sandbox.cloud.ids import new_id
from sandbox.cloud.image import Images
from sandbox.cloud.network.store import Network
from sandbox.cloud.policy import RELAXED, Policy
from sandbox.cloud.volume.driver import Array, Backend
from sandbox.cloud.volume.store import Volumes
from sandbox.cloud.wire import Service, add_routes
from sandbox.cloud.work import Work
from sandbox.faults import Faults
from sandbox.history import History, unwritten
from sandbox.http import CallLog, middleware, serve
from sandbox.latency import Profile

SERVICES: tuple[Service, ...] = (
    identity.SERVICE,
    compute.SERVICE,
    volume.SERVICE,
    network.SERVICE,
    image.SERVICE,
    placement.SERVICE,
)
# What each service is in the catalog: types with names, and the path its endpoint ends with.
_CATALOG: Mapping[str, tuple[tuple[tuple[str, str], ...], str]] = {
    "identity": ((("identity", "keystone"),), "/v3"),
    "compute": ((("compute", "nova"),), "/v2.1"),
    "volume": ((("volumev3", "cinderv3"), ("block-storage", "cinder")), "/v3/$(project_id)s"),
    "network": ((("network", "neutron"),), ""),
    "image": ((("image", "glance"),), ""),
    "placement": ((("placement", "placement"),), ""),
}


class StoredArray(Array, Content, Protocol):
    """What a cloud needs of its array: the driver's calls, and the guests' reads and writes."""


@dataclass
class CloudSettings:
    """What may differ between clouds; `token_lifetime` and `write_interval` in seconds."""

    region: str = "RegionOne"
    token_lifetime: float = 86_400.0
    write_interval: float = 0.2
    policy: Mapping[str, str] = field(default_factory=lambda: dict(RELAXED))
    ports: Mapping[str, int] = field(default_factory=dict)


@dataclass
class Surroundings:
    """What all clouds of a world share."""

    clock: Clock
    faults: Faults
    calls: CallLog
    profile: Profile
    identities: Iterator[int]
    history: History | None = None


class Cloud:
    """One site. Its name is the failure domain; its services are the targets `<name>/<service>`.

    `services_down` holds binaries (nova-compute, cinder-volume) that are dead while the APIs answer.
    """

    def __init__(self, name: str, array: StoredArray, world: Surroundings, settings: CloudSettings) -> None:
        self.name = name
        self.settings = settings
        self.world = world
        self.clock = world.clock
        self.array = array
        self.services_down: set[str] = set()
        self.provider_id = new_id()
        self.policy = Policy(settings.policy)
        self.urls: dict[str, str] = {}
        self._runners: list[web.AppRunner] = []
        work = Work(world.clock, self._lost)
        backend = Backend(
            array, self._array_answers, host_name=f"compute-{name}-cinder", iqn=f"iqn.2004-10.org.sandbox:{name}"
        )
        note = world.history.of(name) if world.history is not None else unwritten
        self.identity = Identity(world.clock, settings.region, settings.token_lifetime)
        self.volume = Volumes(work, world.profile, backend, f"cinder-{name}", note)
        self.network = Network(world.clock)
        self.image = Images(world.clock)
        self.compute = Compute(world.clock, f"compute-{name}", note)
        self.guests = Guests(
            world.clock, self.volume, array, self._array_answers, world.identities, settings.write_interval, note
        )
        self.life = Life(self.compute, self.volume, self.network, self.guests, work, world.profile)
        self.network.changed = self._port_changed

    def _lost(self, service: str) -> bool:
        return service in self.services_down or not self._alive()

    def _alive(self) -> bool:
        return self.name not in self.world.faults.down

    def _array_answers(self) -> bool:
        return self._alive() and self.array.name not in self.world.faults.down

    def _port_changed(self, server_id: str) -> None:
        """A server shows its ports' addresses."""
        server = self.compute.servers.get(server_id)
        if server is not None:
            server.cache.clear()

    async def start(self) -> None:
        """Listen, fill the catalog, and let the guests run."""
        for service in SERVICES:
            app = web.Application(middlewares=[self._middleware(service.name)], client_max_size=4 * 2**20)
            add_routes(app, service, self)
            runner, port = await serve(app, port=self.settings.ports.get(service.name, 0))
            self._runners.append(runner)
            self.urls[service.name] = f"http://127.0.0.1:{port}"
            types, path = _CATALOG[service.name]
            for type_, name in types:
                self.identity.directory.add_service(type_, name, self.urls[service.name] + path)
        self.guests.run()

    def _middleware(self, service: str) -> Middleware:
        world = self.world
        return middleware(
            f"{self.name}/{service}", self.name, world.faults, world.clock, world.profile.call(service), world.calls
        )

    async def stop(self) -> None:
        """Stop listening."""
        self.guests.stop()
        for runner in self._runners:
            await runner.cleanup()

    def root_of(self, service: str) -> str:
        """Where a service listens."""
        return self.urls.get(service, "")

    def url_of(self, service: str) -> str:
        """Its endpoint in the catalog, without a project."""
        return self.root_of(service) + _CATALOG[service][1].removesuffix("/$(project_id)s")
