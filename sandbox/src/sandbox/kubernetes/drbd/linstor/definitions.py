"""Resource and volume definitions, their connections' properties, and whether a resource is in sync everywhere."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from sandbox.kubernetes.drbd.controller import Controller, Refused, Told
from sandbox.kubernetes.drbd.linstor import codes
from sandbox.kubernetes.drbd.linstor.answers import change, read
from sandbox.kubernetes.drbd.linstor.clusterwide import chosen
from sandbox.kubernetes.drbd.linstor.render import Render
from sandbox.kubernetes.drbd.model import Disk, Resource

_ROOT = "/v1/resource-definitions"


def add_routes(router: web.UrlDispatcher, controller: Controller, render: Render) -> None:
    """Below /v1/resource-definitions."""
    routes = _Definitions(controller, render)
    router.add_get(_ROOT, read(routes.list))
    router.add_post(_ROOT, change(routes.create, 201))
    router.add_get(_ROOT + "/{name}", read(routes.show))
    router.add_put(_ROOT + "/{name}", change(routes.modify))
    router.add_delete(_ROOT + "/{name}", change(routes.delete))
    router.add_get(_ROOT + "/{name}/volume-definitions", read(routes.volumes))
    router.add_post(_ROOT + "/{name}/volume-definitions", change(routes.add_volume, 201))
    router.add_get(_ROOT + "/{name}/sync-status", read(routes.sync_status))
    router.add_get(_ROOT + "/{name}/resource-connections", read(routes.connections))
    router.add_get(_ROOT + "/{name}/resource-connections/{one}/{other}", read(routes.connection))
    router.add_put(_ROOT + "/{name}/resource-connections/{one}/{other}", change(routes.modify_connection))


class _Definitions:
    def __init__(self, controller: Controller, render: Render) -> None:
        self._controller = controller
        self._drbd = controller.drbd
        self._render = render

    def _named(self, request: web.Request) -> Resource:
        return self._controller.resource(request.match_info["name"])

    def list(self, request: web.Request) -> Any:
        names, volumes = (
            chosen(request, "resource_definitions"),
            request.query.get("with_volume_definitions", "").lower() == "true",
        )
        every = self._controller.resources()
        return [self._render.definition(each, volumes) for each in every if names is None or each.name.lower() in names]

    def show(self, request: web.Request) -> Any:
        return self._render.definition(self._named(request))

    async def create(self, request: web.Request, body: dict[str, Any]) -> tuple[int, str, Told]:
        wanted = body.get("resource_definition", {})
        name, group = str(wanted.get("name", "")), str(wanted.get("resource_group_name") or "DfltRscGrp")
        self._controller.define(name, group=group, props=wanted.get("props", {}))
        return codes.CREATE | codes.RSC_DFN | codes.CREATED, f"New resource definition '{name}' created.", Told()

    async def modify(self, request: web.Request, body: dict[str, Any]) -> tuple[int, str, Told]:
        resource = self._named(request)
        told = self._controller.modify(resource, body.get("override_props") or {}, body.get("delete_props") or [])
        return codes.MODIFY | codes.RSC_DFN | codes.MODIFIED, f"Resource definition '{resource.name}' modified.", told

    async def delete(self, request: web.Request, body: dict[str, Any]) -> tuple[int, str, Told]:
        resource = self._named(request)
        self._controller.drop(resource)
        return codes.DELETE | codes.RSC_DFN | codes.DELETED, f"Resource definition '{resource.name}' deleted.", Told()

    def volumes(self, request: web.Request) -> Any:
        return self._render.volume_definitions(self._named(request))

    async def add_volume(self, request: web.Request, body: dict[str, Any]) -> tuple[int, str, Told]:
        resource, size = self._named(request), body.get("volume_definition", {}).get("size_kib", 0)
        if resource.size_kib:
            raise Refused(
                codes.FAIL_EXISTS_VLM_DFN, f"Volume definition 0 of '{resource.name}' already exists.", status=409
            )
        if not isinstance(size, int) or size < 1:
            raise Refused(codes.FAIL_INVLD_VLM_SIZE, f"Volume size {size} is invalid.")
        resource.size_kib = size
        return (
            codes.CREATE | codes.VLM_DFN | codes.CREATED,
            f"New volume definition of '{resource.name}' created.",
            Told(),
        )

    def sync_status(self, request: web.Request) -> Any:
        resource = self._named(request)
        nodes = [self._drbd.nodes[replica.node] for replica in resource.diskful()]
        synced = all(replica.disk is Disk.UP_TO_DATE for replica in resource.diskful()) and all(
            map(self._drbd.is_online, nodes)
        )
        return {"synced_on_all": synced}

    def connections(self, request: web.Request) -> Any:
        resource = self._named(request)
        return [self._render.connection(resource, one.node, other.node) for one, other in resource.pairs()]

    def connection(self, request: web.Request) -> Any:
        return self._render.connection(self._named(request), request.match_info["one"], request.match_info["other"])

    async def modify_connection(self, request: web.Request, body: dict[str, Any]) -> tuple[int, str, Told]:
        resource, pair = self._named(request), frozenset({request.match_info["one"], request.match_info["other"]})
        for node in pair:
            if node not in resource.replicas:
                raise Refused(
                    codes.FAIL_NOT_FOUND_RSC, f"Resource '{resource.name}' on node '{node}' not found.", status=404
                )
        props = resource.connection_props.setdefault(pair, {})
        props.update({str(key): str(value) for key, value in (body.get("override_props") or {}).items()})
        for key in body.get("delete_props") or []:
            props.pop(key, None)
        told = Told(self._controller.adjust(resource))
        return codes.MODIFY | codes.RSC_CONN | codes.MODIFIED, "Resource connection modified.", told
