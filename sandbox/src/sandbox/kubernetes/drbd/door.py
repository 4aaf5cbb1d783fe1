"""The guests' door: where the node agent opens, writes and closes devices for the guests it plays.

POST /devices/{cluster}/{node}/{volume}/open    200 {"generation"} | 409 {"reason"} | 404 no such volume (an ordinary disk)
POST /devices/{cluster}/{node}/{volume}/write   200 {"generation"} | 409 {"reason"}: the I/O hangs (suspend-io) or fails (io-error)
POST /devices/{cluster}/{node}/{volume}/close   200
GET  /devices/{cluster}/{node}/{volume}         what that node's replica holds
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from sandbox.kubernetes.drbd.devices import Devices, MayNotOpen, NoSuchVolume
from sandbox.kubernetes.drbd.picture import picture
from sandbox.kubernetes.drbd.world import Drbd


def add_routes(app: web.Application, drbd: Drbd, devices: Devices) -> None:
    """Beside whatever else the application serves."""

    def closed(cluster: str, node: str, volume: str) -> dict[str, Any]:
        devices.close(cluster, node, volume)
        return {}

    def opened(cluster: str, node: str, volume: str) -> dict[str, Any]:
        return {"generation": devices.open(cluster, node, volume)}

    def written(cluster: str, node: str, volume: str) -> dict[str, Any]:
        return {"generation": devices.write(cluster, node, volume)}

    def seen(cluster: str, node: str, volume: str) -> dict[str, Any]:
        place = drbd.nodes.get(node)
        found = drbd.resources.get(volume)
        if found is None or place is None or place.cluster != cluster or node not in found.replicas:
            raise NoSuchVolume(f"no replica of {volume} on {node} in {cluster}")
        shown: dict[str, Any] = picture(drbd, found)["replicas"][node]
        return shown

    root = "/devices/{cluster}/{node}/{volume:.+}"
    app.router.add_post(root + "/open", _answering(opened))
    app.router.add_post(root + "/write", _answering(written))
    app.router.add_post(root + "/close", _answering(closed))
    app.router.add_get(root, _answering(seen))


def _answering(act: Callable[[str, str, str], dict[str, Any]]) -> Handler:
    async def handle(request: web.Request) -> web.Response:
        place = request.match_info
        try:
            return web.json_response(act(place["cluster"], place["node"], place["volume"]))
        except NoSuchVolume as error:
            return web.json_response({"reason": str(error)}, status=404)
        except MayNotOpen as error:
            return web.json_response({"reason": str(error)}, status=409)

    return handle
