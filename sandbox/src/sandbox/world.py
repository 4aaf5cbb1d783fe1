"""A whole world in one process: clouds, arrays, the doors of their Protectors, and the control port.

`background` runs one in a thread for tests; the command `sandbox world` runs one in the foreground.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import secrets
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml
from aiohttp import web

from sandbox import seed
from sandbox.array import control as array_control
from sandbox.array.fabric import Fabric
from sandbox.array.server import ArrayServers, servers
from sandbox.array.settings import Settings
from sandbox.clock import Clock
from sandbox.cloud import dump, knobs
from sandbox.cloud.policy import RELAXED
from sandbox.cloud.site import Cloud, CloudSettings, Surroundings
from sandbox.cloud.volume import replication
from sandbox.control import ControlError, json_body, make_app, number
from sandbox.faults import Faults
from sandbox.frontdoor import FrontDoor
from sandbox.http import CallLog, middleware, serve
from sandbox.latency import Latency, Profile

ARRAYS: Mapping[str, str] = {"site-a": "array-a", "site-b": "array-b"}


@dataclass
class WorldConfig:
    """How a world is to be. Times in seconds; `ports` by `<site>/<service>`, array name or `control`, 0 or absent is any.

    `array_tokens` by array name; made up where absent.
    """

    latency: Latency = field(default_factory=Latency)
    seed: bool = True
    workload: bool = False
    token_lifetime: float = 86_400.0
    write_interval: float = 0.2
    cinder_policy: Mapping[str, str] = field(default_factory=lambda: dict(RELAXED))
    array_settings: Mapping[str, Any] = field(default_factory=dict)
    array_tokens: Mapping[str, str] = field(default_factory=dict)
    ports: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def parse(cls, settings: Mapping[str, Any]) -> WorldConfig:
        """Read a configuration file's content; ValueError names what is unknown."""
        known = {item.name for item in fields(cls)}
        unknown = set(settings) - known
        if unknown:
            raise ValueError(f"unknown settings {', '.join(sorted(unknown))}; a world has {', '.join(sorted(known))}")
        values = dict(settings)
        if "latency" in values:
            values["latency"] = Latency.parse(values["latency"] or {})
        return cls(**values)

    @classmethod
    def read(cls, path: Path) -> WorldConfig:
        """Read a YAML file; ValueError when it is no mapping or names unknown settings."""
        try:
            content = yaml.safe_load(path.read_text()) or {}
        except yaml.YAMLError as error:
            raise ValueError(f"{path} is not YAML: {error}") from error
        if not isinstance(content, dict):
            raise ValueError(f"{path} must hold a mapping of settings")
        return cls.parse(content)


