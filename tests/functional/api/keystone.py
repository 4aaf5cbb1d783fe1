"""A small Keystone on HTTP: it knows a handful of tokens, and says so to whoever may validate them."""

import json
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SERVICE_TOKEN = "service-user-token"


class FakeKeystone:
    """`down` makes it answer 503. `validations` counts how often a token was looked up."""

    def __init__(self) -> None:
        self.tokens: dict[str, dict[str, Any]] = {}
        self.down = False
        self.validations = 0
        keystone = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                keystone._get(self)

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                keystone._answer(self, 201, keystone._token("service", "service", ("admin",)), SERVICE_TOKEN)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/v3"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def token(self, user: str, project: str, *roles: str) -> str:
        """A new token of this user in this project."""
        token = uuid.uuid4().hex
        self.tokens[token] = self._token(user, project, roles)
        return token

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _token(self, user: str, project: str, roles: tuple[str, ...]) -> dict[str, Any]:
        domain = {"id": "default", "name": "Default"}
        endpoints = [
            {"id": kind, "interface": kind, "region": "RegionOne", "region_id": "RegionOne", "url": self.url}
            for kind in ("public", "internal", "admin")
        ]
        return {
            "token": {
                "methods": ["password"],
                "user": {"id": user, "name": user, "domain": domain},
                "project": {"id": project, "name": project, "domain": domain},
                "roles": [{"id": role, "name": role} for role in roles],
                "issued_at": "2026-01-01T00:00:00.000000Z",
                "expires_at": "2099-01-01T00:00:00.000000Z",
                "audit_ids": ["x"],
                "is_domain": False,
                "catalog": [{"type": "identity", "name": "keystone", "id": "k", "endpoints": endpoints}],
            }
        }

    def _get(self, handler: BaseHTTPRequestHandler) -> None:
        if self.down:
            return self._answer(handler, 503, {"error": {"message": "down"}})
        if not handler.path.startswith("/v3/auth/tokens"):
            version = {"id": "v3.14", "status": "stable", "links": [{"rel": "self", "href": self.url + "/"}]}
            whole = handler.path.rstrip("/") == "/v3"
            return self._answer(handler, 200, {"version": version} if whole else {"versions": {"values": [version]}})
        self.validations += 1
        found = self.tokens.get(handler.headers.get("X-Subject-Token", ""))
        if found is None:
            return self._answer(handler, 404, {"error": {"message": "no such token"}})
        return self._answer(handler, 200, found)

    def _answer(self, handler: BaseHTTPRequestHandler, status: int, body: Any, token: str = "") -> None:
        text = json.dumps(body).encode()
        handler.send_response(status)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(text)))
        if token:
            handler.send_header("X-Subject-Token", token)
        handler.end_headers()
        handler.wfile.write(text)
