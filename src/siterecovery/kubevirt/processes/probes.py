"""/healthz, /readyz and /metrics of a controller. On loopback unless told otherwise."""

import contextlib
from collections.abc import AsyncIterator, Callable

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

Question = Callable[[], str]
"""Empty when all is well, else what is wrong."""


def application(healthy: Question, ready: Question, registry: CollectorRegistry) -> web.Application:
    """`healthy` false gets the process restarted; `ready` only tells that it cannot work now."""

    def answer(ask: Question) -> web.Response:
        problem = ask()
        return web.Response(text=problem or "ok", status=503 if problem else 200)

    async def healthz(request: web.Request) -> web.Response:
        return answer(healthy)

    async def readyz(request: web.Request) -> web.Response:
        return answer(ready)

    async def metrics(request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    made = web.Application()
    made.add_routes([web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/metrics", metrics)])
    return made


@contextlib.asynccontextmanager
async def serving(listen: str, made: web.Application) -> AsyncIterator[None]:
    """`listen`: address:port; empty serves nothing."""
    if not listen:
        yield
        return
    host, _, port = listen.rpartition(":")
    runner = web.AppRunner(made, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, host.strip("[]") or "127.0.0.1", int(port)).start()
        yield
    finally:
        await runner.cleanup()
