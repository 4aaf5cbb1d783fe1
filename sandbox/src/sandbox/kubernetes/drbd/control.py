"""The DRBD part of the control port, beside the faults every world has (`sandbox.control`).

There: `POST /sites/{cluster}/down|up` (power of a cluster), `POST /targets/{cluster}/{node}/down|up` (power of one node),
`POST /links/cut|heal {"sites": [a, b]}` (everything between two clusters; a cut from the quorum cluster also hides satellites from the controller),
`POST /faults {"target": "linstor", "mode": "late|delay|half|hang|reset|fail|apply_then_fail", "times": n, "path", "method", "status", "delay"}`.

GET    /drbd                                  nodes, settings, quorum taints wanted
GET    /drbd/volumes[/{volume}]               the truth about all volumes, or one
POST   /drbd/volumes                          {"name", "nodes": [..], "size_kib", "props"} as CSI would have made it
POST   /drbd/volumes/{volume}/link            {"up": bool} replication of this volume between the clusters alone
POST   /drbd/volumes/{volume}/discard         {"node"} that side gives up its data; /connect {"node"} leaves StandAlone
POST   /drbd/volumes/{volume}/fail-promotions {"times": n}
POST   /drbd/volumes/{volume}/outdate         {"node"}
POST   /drbd/nodes                            {"name", "cluster", "pool"}
POST   /drbd/nodes/{node}/satellite           {"answers": bool} DRBD goes on, the controller does not hear of it
POST   /drbd/clusters/{cluster}/isolate       {"isolated": bool} cuts it from all others, or gives it back, at one instant
POST   /drbd/settings                         {"resync_seconds", "resync_paused"}
GET    /drbd/taints/{cluster}                 node → keys wanted
POST   /drbd/taints/{node}                    {"keys": [..]} by hand, null gives back to DRBD
POST   /drbd/clusters/{cluster}               {"kubeconfig": path, "period": seconds, "taints": bool, "operator": bool}; DELETE lets go
GET    /history                               what happened, for checkers
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from sandbox.control import ControlError, json_body, number
from sandbox.kubernetes.drbd import mending
from sandbox.kubernetes.drbd.clusters import Clusters
from sandbox.kubernetes.drbd.controller import Controller, Refused
from sandbox.kubernetes.drbd.devices import Devices
from sandbox.kubernetes.drbd.model import Disk, Node, Replica, Resource
from sandbox.kubernetes.drbd.picture import picture
from sandbox.kubernetes.drbd.taints import OURS, Wanted

_Act = Callable[[web.Request, dict[str, Any]], Awaitable[Any]]


def add_routes(
    app: web.Application, controller: Controller, devices: Devices, wanted: Wanted, clusters: Clusters
) -> None:
    """Add them to a control application."""
    routes = _Routes(controller, devices, wanted, clusters)
    router = app.router
    router.add_get("/drbd", _json(routes.show))
    router.add_get("/drbd/volumes", _json(routes.volumes))
    router.add_post("/drbd/volumes", _json(routes.create))
    router.add_get("/drbd/volumes/{volume}", _json(routes.volume))
    router.add_post("/drbd/volumes/{volume}/link", _json(routes.link))
    router.add_post("/drbd/volumes/{volume}/discard", _json(routes.discard))
    router.add_post("/drbd/volumes/{volume}/connect", _json(routes.connect))
    router.add_post("/drbd/volumes/{volume}/fail-promotions", _json(routes.fail_promotions))
    router.add_post("/drbd/volumes/{volume}/outdate", _json(routes.outdate))
    router.add_post("/drbd/nodes", _json(routes.add_node))
    router.add_post("/drbd/nodes/{node}/satellite", _json(routes.satellite))
    router.add_post("/drbd/settings", _json(routes.settings))
    router.add_get("/drbd/taints/{cluster}", _json(routes.taints))
    router.add_post("/drbd/taints/{node}", _json(routes.taint))
    router.add_post("/drbd/clusters/{cluster}", _json(routes.attach))
    router.add_post("/drbd/clusters/{cluster}/isolate", _json(routes.isolate))
    router.add_delete("/drbd/clusters/{cluster}", _json(routes.release))


def _json(act: _Act) -> Handler:
    async def handle(request: web.Request) -> web.Response:
        try:
            return web.json_response(await act(request, await json_body(request)))
        except Refused as error:
            raise ControlError(f"{error} {error.cause}".strip(), 404 if error.status == 404 else 400) from error

    return handle


def _flag(body: dict[str, Any], key: str, default: bool | None = None) -> bool:
    value = body.get(key, default)
    if not isinstance(value, bool):
        raise ControlError(f'give "{key}" as true or false')
    return value


class _Routes:
    def __init__(self, controller: Controller, devices: Devices, wanted: Wanted, clusters: Clusters) -> None:
        self._controller = controller
        self._drbd = controller.drbd
        self._devices = devices
        self._wanted = wanted
        self._clusters = clusters

    def _volume(self, request: web.Request) -> Resource:
        """Also one that DRBD Operators made, which LINSTOR does not know."""
        name = request.match_info["volume"]
        found = self._drbd.resources.get(name)
        if found is None:
            raise ControlError(f"there is no volume {name}", 404)
        return found

    def _replica(self, request: web.Request, body: dict[str, Any]) -> tuple[Resource, Replica]:
        resource = self._volume(request)
        if body.get("node") not in resource.replicas:
            raise ControlError(f'give "node" as one of {", ".join(sorted(resource.replicas))}')
        return resource, resource.replicas[body["node"]]

    async def show(self, request: web.Request, body: dict[str, Any]) -> Any:
        nodes = {
            node.name: {
                "cluster": node.cluster,
                "pool": node.pool,
                "up": self._drbd.is_up(node),
                "online": self._drbd.is_online(node),
            }
            for node in self._drbd.nodes.values()
        }
        names = sorted({node.cluster for node in self._drbd.nodes.values()})
        taints = {name: {node: sorted(keys) for node, keys in self._wanted.of(name).items()} for name in names}
        return {
            "nodes": nodes,
            "settings": vars(self._drbd.settings),
            "taints": taints,
            "clusters": self._clusters.as_json(),
        }

    async def volumes(self, request: web.Request, body: dict[str, Any]) -> Any:
        return {name: picture(self._drbd, resource) for name, resource in self._drbd.resources.items()}

    async def volume(self, request: web.Request, body: dict[str, Any]) -> Any:
        return picture(self._drbd, self._volume(request))

    async def create(self, request: web.Request, body: dict[str, Any]) -> Any:
        name, nodes, size = (
            str(body.get("name", "")),
            body.get("nodes"),
            int(number({"size_kib": 1 << 20, **body}, "size_kib")),
        )
        if not isinstance(nodes, list) or not nodes:
            raise ControlError('give "nodes" as a list of node names')
        for node in nodes:
            self._controller.node(str(node))
        resource = self._controller.define(name, size, str(body.get("group", "DfltRscGrp")), body.get("props") or {})
        for node in nodes:
            self._controller.place(resource, str(node))
        return picture(self._drbd, resource)

    async def link(self, request: web.Request, body: dict[str, Any]) -> Any:
        resource = self._volume(request)
        resource.cut = not _flag(body, "up")
        self._drbd.settle_resource(resource)
        return picture(self._drbd, resource)

    async def discard(self, request: web.Request, body: dict[str, Any]) -> Any:
        resource, replica = self._replica(request, body)
        mending.discard(self._drbd, resource, replica.node)
        return picture(self._drbd, resource)

    async def connect(self, request: web.Request, body: dict[str, Any]) -> Any:
        resource, replica = self._replica(request, body)
        mending.connect(self._drbd, resource, replica.node)
        return picture(self._drbd, resource)

    async def outdate(self, request: web.Request, body: dict[str, Any]) -> Any:
        resource, replica = self._replica(request, body)
        if replica.primary or not replica.diskful:
            raise ControlError("only a Secondary with a disk can be outdated")
        replica.disk = Disk.OUTDATED
        return picture(self._drbd, resource)

    async def fail_promotions(self, request: web.Request, body: dict[str, Any]) -> Any:
        self._devices.fail_next[self._volume(request).name] = int(number(body, "times"))
        return self._devices.fail_next

    async def add_node(self, request: web.Request, body: dict[str, Any]) -> Any:
        name, cluster = body.get("name"), body.get("cluster")
        if not isinstance(name, str) or not isinstance(cluster, str) or not name or not cluster:
            raise ControlError('give "name" and "cluster" as text')
        node = self._drbd.add_node(Node(name, cluster, str(body.get("pool", "pool"))))
        self._controller.look()
        return {"name": node.name, "cluster": node.cluster, "pool": node.pool}

    async def satellite(self, request: web.Request, body: dict[str, Any]) -> Any:
        node = self._controller.node(request.match_info["node"])
        node.answers = _flag(body, "answers")
        self._controller.look()
        return {"name": node.name, "online": self._drbd.is_online(node)}

    async def settings(self, request: web.Request, body: dict[str, Any]) -> Any:
        unknown = body.keys() - {"resync_seconds", "resync_paused"}
        if unknown:
            raise ControlError(f"unknown keys {', '.join(sorted(unknown))}; there are resync_seconds and resync_paused")
        seconds = number(body, "resync_seconds") if "resync_seconds" in body else None
        paused = _flag(body, "resync_paused") if "resync_paused" in body else None
        self._drbd.change_settings(resync_seconds=seconds, resync_paused=paused)
        return vars(self._drbd.settings)

    async def taints(self, request: web.Request, body: dict[str, Any]) -> Any:
        return {node: sorted(keys) for node, keys in self._wanted.of(request.match_info["cluster"]).items()}

    async def taint(self, request: web.Request, body: dict[str, Any]) -> Any:
        node, keys = self._controller.node(request.match_info["node"]), body.get("keys")
        if keys is None:
            self._wanted.by_hand.pop(node.name, None)
        elif isinstance(keys, list) and set(keys) <= OURS:
            self._wanted.by_hand[node.name] = frozenset(keys)
        else:
            raise ControlError(f'give "keys" as a list out of {", ".join(sorted(OURS))}, or null')
        await self._clusters.look(node.cluster)
        return {node.name: sorted(self._wanted.by_hand.get(node.name, ()))}

    async def attach(self, request: web.Request, body: dict[str, Any]) -> Any:
        if not isinstance(body.get("kubeconfig"), str):
            raise ControlError('give "kubeconfig" as a path')
        period = number({"period": 5.0, **body}, "period")
        taints, operator = _flag(body, "taints", True), _flag(body, "operator", False)
        await self._clusters.attach(
            request.match_info["cluster"], Path(body["kubeconfig"]), period, taints=taints, operator=operator
        )
        return self._clusters.as_json()

    async def isolate(self, request: web.Request, body: dict[str, Any]) -> Any:
        cluster = request.match_info["cluster"]
        if cluster not in self._drbd.clusters():
            raise ControlError(f"no cluster {cluster!r}; there are {', '.join(sorted(self._drbd.clusters()))}", 404)
        self._drbd.isolate(cluster, _flag(body, "isolated"))
        return {"cut": sorted(sorted(pair) for pair in self._drbd.faults.cut)}

    async def release(self, request: web.Request, body: dict[str, Any]) -> Any:
        await self._clusters.release(request.match_info["cluster"])
        return self._clusters.as_json()
