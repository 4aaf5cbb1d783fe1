"""An array's HTTPS front: versions, sessions, roles, rate limit; the calls themselves are the array's."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Middleware

from sandbox.array.array import Array
from sandbox.array.model import new_id

ROLES = frozenset({"array_admin", "storage_admin", "ops_admin", "readonly"})
_CHANGING_ROLES = frozenset({"array_admin", "storage_admin"})
_PATH = re.compile(r"/api/(\d+\.\d+)/(.*)")
_RATE = 100


@dataclass(frozen=True)
class Token:
    """One API token: whose it is, what it may do, and when it ends (seconds since the epoch, None = never)."""

    user: str = "pureuser"
    role: str = "array_admin"
    expires: float | None = None


@dataclass
class _Session:
    token: str
    user: str
    role: str
    used: float


class Front:
    """Tokens and sessions of one array. `tokens` maps the secret to what it stands for and may be edited."""

    def __init__(self, array: Array, tokens: Iterable[str]) -> None:
        self.array = array
        self.tokens: dict[str, Token] = {token: Token() for token in tokens}
        self._sessions: dict[str, _Session] = {}
        self._window = (0, 0)

    def app(self, *middlewares: Middleware) -> web.Application:
        """The application to serve over TLS; one catch-all handler, because the array has its own route table."""
        app = web.Application(middlewares=middlewares, client_max_size=8 << 20)
        app.router.add_route("*", "/{tail:.*}", self._handle)
        return app

    def kill_sessions(self) -> int:
        """End every session at once, as a controller failover does; returns how many there were."""
        count = len(self._sessions)
        self._sessions.clear()
        return count

    @property
    def sessions(self) -> int:
        """How many sessions are open: clients that forget to log out pile them up."""
        return len(self._sessions)

    async def _handle(self, request: web.Request) -> web.Response:
        text = await request.text()
        status, body, headers = self._answer(request, text)
        headers["X-Request-ID"] = request.headers.get("X-Request-ID") or new_id()
        headers["RateLimit-Limit"] = f"{self.array.settings.rate_limit or _RATE};w=1"
        headers["RateLimit-Remaining"] = str(max(0, (self.array.settings.rate_limit or _RATE) - self._window[1]))
        headers["RateLimit-Reset"] = "1"
        return web.json_response(body, status=status, headers=headers)

    def _answer(self, request: web.Request, text: str) -> tuple[int, dict[str, Any], dict[str, str]]:
        if request.path == "/api/api_version" and request.method == "GET":
            return 200, {"version": self.array.settings.versions}, {}
        found = _PATH.fullmatch(request.path)
        if found is None or found[1] not in self.array.settings.versions:
            return (*_error(404, request.path, "Not found."), {})
        if self._too_fast():
            return 429, {"message": "API rate limit exceeded"}, {"Retry-After": "1"}
        if found[2] == "login" and request.method == "POST":
            return self._login(request.headers.get("api-token", ""))
        session = self._session(request.headers.get("x-auth-token", ""))
        if session is None:
            status, body = _error(401, None, "Invalid session.")
            body["errors"][0]["location_context"] = {"name": self.array.name, "id": self.array.id}
            return status, body, {}
        if found[2] == "logout" and request.method == "POST":
            self._sessions.pop(request.headers["x-auth-token"])
            return 200, {}, {}
        if request.method != "GET" and session.role not in _CHANGING_ROLES:
            return (*self._forbidden(), {})
        return (*self._call(request, found[2], text), {})

    def _call(self, request: web.Request, path: str, text: str) -> tuple[int, dict[str, Any]]:
        body: Any = None
        if text:
            try:
                body = json.loads(text)
            except json.JSONDecodeError:
                return _error(400, None, "The body is not valid JSON.")
        return self.array.call(request.method, path, request.query, body)

    def _login(self, secret: str) -> tuple[int, dict[str, Any], dict[str, str]]:
        token, now = self.tokens.get(secret), self.array.clock.now()
        if token is None or (token.expires is not None and token.expires <= now):
            return (*_error(401, None, "Invalid API token."), {})
        self._sessions = {key: s for key, s in self._sessions.items() if self._lives(s)}
        if len(self._sessions) >= self.array.settings.session_limit:
            return (*_error(400, None, "Session limit reached."), {})
        key = new_id()
        self._sessions[key] = _Session(secret, token.user, token.role, now)
        return 200, {"items": [{"username": token.user}]}, {"x-auth-token": key}

    def _session(self, key: str) -> _Session | None:
        """The session, kept alive by this use; one that idled too long, or whose token is gone, is over."""
        session = self._sessions.get(key)
        if session is None:
            return None
        if not self._lives(session):
            del self._sessions[key]
            return None
        session.used = self.array.clock.now()
        return session

    def _lives(self, session: _Session) -> bool:
        idle = self.array.settings.idle_timeout
        rested = self.array.clock.now() - session.used
        return session.token in self.tokens and (idle == 0 or rested < idle)

    def _too_fast(self) -> bool:
        second = int(self.array.clock.now())
        self._window = (second, self._window[1] + 1 if self._window[0] == second else 1)
        limit = self.array.settings.rate_limit
        return limit is not None and self._window[1] > limit

    def _forbidden(self) -> tuple[int, dict[str, Any]]:
        message = "Operation not permitted for this role."
        if self.array.settings.forbidden_shape == "message":
            return 403, {"message": message}
        return _error(403, None, message)


def _error(status: int, context: str | None, message: str) -> tuple[int, dict[str, Any]]:
    return status, {"errors": [{"context": context, "message": message}]}
