"""Nodes, storage pools, resource groups, the controller's own properties, and the view over all resources."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from sandbox.kubernetes.drbd.controller import Controller, Group, Told
from sandbox.kubernetes.drbd.linstor import codes
from sandbox.kubernetes.drbd.linstor.answers import change, read
from sandbox.kubernetes.drbd.linstor.render import Render


def add_routes(router: web.UrlDispatcher, controller: Controller, render: Render) -> None:
    """Everything that is not below one resource definition."""
    routes = _Clusterwide(controller, render)
    router.add_get("/v1/controller/properties", read(routes.properties))
    router.add_post("/v1/controller/properties", change(routes.set_property))
    router.add_get("/v1/nodes", read(routes.nodes))
    router.add_get("/v1/nodes/{node}", read(routes.node))
    router.add_put("/v1/nodes/{node}", change(routes.modify_node))
    router.add_get("/v1/view/resources", read(routes.resources))
    router.add_get("/v1/view/storage-pools", read(routes.pools))
    router.add_get("/v1/resource-groups", read(routes.groups))
    router.add_post("/v1/resource-groups", change(routes.add_group, 201))


def chosen(request: web.Request, key: str) -> list[str] | None:
    """A filter given once or often (`nodes=a&nodes=b`, or `nodes=a,b`), lower case; None without one."""
    given = [name.lower() for text in request.query.getall(key, []) for name in text.split(",") if name]
    return given or None


class _Clusterwide:
    def __init__(self, controller: Controller, render: Render) -> None:
        self._controller = controller
        self._drbd = controller.drbd
        self._render = render

    def properties(self, request: web.Request) -> Any:
        return self._controller.props

    async def set_property(self, request: web.Request, body: dict[str, Any]) -> tuple[int, str, Told]:
        self._controller.props.update({str(key): str(value) for key, value in body.get("override_props", {}).items()})
        for key in body.get("delete_props", []):
            self._controller.props.pop(key, None)
        for resource in self._controller.resources():
            self._controller.adjust(resource)
        return codes.MODIFY | codes.MODIFIED, "Successfully set property on controller", Told()

    def nodes(self, request: web.Request) -> Any:
        names = chosen(request, "nodes")
        return [
            self._render.node(node) for node in self._drbd.nodes.values() if names is None or node.name.lower() in names
        ]

    def node(self, request: web.Request) -> Any:
        return self._render.node(self._controller.node(request.match_info["node"]))

    async def modify_node(self, request: web.Request, body: dict[str, Any]) -> tuple[int, str, Told]:
        node = self._controller.node(request.match_info["node"])
        node.props.update({str(key): str(value) for key, value in body.get("override_props", {}).items()})
        for key in body.get("delete_props", []):
            node.props.pop(key, None)
        return codes.MODIFY | codes.NODE | codes.MODIFIED, f"Node '{node.name}' modified.", Told()

    def resources(self, request: web.Request) -> Any:
        nodes, names = chosen(request, "nodes"), chosen(request, "resources")
        return [
            self._render.resource(resource, replica)
            for resource in self._controller.resources()
            if names is None or resource.name.lower() in names
            for replica in resource.replicas.values()
            if nodes is None or replica.node.lower() in nodes
        ]

    def pools(self, request: web.Request) -> Any:
        names = chosen(request, "nodes")
        nodes = [
            node for node in self._drbd.nodes.values() if node.pool and (names is None or node.name.lower() in names)
        ]
        return [self._render.pool(node) for node in nodes]

    def groups(self, request: web.Request) -> Any:
        names = chosen(request, "resource_groups")
        return [
            {
                "name": group.name,
                "props": group.props,
                "select_filter": {"place_count": group.place_count},
                "uuid": group.name,
            }
            for group in self._controller.groups.values()
            if names is None or group.name.lower() in names
        ]

    async def add_group(self, request: web.Request, body: dict[str, Any]) -> tuple[int, str, Told]:
        name, places = str(body.get("name")), body.get("select_filter", {}).get("place_count", 2)
        self._controller.groups[name] = Group(name, dict(body.get("props", {})), int(places))
        return codes.CREATE | codes.CREATED, f"New resource group '{name}' created.", Told()
