"""Resources: one replica of a definition on one node."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from sandbox.kubernetes.drbd.controller import Controller, Refused, Told
from sandbox.kubernetes.drbd.linstor import codes
from sandbox.kubernetes.drbd.linstor.answers import change, read
from sandbox.kubernetes.drbd.linstor.render import Render
from sandbox.kubernetes.drbd.model import Resource

_ROOT = "/v1/resource-definitions/{name}/resources"
_CREATED = codes.CREATE | codes.RSC | codes.CREATED


def add_routes(router: web.UrlDispatcher, controller: Controller, render: Render) -> None:
    """Below one resource definition."""
    routes = _Resources(controller, render)
    router.add_get(_ROOT, read(routes.list))
    router.add_post(_ROOT, change(routes.create_many, 201))
    router.add_get(_ROOT + "/{node}", read(routes.show))
    router.add_post(_ROOT + "/{node}", change(routes.create, 201))
    router.add_delete(_ROOT + "/{node}", change(routes.delete))
    router.add_get(_ROOT + "/{node}/volumes", read(routes.volumes))
    router.add_post(_ROOT + "/{node}/make-available", change(routes.make_available))


class _Resources:
    def __init__(self, controller: Controller, render: Render) -> None:
        self._controller = controller
        self._render = render

    def _named(self, request: web.Request) -> Resource:
        return self._controller.resource(request.match_info["name"])

    def _one(self, request: web.Request) -> dict[str, Any]:
        resource, node = self._named(request), request.match_info["node"]
        if node not in resource.replicas:
            raise Refused(
                codes.FAIL_NOT_FOUND_RSC, f"Resource '{resource.name}' on node '{node}' not found.", status=404
            )
        return self._render.resource(resource, resource.replicas[node])

    def list(self, request: web.Request) -> Any:
        resource = self._named(request)
        return [self._render.resource(resource, replica) for replica in resource.replicas.values()]

    def show(self, request: web.Request) -> Any:
        return self._one(request)

    def volumes(self, request: web.Request) -> Any:
        return self._one(request)["volumes"]

    async def create(self, request: web.Request, body: dict[str, Any]) -> tuple[int, str, Told]:
        resource, node = self._named(request), request.match_info["node"]
        return (
            _CREATED,
            f"New resource '{resource.name}' on node '{node}' registered.",
            self._place(resource, node, body),
        )

    async def create_many(self, request: web.Request, body: dict[str, Any]) -> tuple[int, str, Told]:
        resource, told = self._named(request), Told()
        for one in body["list"]:
            told.entries += self._place(resource, str(one.get("resource", {}).get("node_name", "")), one).entries
        return _CREATED, f"New resources of '{resource.name}' registered.", told

    async def make_available(self, request: web.Request, body: dict[str, Any]) -> tuple[int, str, Told]:
        """What CSI calls before it attaches: nothing when there is a replica, a diskless one otherwise."""
        resource, node = self._named(request), request.match_info["node"]
        if node in resource.replicas:
            return _CREATED, f"Resource '{resource.name}' on node '{node}' already available.", Told()
        told = self._controller.place(resource, node, diskful=bool(body.get("diskful")))
        return _CREATED, f"Resource '{resource.name}' made available on node '{node}'.", told

    async def delete(self, request: web.Request, body: dict[str, Any]) -> tuple[int, str, Told]:
        resource, node = self._named(request), request.match_info["node"]
        told = self._controller.unplace(resource, node)
        return codes.DELETE | codes.RSC | codes.DELETED, f"Resource '{resource.name}' on node '{node}' deleted.", told

    def _place(self, resource: Resource, node: str, body: dict[str, Any]) -> Told:
        wanted = body.get("resource", {})
        diskless = {"DISKLESS", "DRBD_DISKLESS"} & set(wanted.get("flags") or [])
        pool = str((wanted.get("props") or {}).get("StorPoolName", ""))
        return self._controller.place(resource, node, diskful=not diskless, pool=pool)
