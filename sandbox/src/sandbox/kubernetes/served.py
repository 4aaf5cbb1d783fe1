"""The world as a process of its own: its control port, and the files that people and tests find it by.

    POST /planes/{cluster1 | cluster2 | quorum}/{power-off | power-on | freeze | thaw | kill | start | restart}
    GET  /                          the description that also stands in world.json

Machines and guests have a control port for each cluster (`sandbox.kubernetes.agent.control`), disks have theirs (`sandbox.kubernetes.drbd.control`).
"""

from __future__ import annotations

import asyncio
import json
import signal
from pathlib import Path
from typing import Any

from aiohttp import web

from sandbox.http import serve
from sandbox.kubernetes.client import ApiError
from sandbox.kubernetes.cluster import Cluster
from sandbox.kubernetes.world import World
from sandbox.processes import ProcessError

VERBS = ("power-off", "power-on", "freeze", "thaw", "kill", "start", "restart")
# As the product's documentation calls the files.
KUBECONFIGS = {"cluster1": "cluster1", "cluster2": "cluster2", "dr-cluster": "cluster2", "quorum-cluster": "quorum"}
TOOLS = ("kubectl", "virtctl", "helm")


async def run(state: Path) -> None:
    """Until SIGTERM or SIGINT; the file `ready` is there for as long as everything serves."""
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    ready = state / "ready"
    ready.unlink(missing_ok=True)
    world = World(state / "planes")
    runner = None
    try:
        await asyncio.to_thread(world.start)
        runner, port = await serve(make_app(world))
        _write_down(world, f"http://127.0.0.1:{port}", state)
        ready.touch()
        await told.wait()
    finally:
        ready.unlink(missing_ok=True)
        if runner is not None:
            await runner.cleanup()
        await asyncio.to_thread(world.stop)


def make_app(world: World) -> web.Application:
    """One verb at a time for each plane; each answers when it is done."""
    app = web.Application()
    planes = {plane.name: plane for plane in world}
    locks = {name: asyncio.Lock() for name in planes}

    async def act(request: web.Request) -> web.Response:
        name, verb = request.match_info["plane"], request.match_info["verb"]
        if name not in planes or verb not in VERBS:
            known = f"planes {', '.join(planes)}; verbs {', '.join(VERBS)}"
            return web.json_response({"error": f"there is no {verb} of {name}; there are {known}"}, status=404)
        async with locks[name]:
            try:
                await asyncio.to_thread(_do, world, planes[name], verb)
            except (ProcessError, ApiError, OSError) as error:
                return web.json_response({"error": str(error)}, status=502)
        return web.json_response({})

    async def show(request: web.Request) -> web.Response:
        return web.json_response(describe(world, str(request.url.origin())))

    app.router.add_post("/planes/{plane}/{verb}", act)
    app.router.add_get("/", show)
    return app


def _do(world: World, plane: Cluster, verb: str) -> None:
    if verb == "power-off":
        world.power_off(plane)
    elif verb == "power-on":
        world.power_on(plane)
    elif verb == "start":
        plane.start()
        plane.wait()
    else:
        {"freeze": plane.freeze, "thaw": plane.thaw, "kill": plane.kill, "restart": plane.restart}[verb]()


def describe(world: World, control: str) -> dict[str, Any]:
    """Where everything is."""
    return {
        "control": control,
        "storage": world.storage.url,
        "linstor": world.storage.linstor,
        "planes": {
            plane.name: {
                "url": plane.url,
                "kubeconfig": str(plane.kubeconfig),
                "agent": plane.agent.url,
                "nodes": list(plane.nodes),
            }
            for plane in world
        },
    }


def _write_down(world: World, control: str, state: Path) -> None:
    """world.json, a kubeconfig under each name that documentation uses, and the tools in `bin`."""
    files = {plane.name: plane.kubeconfig for plane in world}
    for name, plane in KUBECONFIGS.items():
        _link(state / f"{name}.kubeconfig", files[plane])
    for tool in TOOLS:
        _link(state / "bin" / tool, world.programs[tool])
    (state / "world.json").write_text(json.dumps(describe(world, control), indent=1))


def _link(link: Path, target: Path) -> None:
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(target)
