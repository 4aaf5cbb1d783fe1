"""From HTTP to a handler and back: authentication, microversion, JSON, request ids, refusals.

Handlers are plain functions `(Call) -> Reply` listed in one route table per service; they never await, so the state of
a cloud needs no locks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson
from aiohttp import web
from multidict import MultiMapping

from sandbox.cloud.errors import ApiError, BadRequest, Forbidden, NotFound, Unauthorized, render
from sandbox.cloud.ids import new_id
from sandbox.cloud.versions import Microversions

if TYPE_CHECKING:
    from sandbox.cloud.identity.model import Token
    from sandbox.cloud.site import Cloud


@dataclass(slots=True)
class Reply:
    """An answer; `body` is JSON-ready, None for no body."""

    status: int = 200
    body: object = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Call:
    """One request: who asks (`token`, None only on public routes), for what, at which minor microversion."""

    cloud: Cloud
    token: Token | None
    params: Mapping[str, str]
    query: MultiMapping[str]
    headers: Mapping[str, str]
    body: Any
    minor: int
    method: str
    path: str
    request_id: str

    @property
    def who(self) -> Token:
        """The token of a route that is never public."""
        if self.token is None:
            raise Unauthorized("no token")
        return self.token

    @property
    def project_id(self) -> str:
        """The project the token is scoped to; empty when unscoped."""
        return self.who.project_id

    @property
    def is_admin(self) -> bool:
        """Whether the services would call this context an administrator's."""
        return "admin" in self.who.role_names

    def sees(self, project_id: str) -> bool:
        """Whether a thing of that project exists as far as the caller is concerned."""
        return self.is_admin or project_id == self.project_id

    def needs(self, minor: int, major: int) -> None:
        """Refuse below the microversion that brought the method, with the 404 Nova and Cinder give."""
        if self.minor < minor:
            raise NotFound(f"API version {major}.{self.minor} is not supported on this method.")

    def admin_only(self, rule: str) -> None:
        """Refuse anybody without the admin role, naming the policy rule."""
        if not self.is_admin:
            raise Forbidden(f"Policy doesn't allow {rule} to be performed.")

    def part(self, key: str) -> dict[str, Any]:
        """The object under `key` of the body, which must be there (400)."""
        value = self.body.get(key) if isinstance(self.body, dict) else None
        if not isinstance(value, dict):
            raise BadRequest(f"Invalid input for field/attribute {key}. '{key}' is a required property")
        return value

    def flag(self, key: str) -> bool | None:
        """A boolean query parameter as the services read it; None when absent."""
        value = self.query.get(key)
        return None if value is None else value.lower() in ("", "1", "t", "true", "yes", "on")


Handler = Callable[[Call], Reply]


@dataclass(frozen=True)
class Route:
    """One line of a service's table; `public` needs no token."""

    method: str
    path: str
    handler: Handler
    public: bool = False


@dataclass(frozen=True)
class Service:
    """One API: its error shape and catalog name, its table, and its microversions if it has any."""

    name: str
    routes: Sequence[Route]
    versions: Microversions | None = None


def json_reply(status: int, body: object, headers: Mapping[str, str]) -> web.Response:
    """Write an answer; no body means no content type either."""
    if body is None:
        return web.Response(status=status, headers=headers)
    return web.Response(status=status, body=orjson.dumps(body), headers=headers, content_type="application/json")


def add_routes(app: web.Application, service: Service, cloud: Cloud) -> None:
    """Put a service's table on an application."""
    for route in service.routes:
        app.router.add_route(route.method, route.path, _bind(service, route, cloud))


def _bind(service: Service, route: Route, cloud: Cloud) -> Callable[[web.Request], Any]:
    async def run(request: web.Request) -> web.StreamResponse:
        request_id = f"req-{new_id()}"
        headers = {"X-Openstack-Request-Id": request_id}
        if service.name == "compute":
            headers["X-Compute-Request-Id"] = request_id
        try:
            raw = await request.read() if request.body_exists else b""
            call = _call(service, route, cloud, request, raw, request_id)
            if service.versions is not None:
                headers.update(service.versions.headers(call.minor))
            reply = route.handler(call)
        except ApiError as error:
            return _refuse(service, cloud, error, headers)
        headers.update(reply.headers)
        return json_reply(reply.status, reply.body, headers)

    return run


def _call(service: Service, route: Route, cloud: Cloud, request: web.Request, raw: bytes, request_id: str) -> Call:
    minor = service.versions.negotiate(request.headers) if service.versions else 0
    token = None if route.public else _authenticated(cloud, request)
    params = request.match_info
    if (
        token is not None
        and params.get("project_id", token.project_id) != token.project_id
        and service.name == "volume"
    ):
        raise BadRequest("Malformed request url")
    body = _json(raw)
    return Call(
        cloud, token, params, request.query, request.headers, body, minor, request.method, request.path, request_id
    )


def _authenticated(cloud: Cloud, request: web.Request) -> Token:
    token = cloud.identity.tokens.find(request.headers.get("X-Auth-Token", ""))
    if token is None:
        raise Unauthorized("no valid token")
    return token


def _json(raw: bytes) -> Any:
    if not raw:
        return None
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise BadRequest("Malformed request body: it is not JSON") from error


def _refuse(service: Service, cloud: Cloud, error: ApiError, headers: dict[str, str]) -> web.Response:
    if error.status == 401:
        headers["WWW-Authenticate"] = f'Keystone uri="{cloud.url_of("identity")}"'
    return json_reply(error.status, render(service.name, error), headers)
