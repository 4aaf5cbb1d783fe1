"""What all simulated HTTP services share: faults, latency, the call log and a listener on loopback."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from sandbox.clock import Clock
from sandbox.faults import Faults, Rule

# The product's User-Agent, `protector/<version> (<site name>)`: it tells from which site a call comes.
_CALLER = re.compile(r"protector/\S+ \(([^)]+)\)")
_IDENTIFIER = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|(?<=/)[0-9a-f]{32}(?=/|$)", re.IGNORECASE)
_READS = frozenset({"GET", "HEAD", "OPTIONS"})
_HANG_CHECK_SECONDS = 0.5


@dataclass
class Call:
    """One mutating call as the log keeps it; never its body, which may hold a secret. `time` in seconds."""

    time: float
    target: str
    method: str
    path: str
    query: str
    caller: str
    request_id: str
    status: int
    fault: str


class CallLog:
    """Counts every call and remembers the last mutating ones, for tests and checkers that ask what was really done."""

    def __init__(self, keep: int = 10_000) -> None:
        self.counts: Counter[tuple[str, str, str]] = Counter()
        self.recent: deque[Call] = deque(maxlen=keep)

    def count(self, target: str, method: str, path: str) -> None:
        """Add one to (target, method, path with its ids replaced by {id})."""
        self.counts[target, method, _IDENTIFIER.sub("{id}", path)] += 1

    def reset(self) -> None:
        """Forget everything, as before the measured part of a test."""
        self.counts.clear()
        self.recent.clear()

    def as_json(self) -> dict[str, Any]:
        """Counts (busiest first) and the kept calls (oldest first)."""
        counts = [{"target": t, "method": m, "path": p, "count": n} for (t, m, p), n in self.counts.most_common()]
        return {"counts": counts, "recent": [asdict(call) for call in self.recent]}


def caller_site(request: web.Request) -> str:
    """The site the product says it calls from; empty for everybody else."""
    match = _CALLER.search(request.headers.get("User-Agent", ""))
    return match.group(1) if match else ""


def middleware(
    target: str, site: str, faults: Faults, clock: Clock, latency: Callable[[], float], calls: CallLog
) -> Middleware:
    """Everything between the wire and a handler: refusals, latency (seconds, asked anew for each call), rules, counts.

    A request is judged again after each wait, so that a site lost meanwhile neither applies it nor answers.
    """

    @web.middleware
    async def handle(request: web.Request, handler: Handler) -> web.StreamResponse:
        clock.attach()
        calls.count(target, request.method, request.path)
        caller = caller_site(request)
        if faults.refuses(target, site, caller):
            return _dropped(request)
        wait = latency()
        if wait > 0:
            await clock.sleep(wait)
        rule = await _matching_rule(faults, target, request)

        async def apply() -> web.StreamResponse:
            if faults.is_down(target, site):
                return _dropped(request)
            return await handler(request)

        response = await _shape(rule, request, apply, clock) if rule else await apply()
        if request.method not in _READS:
            calls.recent.append(_record(target, caller, request, response, clock.now(), rule))
        return _dropped(request) if faults.refuses(target, site, caller) else response

    return handle


async def serve(
    app: web.Application, *, port: int = 0, ssl_context: ssl.SSLContext | None = None
) -> tuple[web.AppRunner, int]:
    """Listen on 127.0.0.1 and return the runner (end it with `await runner.cleanup()`) and the port taken."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port, ssl_context=ssl_context)
    await site.start()
    return runner, int(runner.addresses[0][1])


async def _matching_rule(faults: Faults, target: str, request: web.Request) -> Rule | None:
    if not faults.rules:
        return None
    body = await request.text() if request.can_read_body else ""
    return faults.match(target, request.method, request.path_qs, body)


Apply = Callable[[], Awaitable[web.StreamResponse]]


async def _shape(rule: Rule, request: web.Request, apply: Apply, clock: Clock) -> web.StreamResponse:
    """Play one rule; `apply` runs the real handler at the moment the mode wants it, or never."""
    match rule.mode:
        case "fail":
            return _answer(rule, request)
        case "apply_then_fail":
            await apply()
            return _answer(rule, request)
        case "delay":
            response = await apply()
            await clock.sleep(rule.delay)
            return response
        case "late":
            await clock.sleep(rule.delay)
            return await apply()
        case "half":
            return await _half(request, await apply())
        case "hang":
            while request.transport is not None and not request.transport.is_closing():
                await asyncio.sleep(_HANG_CHECK_SECONDS)
    return _dropped(request)


def _answer(rule: Rule, request: web.Request) -> web.StreamResponse:
    if rule.status == 0:
        return _dropped(request)
    kind = "application/json" if rule.body_text.lstrip().startswith(("{", "[")) else "text/plain"
    return web.Response(status=rule.status, text=rule.body_text, content_type=kind)


async def _half(request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
    """Promise the whole body and stop in the middle, as a process dying in the act of answering does."""
    body = response.body if isinstance(response, web.Response) and isinstance(response.body, bytes) else b""
    cut = web.StreamResponse(status=response.status, headers={"Content-Type": response.content_type})
    cut.content_length = len(body) + (not body)
    await cut.prepare(request)
    await cut.write(body[: len(body) // 2])
    if request.transport is not None:
        request.transport.close()
    return cut


def _dropped(request: web.Request) -> web.StreamResponse:
    """Break the connection; the response only satisfies the framework, nobody can read it."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=503)


def _record(
    target: str, caller: str, request: web.Request, response: web.StreamResponse, now: float, rule: Rule | None
) -> Call:
    identity = request.headers.get("X-Openstack-Request-Id") or request.headers.get("X-Request-ID") or ""
    fault = f"{rule.id} {rule.mode}" if rule else ""
    return Call(
        now, target, request.method, request.path, request.query_string, caller, identity, response.status, fault
    )
