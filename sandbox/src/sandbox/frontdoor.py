"""The door in front of a site's Protector: what the catalog points to, so that losing the site closes it too."""

from __future__ import annotations

import aiohttp
from aiohttp import web
from yarl import URL

# Headers that belong to one connection, and what the client library sets by itself.
_HOP_BY_HOP = frozenset(
    [
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "host",
        "content-length",
        "content-encoding",
    ]
)


class FrontDoor:
    """Passes every request on to `backend_port` on loopback; 502 while there is nobody behind it."""

    def __init__(self) -> None:
        self.backend_port: int | None = None
        self._session: aiohttp.ClientSession | None = None

    def routes(self, app: web.Application) -> None:
        """Take every path of an application."""
        app.router.add_route("*", "/{path:.*}", self._forward)
        app.on_cleanup.append(self._close)

    async def _forward(self, request: web.Request) -> web.StreamResponse:
        if self.backend_port is None:
            return web.json_response({"error": "no Protector has been put behind this door yet"}, status=502)
        headers = [(key, value) for key, value in request.headers.items() if key.lower() not in _HOP_BY_HOP]
        # Encoded already: the client library must not decide anew what to escape.
        url = URL(f"http://127.0.0.1:{self.backend_port}{request.raw_path}", encoded=True)
        body = await request.read()
        try:
            async with self._client().request(
                request.method, url, headers=headers, data=body or None, allow_redirects=False
            ) as answer:
                kept = [(key, value) for key, value in answer.headers.items() if key.lower() not in _HOP_BY_HOP]
                return _passed_on(answer.status, kept, await answer.read())
        except aiohttp.ClientError as error:
            return web.json_response({"error": f"the Protector does not answer: {error}"}, status=502)

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=600), auto_decompress=True, cookie_jar=aiohttp.DummyCookieJar()
            )
        return self._session

    async def _close(self, app: web.Application) -> None:
        if self._session is not None:
            await self._session.close()


def _passed_on(status: int, headers: list[tuple[str, str]], body: bytes) -> web.Response:
    response = web.Response(status=status, body=body)
    response.headers.pop("Content-Type", None)
    for key, value in headers:
        response.headers.add(key, value)
    return response
