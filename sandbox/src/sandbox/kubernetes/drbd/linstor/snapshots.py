"""Snapshots and what is made from them."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from sandbox.kubernetes.drbd import snapshots
from sandbox.kubernetes.drbd.controller import Controller, Refused, Told
from sandbox.kubernetes.drbd.linstor import codes
from sandbox.kubernetes.drbd.linstor.answers import change, read
from sandbox.kubernetes.drbd.linstor.clusterwide import chosen
from sandbox.kubernetes.drbd.linstor.render import Render
from sandbox.kubernetes.drbd.model import Resource

_ROOT = "/v1/resource-definitions/{name}"
_CREATED = codes.CREATE | codes.SNAPSHOT | codes.CREATED


def add_routes(router: web.UrlDispatcher, controller: Controller, render: Render) -> None:
    """Below one resource definition, and the view over all."""
    routes = _Snapshots(controller, render)
    router.add_get("/v1/view/snapshots", read(routes.view))
    router.add_post("/v1/actions/snapshot/multi", change(routes.take_many, 201))
    router.add_get(_ROOT + "/snapshots", read(routes.list))
    router.add_post(_ROOT + "/snapshots", change(routes.take, 201))
    router.add_get(_ROOT + "/snapshots/{snapshot}", read(routes.show))
    router.add_delete(_ROOT + "/snapshots/{snapshot}", change(routes.delete))
    router.add_post(_ROOT + "/snapshot-restore-volume-definition/{snapshot}", change(routes.restore_volumes))
    router.add_post(_ROOT + "/snapshot-restore-resource/{snapshot}", change(routes.restore))


class _Snapshots:
    def __init__(self, controller: Controller, render: Render) -> None:
        self._controller = controller
        self._render = render

    def _named(self, request: web.Request) -> Resource:
        return self._controller.resource(request.match_info["name"])

    def view(self, request: web.Request) -> Any:
        names = chosen(request, "resources")
        every = self._controller.resources()
        return [
            self._render.snapshot(resource, taken)
            for resource in every
            if names is None or resource.name.lower() in names
            for taken in resource.snapshots.values()
        ]

    def list(self, request: web.Request) -> Any:
        resource = self._named(request)
        return [self._render.snapshot(resource, taken) for taken in resource.snapshots.values()]

    def show(self, request: web.Request) -> Any:
        resource = self._named(request)
        return self._render.snapshot(resource, snapshots.find(resource, request.match_info["snapshot"]))

    async def take(self, request: web.Request, body: dict[str, Any]) -> tuple[int, str, Told]:
        resource, name = self._named(request), str(body.get("name", ""))
        snapshots.take(self._controller, resource, name, body.get("nodes") or [])
        return _CREATED, f"New snapshot '{name}' of resource '{resource.name}' registered.", Told()

    async def take_many(self, request: web.Request, body: dict[str, Any]) -> tuple[int, str, Told]:
        """Several resources at one instant: all or none."""
        wanted = [
            (self._controller.resource(str(one.get("resource_name", ""))), one) for one in body.get("snapshots") or []
        ]
        taken: list[tuple[Resource, str]] = []
        try:
            for resource, one in wanted:
                snapshots.take(self._controller, resource, str(one.get("name", "")), one.get("nodes") or [])
                taken.append((resource, str(one["name"])))
        except Refused:
            for resource, name in taken:
                snapshots.delete(self._controller, resource, name)
            raise
        return _CREATED, "New snapshots registered.", Told()

    async def delete(self, request: web.Request, body: dict[str, Any]) -> tuple[int, str, Told]:
        resource, name = self._named(request), request.match_info["snapshot"]
        snapshots.delete(self._controller, resource, name)
        return (
            codes.DELETE | codes.SNAPSHOT | codes.DELETED,
            f"Snapshot '{name}' of resource '{resource.name}' deleted.",
            Told(),
        )

    async def restore_volumes(self, request: web.Request, body: dict[str, Any]) -> tuple[int, str, Told]:
        resource, target = self._named(request), self._controller.resource(str(body.get("to_resource", "")))
        snapshots.find(resource, request.match_info["snapshot"])
        target.size_kib = resource.size_kib
        return codes.CREATE | codes.VLM_DFN | codes.CREATED, f"Volume definitions of '{target.name}' restored.", Told()

    async def restore(self, request: web.Request, body: dict[str, Any]) -> tuple[int, str, Told]:
        resource, target = self._named(request), self._controller.resource(str(body.get("to_resource", "")))
        taken = snapshots.find(resource, request.match_info["snapshot"])
        told = snapshots.restore(self._controller, taken, target, body.get("nodes") or [])
        return codes.CREATE | codes.RSC | codes.CREATED, f"Snapshot '{taken.name}' restored to '{target.name}'.", told
