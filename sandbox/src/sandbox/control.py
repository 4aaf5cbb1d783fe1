"""The control port: how a test, a demo or a person makes things go wrong in a running world.

`make_app` gives the routes every world has; parts of a world add their own with `app.router.add_*` before it is served
(`sandbox.array.control.add_routes`, the cloud's likewise). All bodies and answers are JSON; bad input is a 400 whose
`error` says what to do, and changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from sandbox.clock import Clock
from sandbox.faults import Faults
from sandbox.http import CallLog


class ControlError(ValueError):
    """The caller asked for something that makes no sense; `status` is 400, or 404 for an unknown name."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


async def json_body(request: web.Request) -> dict[str, Any]:
    """The request's JSON object; an empty body is an empty object."""
    text = await request.text()
    try:
        body = json.loads(text) if text else {}
    except json.JSONDecodeError as error:
        raise ControlError(f"the body is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise ControlError("the body must be a JSON object")
    return body


def number(body: dict[str, Any], key: str) -> float:
    """A required number, at least 0."""
    value = body.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise ControlError(f'give "{key}" as a number, 0 or more')
    return float(value)


@web.middleware
async def _errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except ControlError as error:
        return web.json_response({"error": str(error)}, status=error.status)
    except ValueError as error:
        return web.json_response({"error": str(error)}, status=400)


def make_app(clock: Clock, faults: Faults, calls: CallLog, sites: Collection[str] = ()) -> web.Application:
    """The control application; with `sites` given, other site names are refused instead of silently doing nothing."""
    app = web.Application(middlewares=[_errors])
    _add_fault_routes(app, faults)
    _add_site_routes(app, faults, sites)
    _add_clock_and_calls(app, clock, calls)
    return app


def _add_fault_routes(app: web.Application, faults: Faults) -> None:
    async def show(request: web.Request) -> web.Response:
        cut = sorted(sorted(pair) for pair in faults.cut)
        return web.json_response({"faults": faults.list(), "down": sorted(faults.down), "cut": cut})

    async def add(request: web.Request) -> web.Response:
        return web.json_response({"id": faults.add(await json_body(request))}, status=201)

    async def remove(request: web.Request) -> web.Response:
        if not faults.remove(request.match_info["id"]):
            raise ControlError("no such fault: it was used up, or never there", 404)
        return web.json_response({})

    async def clear(request: web.Request) -> web.Response:
        faults.clear()
        return web.json_response({})

    app.router.add_get("/faults", show)
    app.router.add_post("/faults", add)
    app.router.add_delete("/faults", clear)
    app.router.add_delete("/faults/{id}", remove)


def _add_site_routes(app: web.Application, faults: Faults, sites: Collection[str]) -> None:
    def known(name: str) -> str:
        if sites and name not in sites:
            raise ControlError(f"no site {name!r}; there are {', '.join(sorted(sites))}", 404)
        return name

    def of_site(change: Callable[[str], None]) -> Handler:
        async def handle(request: web.Request) -> web.Response:
            change(known(request.match_info["site"]))
            return web.json_response({"down": sorted(faults.down)})

        return handle

    def of_target(change: Callable[[str], None]) -> Handler:
        async def handle(request: web.Request) -> web.Response:
            change(request.match_info["target"])
            return web.json_response({"down": sorted(faults.down)})

        return handle

    def of_link(change: Callable[[str, str], None]) -> Handler:
        async def handle(request: web.Request) -> web.Response:
            pair = (await json_body(request)).get("sites")
            if not (isinstance(pair, list) and len(pair) == 2 and all(isinstance(s, str) for s in pair)):
                raise ControlError('give "sites" as a list of two site names')
            change(known(pair[0]), known(pair[1]))
            return web.json_response({"cut": sorted(sorted(cut) for cut in faults.cut)})

        return handle

    app.router.add_post("/sites/{site}/down", of_site(faults.lose))
    app.router.add_post("/sites/{site}/up", of_site(faults.restore))
    app.router.add_post("/targets/{target:.+}/down", of_target(faults.lose))
    app.router.add_post("/targets/{target:.+}/up", of_target(faults.restore))
    app.router.add_post("/links/cut", of_link(faults.cut_link))
    app.router.add_post("/links/heal", of_link(faults.heal_link))


def _add_clock_and_calls(app: web.Application, clock: Clock, calls: CallLog) -> None:
    async def now(request: web.Request) -> web.Response:
        return web.json_response({"now": clock.now()})

    async def advance(request: web.Request) -> web.Response:
        clock.advance(number(await json_body(request), "seconds"))
        return web.json_response({"now": clock.now()})

    async def show(request: web.Request) -> web.Response:
        return web.json_response(calls.as_json())

    async def reset(request: web.Request) -> web.Response:
        calls.reset()
        return web.json_response({})

    app.router.add_get("/clock", now)
    app.router.add_post("/clock/advance", advance)
    app.router.add_get("/calls", show)
    app.router.add_post("/calls/reset", reset)
