"""The agent's control port: where machines and guests go wrong, and right again.

POST /times                               {"boot": s, "stop": s, "pod": s, "write": s}, any of them
POST /guests/{namespace}/{vm}             {"do": crash | poweroff | hang | stick | silence | recover}
POST /guests/{namespace}/{vm}/boot-failures   {"count": n}
POST /nodes/{name}                        {"mode": alive | mute | dead}
POST /site                                {"power": on | off}
POST /reset                               no delays, no faults, every node alive
GET  /state
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from aiohttp import web
from aiohttp.typedefs import Handler

from sandbox.control import ControlError, json_body
from sandbox.kubernetes.agent.guests import RUNNING
from sandbox.kubernetes.agent.machines import ALIVE, DEAD

if TYPE_CHECKING:
    from sandbox.kubernetes.agent.agent import Agent


@web.middleware
async def _errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except ControlError as error:
        return web.json_response({"error": str(error)}, status=error.status)
    except ValueError as error:
        return web.json_response({"error": str(error)}, status=400)


def make_app(agent: Agent) -> web.Application:
    """All routes; each answer is the state afterwards."""
    app = web.Application(middlewares=[_errors])

    def add(path: str, act: Callable[[web.Request, dict[str, object]], None]) -> None:
        async def handle(request: web.Request) -> web.Response:
            act(request, await json_body(request))
            agent.look_at_everything()
            return web.json_response(agent.state())

        app.router.add_post(path, handle)

    async def state(request: web.Request) -> web.Response:
        return web.json_response(agent.state())

    app.router.add_get("/state", state)
    add("/times", lambda request, body: agent.machines.times.change(body))  # type: ignore[arg-type]  # it checks each value
    add("/guests/{namespace}/{vm}", lambda request, body: _guest(agent, request, body))
    add("/guests/{namespace}/{vm}/boot-failures", lambda request, body: _fail_boots(agent, request, body))
    add("/nodes/{name}", lambda request, body: agent.set_node(request.match_info["name"], str(body.get("mode"))))
    add("/site", lambda request, body: _site(agent, body))
    add("/reset", lambda request, body: agent.reset())
    return app


def _vm(request: web.Request) -> str:
    return f"{request.match_info['namespace']}/{request.match_info['vm']}"


def _guest(agent: Agent, request: web.Request, body: dict[str, object]) -> None:
    """To each that runs; two of one VM, which should never be, are both meant."""
    running = [guest for guest in agent.guests.of(_vm(request)) if guest.state == RUNNING]
    if not running:
        raise ControlError(f"no guest of {_vm(request)} runs in {agent.settings.cluster}", 409)
    for guest in running:
        guest.do(str(body.get("do")))


def _fail_boots(agent: Agent, request: web.Request, body: dict[str, object]) -> None:
    count = body.get("count")
    if isinstance(count, bool) or not isinstance(count, int) or count < 0:
        raise ControlError('give "count" as a whole number, 0 or more')
    agent.machines.boot_failures[_vm(request)] = count


def _site(agent: Agent, body: dict[str, object]) -> None:
    modes = {"on": ALIVE, "off": DEAD}
    if body.get("power") not in modes:
        raise ControlError('give "power" as "on" or "off"')
    for node in agent.machines.modes:
        agent.set_node(node, modes[str(body["power"])])
