"""The agent's control port: where machines and guests go wrong, and right again.

POST /times                               {"boot": s, "stop": s, "pod": s, "write": s}, any of them
POST /guests/{namespace}/{vm}             {"do": crash | poweroff | hang | stick | silence | recover}
POST /guests/{namespace}/{vm}/boot-failures   {"count": n}
POST /nodes/{name}                        {"mode": alive | mute | dead}
POST /site                                {"power": on | off}
POST /reset                               no delays, no faults, every node alive
GET  /state
GET  /history                             when guests began and ceased to execute, for checkers (`?since=NUMBER` for what came later)
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp import web
from aiohttp.typedefs import Handler

from sandbox.control import ControlError, json_body
from sandbox.kubernetes.agent.guests import RUNNING
from sandbox.kubernetes.agent.machines import ALIVE, DEAD

if TYPE_CHECKING:
    from sandbox.kubernetes.agent.agent import Agent


_Act = Callable[[web.Request, dict[str, Any]], Awaitable[None]]


@web.middleware
async def _errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except ControlError as error:
        return web.json_response({"error": str(error)}, status=error.status)
    except ValueError as error:
        return web.json_response({"error": str(error)}, status=400)
    except (aiohttp.ClientError, TimeoutError) as error:
        return web.json_response({"error": f"the storage world does not answer: {error}"}, status=502)


def make_app(agent: Agent) -> web.Application:
    """All routes; each answer is the state afterwards."""
    app = web.Application(middlewares=[_errors])
    routes = _Routes(agent)

    def add(path: str, act: _Act) -> None:
        async def handle(request: web.Request) -> web.Response:
            await act(request, await json_body(request))
            agent.look_at_everything()
            return web.json_response(agent.state())

        app.router.add_post(path, handle)

    async def state(request: web.Request) -> web.Response:
        return web.json_response(agent.state())

    async def history(request: web.Request) -> web.Response:
        return web.json_response(agent.history.as_json(int(request.query.get("since", "0"))))

    app.router.add_get("/state", state)
    app.router.add_get("/history", history)
    add("/times", routes.times)
    add("/guests/{namespace}/{vm}", routes.guest)
    add("/guests/{namespace}/{vm}/boot-failures", routes.fail_boots)
    add("/nodes/{name}", routes.node)
    add("/site", routes.site)
    add("/reset", routes.reset)
    return app


class _Routes:
    def __init__(self, agent: Agent) -> None:
        self._agent = agent

    async def times(self, request: web.Request, body: dict[str, Any]) -> None:
        self._agent.machines.times.change(body)

    async def guest(self, request: web.Request, body: dict[str, Any]) -> None:
        """To each that runs; two of one VM, which should never be, are both meant."""
        running = [guest for guest in self._agent.guests.of(_vm(request)) if guest.state == RUNNING]
        if not running:
            raise ControlError(f"no guest of {_vm(request)} runs in {self._agent.settings.cluster}", 409)
        for guest in running:
            guest.do(str(body.get("do")))

    async def fail_boots(self, request: web.Request, body: dict[str, Any]) -> None:
        count = body.get("count")
        if isinstance(count, bool) or not isinstance(count, int) or count < 0:
            raise ControlError('give "count" as a whole number, 0 or more')
        self._agent.machines.boot_failures[_vm(request)] = count

    async def node(self, request: web.Request, body: dict[str, Any]) -> None:
        await self._agent.set_node(request.match_info["name"], str(body.get("mode")))

    async def site(self, request: web.Request, body: dict[str, Any]) -> None:
        modes = {"on": ALIVE, "off": DEAD}
        if body.get("power") not in modes:
            raise ControlError('give "power" as "on" or "off"')
        await self._agent.set_site(modes[str(body["power"])])

    async def reset(self, request: web.Request, body: dict[str, Any]) -> None:
        await self._agent.reset()


def _vm(request: web.Request) -> str:
    return f"{request.match_info['namespace']}/{request.match_info['vm']}"
