"""Arrays on the wire: one HTTPS listener each, all with the certificate of one directory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from sandbox import certificate
from sandbox.array.array import Array
from sandbox.array.fabric import Fabric
from sandbox.array.front import Front
from sandbox.http import CallLog, middleware, serve


@dataclass
class ArrayServers:
    """Running fronts: `fronts` and `ports` by array name, `certificate` the PEM that clients verify with."""

    certificate: Path
    fronts: dict[str, Front] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)
    _runners: list[web.AppRunner] = field(default_factory=list)
    _context_directory: Path = field(default_factory=Path)

    async def add(
        self,
        array: Array,
        tokens: list[str],
        calls: CallLog,
        *,
        port: int = 0,
        latency: Callable[[], float] | None = None,
    ) -> Front:
        """Serve one array; `latency` (seconds) is asked for each call."""
        front = self.fronts[array.name] = Front(array, tokens)
        fabric: Fabric = array.fabric
        guard = middleware(array.name, array.site, fabric.faults, fabric.clock, latency or _no_latency, calls)
        context = certificate.server_context(self._context_directory)
        runner, self.ports[array.name] = await serve(front.app(guard), port=port, ssl_context=context)
        self._runners.append(runner)
        return front

    async def close(self) -> None:
        """Stop listening."""
        for runner in self._runners:
            await runner.cleanup()
        self._runners.clear()


def servers(directory: Path) -> ArrayServers:
    """A set of fronts whose certificate lies in `directory` (made there if need be)."""
    return ArrayServers(certificate.ensure(directory), _context_directory=directory)


def _no_latency() -> float:
    return 0.0
