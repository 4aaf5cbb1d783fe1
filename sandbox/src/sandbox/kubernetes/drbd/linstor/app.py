"""The controller's routes."""

from __future__ import annotations

from typing import Any

from aiohttp import web
from aiohttp.typedefs import Middleware

from sandbox.kubernetes.drbd.controller import Controller
from sandbox.kubernetes.drbd.devices import Devices
from sandbox.kubernetes.drbd.linstor import answers, clusterwide, definitions, resources, snapshots
from sandbox.kubernetes.drbd.linstor.render import Render

VERSION = {
    "version": "1.34.0",
    "git_hash": "0" * 40,
    "build_time": "2026-06-30T00:00:00+00:00",
    "rest_api_version": "1.28.0",
}


def make_app(controller: Controller, devices: Devices, *middlewares: Middleware) -> web.Application:
    """The application to serve on port 3370 (or any)."""
    reports = answers.Reports()
    app = web.Application(middlewares=[*middlewares, answers.refusals(reports, controller.drbd.clock.now)])
    render = Render(controller, devices)

    def version(request: web.Request) -> Any:
        return VERSION

    def kept(request: web.Request) -> Any:
        return list(reports.kept)

    app.router.add_get("/v1/controller/version", answers.read(version))
    app.router.add_get("/v1/error-reports", answers.read(kept))
    clusterwide.add_routes(app.router, controller, render)
    definitions.add_routes(app.router, controller, render)
    resources.add_routes(app.router, controller, render)
    snapshots.add_routes(app.router, controller, render)
    return app
