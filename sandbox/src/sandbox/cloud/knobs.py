"""What a person or test can turn in a running cloud, on the control port beside the shared faults.

GET  /guests                                          every guest with the generation each of its volumes holds
GET  /state                                           the whole world, for a checker that trusts nobody
POST /clouds/{site}/builds/fail      {"count": n, "message": …}
POST /clouds/{site}/builds/hang      {"servers": [name, …]}    `*` is every server, [] lifts it
POST /clouds/{site}/guests/hang      {"servers": [name, …]}    a stop is ignored
POST /clouds/{site}/deletes/stick    {"servers": […], "volumes": […]}
POST /clouds/{site}/manages/fail     {"count": n, "half": true}    half: the array volume was renamed already
POST /clouds/{site}/services         {"down": ["nova-compute", "cinder-volume"]}
POST /clouds/{site}/tokens/expire    {"user": name}            everybody's without a user
POST /clouds/{site}/tokens/lifetime  {"seconds": n}
POST /clouds/{site}/roles/revoke     {"user", "project", "role"}    and …/roles/grant
POST /clouds/{site}/console          {"server": name or id, "text": …}
POST /clouds/{site}/policy           {"volume_extension:volume_manage": "rule:admin_api", …}
GET  /latency, POST /latency         {"boot": 8.0, …}
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson
from aiohttp import web

from sandbox.cloud.site import Cloud
from sandbox.control import ControlError, json_body, number
from sandbox.latency import Latency, Profile

Knob = Callable[[Cloud, dict[str, Any]], object]
_BINARIES = ("nova-compute", "cinder-volume", "cinder-scheduler")


def add_routes(app: web.Application, clouds: Mapping[str, Cloud], profile: Profile) -> None:
    """Put the knobs of all clouds on the control application."""
    for path, knob in _KNOBS.items():
        app.router.add_post(f"/clouds/{{site}}/{path}", _bind(clouds, knob))

    async def guests(request: web.Request) -> web.Response:
        return _json({name: cloud.guests.report() for name, cloud in clouds.items()})

    async def show_latency(request: web.Request) -> web.Response:
        return _json(_times(profile.current))

    async def change_latency(request: web.Request) -> web.Response:
        profile.current = profile.current.updated(await json_body(request))
        return _json(_times(profile.current))

    app.router.add_get("/guests", guests)
    app.router.add_get("/latency", show_latency)
    app.router.add_post("/latency", change_latency)


def _bind(clouds: Mapping[str, Cloud], knob: Knob) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(request: web.Request) -> web.Response:
        cloud = clouds.get(request.match_info["site"])
        if cloud is None:
            raise ControlError(f"no cloud {request.match_info['site']!r}; there are {', '.join(clouds)}", 404)
        return _json(knob(cloud, await json_body(request)))

    return handle


def _json(body: object) -> web.Response:
    return web.Response(body=orjson.dumps(body), content_type="application/json")


def _times(latency: Latency) -> dict[str, Any]:
    return {name: getattr(latency, name) for name in latency.__dataclass_fields__}


def _names(body: Mapping[str, Any], key: str) -> set[str]:
    value = body.get(key, [])
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ControlError(f'give "{key}" as a list of names or ids')
    return set(value)


def _fail_builds(cloud: Cloud, body: dict[str, Any]) -> object:
    knobs = cloud.compute.knobs
    knobs.fail_builds = int(number(body, "count"))
    if "message" in body:
        knobs.fail_message = str(body["message"])
    return {"count": knobs.fail_builds}


def _hang_builds(cloud: Cloud, body: dict[str, Any]) -> object:
    cloud.compute.knobs.endless_builds = _names(body, "servers")
    return {"servers": sorted(cloud.compute.knobs.endless_builds)}


def _hang_guests(cloud: Cloud, body: dict[str, Any]) -> object:
    cloud.compute.knobs.hung_guests = _names(body, "servers")
    return {"servers": sorted(cloud.compute.knobs.hung_guests)}


def _stick_deletes(cloud: Cloud, body: dict[str, Any]) -> object:
    """What is being deleted when its name is taken off the list again is deleted then."""
    servers, volumes = _names(body, "servers"), _names(body, "volumes")
    freed = (cloud.compute.knobs.stuck_deletes - servers, cloud.volume.stuck_deletes - volumes)
    cloud.compute.knobs.stuck_deletes, cloud.volume.stuck_deletes = servers, volumes
    for server in [item for item in cloud.compute.servers.values() if {item.id, item.name, "*"} & freed[0]]:
        if server.task_state == "deleting":
            server.task_state = None
            cloud.life.delete(server)
    for volume in [item for item in cloud.volume.volumes.values() if {item.id, item.name} & freed[1]]:
        if volume.status == "deleting":
            cloud.volume.delete(volume)
    return {"servers": sorted(servers), "volumes": sorted(volumes)}


def _fail_manages(cloud: Cloud, body: dict[str, Any]) -> object:
    cinder = cloud.volume
    cinder.fail_manages, cinder.half_managed = int(number(body, "count")), bool(body.get("half", False))
    return {"count": cinder.fail_manages, "half": cinder.half_managed}


def _services(cloud: Cloud, body: dict[str, Any]) -> object:
    down = _names(body, "down")
    unknown = down - set(_BINARIES)
    if unknown:
        raise ControlError(f"unknown services {', '.join(sorted(unknown))}; there are {', '.join(_BINARIES)}")
    cloud.services_down.clear()
    cloud.services_down.update(down)
    return {"down": sorted(down)}


def _expire_tokens(cloud: Cloud, body: dict[str, Any]) -> object:
    if "user" not in body:
        return {"expired": cloud.identity.tokens.revoke_all()}
    cloud.identity.tokens.revoke_user(_user(cloud, body))
    return {}


def _lifetime(cloud: Cloud, body: dict[str, Any]) -> object:
    cloud.identity.tokens.lifetime = number(body, "seconds")
    return {"seconds": cloud.identity.tokens.lifetime}


def _user(cloud: Cloud, body: Mapping[str, Any]) -> str:
    user = cloud.identity.directory.user_named(str(body.get("user")))
    if user is None:
        raise ControlError(f"no user {body.get('user')!r}", 404)
    return user.id


def _assignment(cloud: Cloud, body: Mapping[str, Any]) -> tuple[str, str, str]:
    directory = cloud.identity.directory
    project = directory.project_named(str(body.get("project")))
    role = next((role for role in directory.roles.values() if role.name == body.get("role")), None)
    if project is None or role is None:
        raise ControlError('give "user", "project" and "role" by names that exist', 404)
    return _user(cloud, body), project.id, role.id


def _revoke_role(cloud: Cloud, body: dict[str, Any]) -> object:
    return {"had": cloud.identity.directory.revoke(*_assignment(cloud, body))}


def _grant_role(cloud: Cloud, body: dict[str, Any]) -> object:
    cloud.identity.directory.grant(*_assignment(cloud, body))
    return {}


def _console(cloud: Cloud, body: dict[str, Any]) -> object:
    server = body.get("server")
    if not isinstance(server, str) or not isinstance(body.get("text"), str):
        raise ControlError('give "server" (a name or id) and "text"')
    cloud.guests.consoles[server] = body["text"]
    return {"server": server}


def _policy(cloud: Cloud, body: dict[str, Any]) -> object:
    cloud.policy.change({str(key): str(value) for key, value in body.items()})
    return cloud.policy.rules


_KNOBS: Mapping[str, Knob] = {
    "builds/fail": _fail_builds,
    "builds/hang": _hang_builds,
    "guests/hang": _hang_guests,
    "deletes/stick": _stick_deletes,
    "manages/fail": _fail_manages,
    "services": _services,
    "tokens/expire": _expire_tokens,
    "tokens/lifetime": _lifetime,
    "roles/revoke": _revoke_role,
    "roles/grant": _grant_role,
    "console": _console,
    "policy": _policy,
}
