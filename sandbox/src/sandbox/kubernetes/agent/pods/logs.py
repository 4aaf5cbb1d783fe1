"""The kubelet's endpoint for `kubectl logs`; the API server asks it with a client certificate of its own."""

from __future__ import annotations

import asyncio
from collections import deque
from pathlib import Path
from typing import Protocol

from aiohttp import web

_POLL_SECONDS = 0.2
_PLAYED = frozenset({"follow", "tailLines", "previous", "container"})


class LogOf(Protocol):
    """Where a container writes, None when it does not run here."""

    def __call__(self, namespace: str, name: str, container: str, *, previous: bool) -> Path | None: ...


def make_app(log_of: LogOf) -> web.Application:
    """GET /containerLogs/{namespace}/{pod}/{container}?follow&tailLines&previous."""

    async def show(request: web.Request) -> web.StreamResponse:
        asked = request.match_info
        unknown = set(request.query) - _PLAYED
        if unknown:
            raise web.HTTPBadRequest(
                text=f"{', '.join(sorted(unknown))} is not played; there are {', '.join(sorted(_PLAYED))}"
            )
        previous = request.query.get("previous") == "true"
        file = log_of(asked["namespace"], asked["pod"], asked["container"], previous=previous)
        if file is None or not file.exists():
            raise web.HTTPNotFound(text=f"container {asked['container']} of {asked['pod']} does not run here")
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await response.prepare(request)
        position = await _send(response, file, request.query.get("tailLines"))
        while request.query.get("follow") == "true" and file.exists() and not _closed(request):
            await asyncio.sleep(_POLL_SECONDS)
            position = await _more(response, file, position)
        return response

    app = web.Application()
    app.router.add_get("/containerLogs/{namespace}/{pod}/{container}", show)
    return app


async def _send(response: web.StreamResponse, file: Path, tail: str | None) -> int:
    """What is there, or its last lines; how many bytes of the file that covers."""
    content = file.read_bytes()
    lines = content.splitlines(keepends=True)
    await response.write(b"".join(deque(lines, maxlen=int(tail)) if tail else lines))
    return len(content)


async def _more(response: web.StreamResponse, file: Path, position: int) -> int:
    if not file.exists() or file.stat().st_size <= position:
        return position
    with file.open("rb") as log:
        log.seek(position)
        added = log.read()
    await response.write(added)
    return position + len(added)


def _closed(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()
