"""The DRBD world on the wire: one control port with the guests' door, and LINSTOR's controller at one or more addresses."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field

from aiohttp import web

from sandbox.clock import Clock
from sandbox.control import make_app
from sandbox.faults import Faults
from sandbox.history import History
from sandbox.http import CallLog, middleware, serve
from sandbox.kubernetes.drbd import control, door
from sandbox.kubernetes.drbd.clusters import Clusters
from sandbox.kubernetes.drbd.controller import Controller
from sandbox.kubernetes.drbd.devices import Devices
from sandbox.kubernetes.drbd.linstor.app import make_app as make_linstor
from sandbox.kubernetes.drbd.model import Node
from sandbox.kubernetes.drbd.taints import Wanted
from sandbox.kubernetes.drbd.world import Drbd


class World:
    """Everything of one DRBD world, for use in one process (tests) or behind ports (`start`)."""

    def __init__(self, nodes: Iterable[Node] = (), home: str = "quorum", clock: Clock | None = None) -> None:
        self.clock = clock or Clock()
        self.faults = Faults()
        self.calls = CallLog()
        self.history = History(self.clock)
        self.drbd = Drbd(self.clock, self.faults, home, self.history.of(""))
        self.controller = Controller(self.drbd)
        self.devices = Devices(self.drbd)
        self.wanted = Wanted(self.drbd)
        self.clusters = Clusters(self.drbd, self.wanted)
        for node in nodes:
            self.drbd.add_node(node)
        self.controller.look()

    def volume(self, name: str, *nodes: str, size_kib: int = 1 << 20, **props: str) -> None:
        """A volume with replicas on these nodes, as CSI would have LINSTOR make it."""
        resource = self.controller.define(name, size_kib, props=props)
        for node in nodes:
            self.controller.place(resource, node)

    def linstor_app(self, target: str = "linstor") -> web.Application:
        """The controller's REST, with the faults of its target."""
        guard = middleware(target, self.drbd.home, self.faults, self.clock, _no_latency, self.calls)
        return make_linstor(self.controller, self.devices, guard)

    def control_app(self) -> web.Application:
        """The control port: faults, DRBD, history, and the guests' door."""
        sites = _Sites(self.drbd)
        app = make_app(self.clock, self.faults, self.calls, sites)
        control.add_routes(app, self.controller, self.devices, self.wanted, self.clusters)
        door.add_routes(app, self.drbd, self.devices)

        async def history(request: web.Request) -> web.Response:
            return web.json_response(self.history.as_json(int(request.query.get("since", "0"))))

        app.router.add_get("/history", history)
        return app


@dataclass
class Running:
    """Where a world listens."""

    control: str
    controllers: list[str]
    _world: World
    _runners: list[web.AppRunner] = field(default_factory=list)

    async def close(self) -> None:
        """Stop listening and let go of the clusters."""
        await self._world.clusters.close()
        for runner in self._runners:
            await runner.cleanup()


async def start(world: World, control_port: int = 0, linstor_ports: Iterable[int] = (0,)) -> Running:
    """Listen on loopback; the first controller address is the fault target `linstor`, the next ones `linstor-2`, …"""
    runner, port = await serve(world.control_app(), port=control_port)
    running = Running(f"http://127.0.0.1:{port}", [], world, [runner])
    for index, wanted in enumerate(linstor_ports):
        runner, port = await serve(world.linstor_app("linstor" if index == 0 else f"linstor-{index + 1}"), port=wanted)
        running.controllers.append(f"http://127.0.0.1:{port}")
        running._runners.append(runner)
    return running


class _Sites(Collection[str]):
    """The clusters' names as they are when asked for: nodes may join later."""

    def __init__(self, drbd: Drbd) -> None:
        self._drbd = drbd

    def _names(self) -> set[str]:
        return self._drbd.clusters()

    def __contains__(self, name: object) -> bool:
        return name in self._names()

    def __iter__(self) -> Iterator[str]:
        return iter(self._names())

    def __len__(self) -> int:
        return len(self._names())


def _no_latency() -> float:
    return 0.0
