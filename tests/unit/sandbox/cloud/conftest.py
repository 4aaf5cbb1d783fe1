"""Clouds at rest: no listener, no thread, and a clock that only moves when a test moves it."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from multidict import MultiDict

from sandbox import seed
from sandbox.array.fabric import Fabric
from sandbox.clock import Clock
from sandbox.cloud.compute.create import create
from sandbox.cloud.identity.model import Token
from sandbox.cloud.identity.tokens import Scope
from sandbox.cloud.site import Cloud, CloudSettings, Surroundings
from sandbox.cloud.wire import Call, Handler, Reply
from sandbox.faults import Faults
from sandbox.http import CallLog
from sandbox.latency import Latency, Profile

Ask = Callable[..., Reply]


class Site:
    """One seeded cloud, and a way to call its handlers as one of its users without HTTP."""

    def __init__(self, cloud: Cloud, world: Surroundings, fabric: Fabric) -> None:
        self.cloud = cloud
        self.clock = world.clock
        self.faults = world.faults
        self.profile = world.profile
        self.fabric = fabric

    def token(self, user: str = "dr-admin") -> Token:
        """A fresh token of a user in its own project."""
        directory = self.cloud.identity.directory
        found = directory.user_named(user)
        assert found is not None
        return self.cloud.identity.tokens.issue(found.id, Scope(project_id=found.default_project_id), ("password",))

    def ask(self, handler: Handler, body: Any = None, *, user: str = "dr-admin", minor: int = 96, **more: Any) -> Reply:
        """Call a handler; `path`, `method`, `query` and the path's parameters as keywords."""
        path, method = more.pop("path", "/"), more.pop("method", "GET")
        query = MultiDict(more.pop("query", {}))
        return handler(Call(self.cloud, self.token(user), more, query, {}, body, minor, method, path, "req-1"))

    def volume(self, name: str, *, bootable: bool = False, kind: str = "replicated-ssd") -> str:
        """A ready volume's id."""
        cinder = self.cloud.volume
        made = cinder.new_volume(self.token(), 1, cinder.type_of(kind))
        made.name, made.bootable = name, bootable
        array_name = cinder.backend.volume_name(made.id)
        cinder.backend.create(array_name, 1, replicated=False, tags=cinder.tags(made))
        cinder.built(made, array_name)
        return made.id

    def network(self) -> str:
        """The web network's id."""
        return next(item.id for item in self.cloud.network.networks.values() if item.name == "net-primary-web")

    def flavor(self) -> str:
        """The id of m1.small."""
        return next(item.id for item in self.cloud.compute.flavors.values() if item.name == "m1.small")

    def request(self, name: str, *volumes: str, ends: bool = False) -> dict[str, Any]:
        """The body of a boot from these volumes."""
        disks = [
            {
                "uuid": volume,
                "source_type": "volume",
                "destination_type": "volume",
                "boot_index": -1 if index else 0,
                "delete_on_termination": ends,
            }
            for index, volume in enumerate(volumes)
        ]
        networks = [{"uuid": self.network()}]
        return {
            "server": {
                "name": name,
                "flavorRef": self.flavor(),
                "networks": networks,
                "block_device_mapping_v2": disks,
            }
        }

    def boot(self, name: str, *volumes: str, ends: bool = False) -> str:
        """A server that is asked for, and not yet built."""
        body: Any = self.ask(create, self.request(name, *volumes, ends=ends)).body
        return str(body["server"]["id"])

    def status(self, server: str) -> str:
        """What Nova says of it; GONE when it is not there."""
        found = self.cloud.compute.servers.get(server)
        return found.status if found is not None else "GONE"

    def written(self, volume: str) -> int:
        """The generation that is on a volume."""
        held = self.cloud.guests.held(self.cloud.volume.volumes[volume].provider_id)[1]
        assert held is not None
        return held


@pytest.fixture
def site() -> Site:
    """site-a with its array, and no time passing by itself."""
    clock, faults = Clock(lambda: 1_000_000.0), Faults()
    fabric = Fabric(clock, faults)
    array = fabric.add("array-a", "site-a")
    profile = Profile(Latency(boot=10, stop=2, start=2, delete=1, volume=1, manage=1, attach=1, detach=1))
    world = Surroundings(clock, faults, CallLog(), profile, itertools.count(1))
    cloud = Cloud("site-a", array, world, CloudSettings())
    seed.seed(cloud)
    return Site(cloud, world, fabric)