class World:
    """Two sites with a cloud, an array and a Protector's door each. Start, use, stop; one event loop."""

    def __init__(self, config: WorldConfig, state: Path) -> None:
        self.config = config
        self.state = state
        self.clock = Clock()
        self.faults = Faults()
        self.calls = CallLog()
        self.profile = Profile(config.latency)
        self.fabric = Fabric(self.clock, self.faults)
        self.clouds: dict[str, Cloud] = {}
        self.doors: dict[str, FrontDoor] = {}
        self.door_urls: dict[str, str] = {}
        self.control_url = ""
        self.array_tokens: dict[str, str] = {}
        self.fronts: ArrayServers | None = None
        self._runners: list[web.AppRunner] = []

    async def start(self) -> None:
        """Bring everything up and seeded; the demo workload too if the configuration asks for it."""
        self.state.mkdir(parents=True, exist_ok=True)
        await self._start_arrays()
        await self._start_clouds()
        for site in self.clouds:
            await self._open_door(site)
        await self._start_control()
        self._write_files()
        if self.config.workload:
            await seed.create_workload(self.clouds["site-a"].url_of("identity"))

    async def stop(self) -> None:
        """Stop listening; the state is gone with the process."""
        for cloud in self.clouds.values():
            await cloud.stop()
        if self.fronts is not None:
            await self.fronts.close()
        for runner in self._runners:
            await runner.cleanup()

    async def _start_arrays(self) -> None:
        self.fronts = servers(self.state)
        for site, name in ARRAYS.items():
            settings = Settings()
            settings.change(self.config.array_settings)
            array = self.fabric.add(name, site, settings)
            self.array_tokens[name] = self.config.array_tokens.get(name) or secrets.token_hex(16)
            latency = self.profile.call("array")
            await self.fronts.add(array, [self.array_tokens[name]], self.calls, port=self._port(name), latency=latency)
        self.fabric.connect_all()
        one, other = (self.fabric.arrays[name] for name in ARRAYS.values())
        self.fabric.link(one, other).transfer_seconds = self.config.latency.transfer

    async def _start_clouds(self) -> None:
        counted = itertools.count(1)
        shared = Surroundings(self.clock, self.faults, self.calls, self.profile, counted, self.fabric.history)
        for site, array in ARRAYS.items():
            settings = CloudSettings(
                token_lifetime=self.config.token_lifetime,
                write_interval=self.config.write_interval,
                policy=self.config.cinder_policy,
                ports={key.partition("/")[2]: port for key, port in self.config.ports.items() if key.startswith(site)},
            )
            cloud = Cloud(site, self.fabric.arrays[array], shared, settings)
            await cloud.start()
            self.clouds[site] = cloud
            if self.config.seed:
                seed.seed(cloud)
        one, other = (cloud.volume.backend for cloud in self.clouds.values())
        replication.set_up(one, other, self.clock)
        replication.set_up(other, one, self.clock)

    async def _open_door(self, site: str) -> None:
        """A Protector's place in the catalog, whether somebody is behind it or not."""
        door = self.doors[site] = FrontDoor()
        guard = middleware(
            f"{site}/protector", site, self.faults, self.clock, self.profile.call("protector"), self.calls
        )
        app = web.Application(middlewares=[guard], client_max_size=16 * 2**20)
        door.routes(app)
        runner, port = await serve(app, port=self._port(f"{site}/protector"))
        self._runners.append(runner)
        self.door_urls[site] = f"http://127.0.0.1:{port}"
        self.clouds[site].identity.directory.add_service("protector", "protector", self.door_urls[site])

    async def _start_control(self) -> None:
        app = make_app(self.clock, self.faults, self.calls, set(self.clouds))
        if self.fronts is not None:
            array_control.add_routes(app, self.fabric, self.fronts.fronts)
        knobs.add_routes(app, self.clouds, self.profile)
        app.router.add_post("/sites/{site}/protector", self._set_protector)
        app.router.add_get("/state", self._show_state)
        app.router.add_get("/history", self._show_history)
        app.router.add_get("/world", self._show_world)
        app.router.add_post("/workload", self._make_workload)
        runner, port = await serve(app, port=self._port("control"))
        self._runners.append(runner)
        self.control_url = f"http://127.0.0.1:{port}"

    async def _set_protector(self, request: web.Request) -> web.Response:
        door = self.doors.get(request.match_info["site"])
        port = (await json_body(request)).get("port")
        if door is None:
            raise ControlError(f"no site {request.match_info['site']!r}", 404)
        if port is not None and not (isinstance(port, int) and 0 < port < 65536):
            raise ControlError('give "port" as a port number, or null for nobody')
        door.backend_port = port
        return web.json_response({"url": self.door_urls[request.match_info["site"]], "port": port})

    async def _show_state(self, request: web.Request) -> web.Response:
        body = {
            "time": self.clock.now(),
            "down": sorted(self.faults.down),
            "cut": sorted(sorted(pair) for pair in self.faults.cut),
            "clouds": {name: dump.cloud(cloud) for name, cloud in self.clouds.items()},
            "arrays": {array.name: array.dump() for array in self.fabric.arrays.values()},
        }
        return web.Response(text=json.dumps(body), content_type="application/json")

    async def _show_history(self, request: web.Request) -> web.Response:
        """`?since=n` leaves out the first n events."""
        since = request.query.get("since", "0")
        if not since.isdigit():
            raise ControlError('give "since" as the number of events that are known')
        return web.json_response(self.fabric.history.as_json(int(since)))

    async def _show_world(self, request: web.Request) -> web.Response:
        return web.json_response(self.describe())

    async def _make_workload(self, request: web.Request) -> web.Response:
        """The demo workload, once somebody wants it; or a crowd: `{"machines": n, "volumes": each, "prefix": …}`."""
        body = await json_body(request)
        machines = seed.WORKLOAD
        if "machines" in body:
            count, disks = int(number(body, "machines")), int(number({"volumes": 1, **body}, "volumes"))
            machines = seed.many(count, disks, str(body.get("prefix", "vm")))
        try:
            made = await seed.create_workload(self.clouds["site-a"].url_of("identity"), machines)
        except seed.WorkloadError as error:
            raise ControlError(str(error)) from error
        return web.json_response(made)

    def _port(self, name: str) -> int:
        return int(self.config.ports.get(name, 0))

    def describe(self) -> dict[str, Any]:
        """Every URL, token and path a client of this world needs."""
        ports = self.fronts.ports if self.fronts else {}
        certificate = str(self.fronts.certificate.resolve()) if self.fronts else ""
        return {
            "control": self.control_url,
            "clouds_yaml": str((self.state / "clouds.yaml").resolve()),
            "array_ca": certificate,
            "sites": {
                site: {
                    "auth_url": cloud.url_of("identity"),
                    "region": cloud.settings.region,
                    "services": dict(cloud.urls),
                    "protector": self.door_urls[site],
                    "cinder_host": cloud.volume.pool,
                    "array": ARRAYS[site],
                }
                for site, cloud in self.clouds.items()
            },
            "arrays": {
                name: {"url": f"https://127.0.0.1:{ports[name]}", "token": token, "id": self.fabric.arrays[name].id}
                for name, token in self.array_tokens.items()
            },
        }

    def _write_files(self) -> None:
        """Only the owner may read them: both hold what a client logs in with."""
        for name, text in (
            ("world.json", json.dumps(self.describe(), indent=2)),
            ("clouds.yaml", yaml.safe_dump(clouds_yaml(self.describe()), sort_keys=False)),
        ):
            path = self.state / name
            path.touch(mode=0o600)
            path.write_text(text)


