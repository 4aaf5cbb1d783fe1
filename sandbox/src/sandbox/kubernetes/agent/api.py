"""The API server as the agent sees it: calls and watches, from one event loop."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import orjson

from sandbox.kubernetes.client import ApiError, Object, refusal

_log = logging.getLogger(__name__)
_CALL = aiohttp.ClientTimeout(total=20)
# A bookmark comes about once a minute; a connection silent for longer is dead.
_WATCH = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=90)
_PAUSE_SECONDS = 0.5
_MERGE = "application/merge-patch+json"
_MAX_LINE = 64 * 2**20


class Gone(Exception):
    """The watch cannot go on from where it was: list again."""


class Api:
    """One user's access to one server. ApiError for what it refuses; OSError, TimeoutError or aiohttp.ClientError for silence."""

    def __init__(self, server: str, tls: ssl.SSLContext, token: str = "") -> None:
        self._server = server
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        connector = aiohttp.TCPConnector(ssl=tls, limit=0)
        self._session = aiohttp.ClientSession(
            connector=connector, headers=headers, timeout=_CALL, read_bufsize=2**18, max_line_size=_MAX_LINE
        )

    async def close(self) -> None:
        """Give the connections back."""
        await self._session.close()

    async def call(self, verb: str, path: str, body: Object | None = None, kind: str = "application/json") -> Any:
        """The JSON of the answer."""
        data = None if body is None else orjson.dumps(body)
        headers = {"Content-Type": kind} if data is not None else {}
        async with self._session.request(verb, self._server + path, data=data, headers=headers) as answer:
            content = await answer.read()
        if answer.status >= 400:
            raise refusal(answer.status, content)
        return orjson.loads(content)

    async def merge(self, path: str, change: Object) -> Object:
        """A JSON merge patch."""
        patched: Object = await self.call("PATCH", path, change, _MERGE)
        return patched

    async def follow(
        self, path: str, replace: Callable[[list[Object]], None], change: Callable[[str, Object], None]
    ) -> None:
        """List and watch for ever: `replace` gets every list, `change` each event (ADDED, MODIFIED, DELETED)."""
        while True:
            try:
                listed = await self.call("GET", path)
                replace(listed.get("items") or [])
                async for kind, item in self._events(path, listed["metadata"]["resourceVersion"]):
                    change(kind, item)
            except (ApiError, Gone, OSError, TimeoutError, aiohttp.ClientError) as error:
                _log.info("watch of %s begins again: %r", path, error)
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _events(self, path: str, version: str) -> AsyncIterator[tuple[str, Object]]:
        query = {"watch": "1", "allowWatchBookmarks": "true", "resourceVersion": version}
        async with self._session.get(self._server + path, params=query, timeout=_WATCH) as answer:
            if answer.status >= 400:
                raise refusal(answer.status, await answer.read())
            async for line in _lines(answer.content):
                event = orjson.loads(line)
                if event["type"] == "ERROR":
                    raise Gone(str(event["object"].get("message")))
                if event["type"] != "BOOKMARK":
                    yield event["type"], event["object"]


async def _lines(stream: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Lines of any length: an object may be larger than the reader's own limit for one."""
    rest = b""
    async for chunk in stream.iter_any():
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line
