"""The arrays' part of the control port, under /arrays/{name}/.

GET  /arrays                                  names, ids, sites, open sessions, settings, links
GET  /arrays/{name}/state                     everything the array holds, for an independent checker
POST /arrays/{name}/kill-sessions
POST /arrays/{name}/settings                  any of `Settings`, e.g. {"idle_timeout": 60, "capacity": 1}
POST /arrays/{name}/fill                      {"bytes": n}, null fills the array
POST /arrays/{name}/tokens                    {"token", "role", "expires_in"}; DELETE revokes: {"token"}
POST /arrays/{name}/volumes/{volume}          {"generation": n} writes content, {"write_rate": bytes/s}
POST /arrays/{name}/poke                      {"kind": "volume", "name", "fields": {...}} sets raw fields
POST /arrays/{name}/snapshots/{name}/expire   retention takes a group snapshot now
POST /arrays/{name}/links/{other}             {"up", "frozen", "bandwidth", "transfer_seconds"}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from aiohttp import web

from sandbox.array import group_snapshots
from sandbox.array.array import Array
from sandbox.array.errors import ArrayError
from sandbox.array.fabric import Fabric, Link
from sandbox.array.front import ROLES, Front, Token
from sandbox.array.lifecycle import destroy_group_snapshot
from sandbox.control import ControlError, json_body, number

_TABLES = {"volume": "volumes", "group": "groups", "host": "hosts", "pod": "pods", "volume_group": "volume_groups"}


def add_routes(app: web.Application, fabric: Fabric, fronts: Mapping[str, Front]) -> None:
    """Add them to a control application; `fronts` is keyed by array name."""
    arrays = _Arrays(fabric, fronts)
    router = app.router
    router.add_get("/arrays", arrays.show)
    router.add_get("/arrays/{name}/state", arrays.state)
    router.add_post("/arrays/{name}/kill-sessions", arrays.kill_sessions)
    router.add_post("/arrays/{name}/settings", arrays.settings)
    router.add_post("/arrays/{name}/fill", arrays.fill)
    router.add_post("/arrays/{name}/tokens", arrays.add_token)
    router.add_delete("/arrays/{name}/tokens", arrays.revoke_token)
    router.add_post("/arrays/{name}/volumes/{volume:.+}", arrays.volume)
    router.add_post("/arrays/{name}/poke", arrays.poke)
    router.add_post("/arrays/{name}/snapshots/{snapshot}/expire", arrays.expire)
    router.add_post("/arrays/{name}/links/{other}", arrays.link)


class _Arrays:
    def __init__(self, fabric: Fabric, fronts: Mapping[str, Front]) -> None:
        self._fabric = fabric
        self._fronts = fronts

    def _array(self, request: web.Request, key: str = "name") -> Array:
        array = self._fabric.arrays.get(request.match_info[key].lower())
        if array is None:
            known = ", ".join(sorted(array.name for array in self._fabric.arrays.values()))
            raise ControlError(f"no array {request.match_info[key]!r}; there are {known}", 404)
        return array

    async def show(self, request: web.Request) -> web.Response:
        return web.json_response(
            [
                {
                    "name": array.name,
                    "id": array.id,
                    "site": array.site,
                    "down": array.down,
                    "sessions": self._fronts[array.name].sessions,
                    "settings": asdict(array.settings),
                    "links": {
                        other.name: {
                            **asdict(self._fabric.link(array, other)),
                            "connected": self._fabric.connected(array, other),
                        }
                        for other in self._fabric.peers(array)
                    },
                }
                for array in self._fabric.arrays.values()
            ]
        )

    async def state(self, request: web.Request) -> web.Response:
        return web.json_response(self._array(request).dump())

    async def kill_sessions(self, request: web.Request) -> web.Response:
        return web.json_response({"killed": self._fronts[self._array(request).name].kill_sessions()})

    async def settings(self, request: web.Request) -> web.Response:
        array = self._array(request)
        array.settings.change(await json_body(request))
        return web.json_response(asdict(array.settings))

    async def fill(self, request: web.Request) -> web.Response:
        array, body = self._array(request), await json_body(request)
        full = body.get("bytes") is None
        array.settings.filled = array.settings.capacity if full else int(number(body, "bytes"))
        return web.json_response({"filled": array.settings.filled, "capacity": array.settings.capacity})

    async def add_token(self, request: web.Request) -> web.Response:
        array, body = self._array(request), await json_body(request)
        token, role = body.get("token"), body.get("role", "array_admin")
        if not isinstance(token, str) or not token or role not in ROLES:
            raise ControlError(f'give "token" as text and "role" as one of {", ".join(sorted(ROLES))}')
        expires = array.clock.now() + number(body, "expires_in") if "expires_in" in body else None
        self._fronts[array.name].tokens[token] = Token(str(body.get("user", "pureuser")), role, expires)
        return web.json_response({}, status=201)

    async def revoke_token(self, request: web.Request) -> web.Response:
        front = self._fronts[self._array(request).name]
        if front.tokens.pop(str((await json_body(request)).get("token")), None) is None:
            raise ControlError("no such token", 404)
        return web.json_response({})

    async def volume(self, request: web.Request) -> web.Response:
        array, body = self._array(request), await json_body(request)
        try:
            volume = array.volumes.alive(request.match_info["volume"])
        except ArrayError as error:
            raise ControlError(str(error), 404) from error
        if "generation" in body:
            volume.generation = int(number(body, "generation"))
        if "write_rate" in body:
            volume.write_rate = number(body, "write_rate")
        return web.json_response(asdict(volume))

    async def poke(self, request: web.Request) -> web.Response:
        array, body = self._array(request), await json_body(request)
        table, changes = _TABLES.get(str(body.get("kind"))), body.get("fields")
        if table is None or not isinstance(changes, dict):
            raise ControlError(f'give "kind" (one of {", ".join(_TABLES)}), "name" and "fields"')
        try:
            thing = getattr(array, table).need(str(body.get("name")))
        except ArrayError as error:
            raise ControlError(str(error), 404) from error
        known = {field.name for field in fields(thing)} - {"name", "id", "connections", "luns"}
        for key, value in changes.items():
            if key not in known or not isinstance(value, type(getattr(thing, key)) | None):
                raise ControlError(
                    f"{key!r} cannot be set to {value!r}; a {body['kind']} has {', '.join(sorted(known))}"
                )
        for key, value in changes.items():
            setattr(thing, key, value)
        return web.json_response(asdict(thing))

    async def expire(self, request: web.Request) -> web.Response:
        array = self._array(request)
        try:
            group, taken = group_snapshots.need(array, request.match_info["snapshot"])
        except ArrayError as error:
            raise ControlError(str(error), 404) from error
        if not taken.destroyed:
            destroy_group_snapshot(array, group, taken)
        return web.json_response(group_snapshots.render(array, group, taken))

    async def link(self, request: web.Request) -> web.Response:
        array, other, body = self._array(request), self._array(request, "other"), await json_body(request)
        if other not in self._fabric.peers(array):
            raise ControlError(f"{array.name} and {other.name} are not linked", 404)
        link = self._fabric.link(array, other)
        _change_link(link, body)
        self._fabric.changed()
        return web.json_response({**asdict(link), "connected": self._fabric.connected(array, other)})


def _change_link(link: Link, body: dict[str, Any]) -> None:
    unknown = body.keys() - {"up", "frozen", "bandwidth", "transfer_seconds"}
    if unknown:
        raise ControlError(
            f"unknown keys {', '.join(sorted(unknown))}; a link has up, frozen, bandwidth, transfer_seconds"
        )
    for key in ("up", "frozen"):
        if not isinstance(body.get(key, True), bool):
            raise ControlError(f'"{key}" must be true or false')
    for key in ("bandwidth", "transfer_seconds"):
        if body.get(key) is not None and number(body, key) <= 0:
            raise ControlError(f'"{key}" must be above 0')
    if "transfer_seconds" in body and body["transfer_seconds"] is None:
        raise ControlError('"transfer_seconds" must be a number')
    for key, value in body.items():
        setattr(link, key, value)
