"""HTTP and TCP probes, asked at the Pod's own address."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

import aiohttp

from sandbox.kubernetes.client import Object


class Probe:
    """One probe of one container; it changes its mind after as many answers in a row as its spec says."""

    def __init__(self, spec: Object, address: str, ports: Mapping[str, int]) -> None:
        self._spec = spec
        self._address = address
        self._ports = ports
        self._asked = float("-inf")
        self._row = 0
        self._good: bool | None = None

    async def ask(self, age: float) -> bool | None:
        """Its opinion once there is a new one; `age` of the container in seconds. None: nothing new."""
        if age < self._spec.get("initialDelaySeconds", 0):
            return None
        if time.monotonic() - self._asked < self._spec.get("periodSeconds", 10):
            return None
        self._asked = time.monotonic()
        good = await self._once()
        self._row = self._row + 1 if good == self._good else 1
        self._good = good
        enough = self._spec.get("successThreshold", 1) if good else self._spec.get("failureThreshold", 3)
        return good if self._row >= enough else None

    async def _once(self) -> bool:
        seconds = float(self._spec.get("timeoutSeconds", 1))
        try:
            async with asyncio.timeout(seconds):
                if "httpGet" in self._spec:
                    return await self._http(self._spec["httpGet"])
                if "tcpSocket" in self._spec:
                    return await self._tcp(self._spec["tcpSocket"])
        except (OSError, TimeoutError, aiohttp.ClientError):
            return False
        return True  # exec and grpc probes are not played

    async def _http(self, get: Object) -> bool:
        url = f"{get.get('scheme', 'HTTP').lower()}://{self._address}:{self._port(get)}{get.get('path', '/')}"
        async with aiohttp.ClientSession() as session, session.get(url, ssl=False, allow_redirects=False) as answer:
            return 200 <= answer.status < 400

    async def _tcp(self, socket: Object) -> bool:
        _, writer = await asyncio.open_connection(self._address, self._port(socket))
        writer.close()
        await writer.wait_closed()
        return True

    def _port(self, target: Object) -> int:
        port = target["port"]
        return port if isinstance(port, int) else self._ports[port]