def clouds_yaml(description: Mapping[str, Any]) -> dict[str, Any]:
    """clouds.yaml: `site-a` is dr-admin, `site-a-operator`, `-mallory` and `-protector` the others; the same for site-b."""
    clouds: dict[str, Any] = {}
    for site, entry in description["sites"].items():
        for user, (password, project, _) in seed.USERS.items():
            name = site if user == "dr-admin" else f"{site}-{user}"
            auth = {
                "auth_url": entry["auth_url"],
                "username": user,
                "password": password,
                "project_name": project,
                "user_domain_name": "Default",
                "project_domain_name": "Default",
            }
            clouds[name] = {"auth": auth, "region_name": entry["region"], "identity_api_version": "3"}
    return {"clouds": clouds}


@dataclass
class Running:
    """A world in a thread: its description, and a way into its event loop."""

    world: World
    loop: asyncio.AbstractEventLoop

    @property
    def description(self) -> dict[str, Any]:
        """What `READY` would say."""
        return self.world.describe()

    def call(self, action: Any) -> Any:
        """Run a coroutine in the world's loop and return its result."""
        return asyncio.run_coroutine_threadsafe(action, self.loop).result(timeout=60)


@contextmanager
def background(state: Path, config: WorldConfig | None = None) -> Iterator[Running]:
    """A world in a thread of this process, for as long as the block lasts; it starts in a fraction of a second."""
    world = World(config or WorldConfig(), state)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="sandbox-world", daemon=True)
    thread.start()
    running = Running(world, loop)
    try:
        running.call(world.start())
        yield running
    finally:
        running.call(world.stop())
        loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout=10)
        loop.close()
