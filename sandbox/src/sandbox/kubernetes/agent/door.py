"""virt-handler's own HTTPS endpoint: how virt-api reaches a guest to pause it or to ask its agent."""

from __future__ import annotations

import logging
from collections.abc import Callable

from aiohttp import web

from sandbox.kubernetes.agent.guests import RUNNING, Guest, Guests
from sandbox.kubernetes.agent.machines import Machines

_log = logging.getLogger(__name__)
_ROUTE = "/v1/namespaces/{namespace}/virtualmachineinstances/{name}/{action}"


def make_app(guests: Guests, machines: Machines, touch: Callable[[str], None]) -> web.Application:
    """PUT pause, unpause, softreboot, reset; GET guestosinfo. Consoles, disks and migrations are not played."""

    def running(request: web.Request) -> Guest:
        vm = f"{request.match_info['namespace']}/{request.match_info['name']}"
        for guest in guests.of(vm):
            if guest.state == RUNNING and machines.answers(guest.node):
                return guest
        raise web.HTTPInternalServerError(text=f"no guest of {vm} runs here")

    async def act(request: web.Request) -> web.Response:
        guest, action = running(request), request.match_info["action"]
        if action not in ("pause", "unpause", "softreboot", "reset"):
            raise web.HTTPNotFound(text=f"{action} is not played")
        if action in ("pause", "unpause"):
            guest.paused = action == "pause"
        _log.info("%s %s", action, guest.vm)
        touch(guest.vm)
        return web.Response(status=202)

    async def ask(request: web.Request) -> web.Response:
        guest = running(request)
        if request.match_info["action"] != "guestosinfo":
            raise web.HTTPNotFound(text="only guestosinfo is played")
        if guest.silent:
            raise web.HTTPInternalServerError(text="the guest agent does not answer")
        system = {"name": "Sandbox", "id": "sandbox", "version": "1"}
        return web.json_response({"guestAgentVersion": "1", "hostname": guest.vm.split("/")[1], "os": system})

    app = web.Application()
    app.router.add_put(_ROUTE, act)
    app.router.add_get(_ROUTE, ask)
    return app
