"""Calls to LINSTOR's controllers. Of several only one serves at a time; who serves is found by trying, and remembered."""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

import httpx

from siterecovery.kubevirt.storage.base import Unreachable
from siterecovery.kubevirt.storage.linstor.answers import checked, is_warning
from siterecovery.kubevirt.storage.linstor.settings import LinstorSettings
from siterecovery.workflow.ownership import still_owned

LOG = logging.getLogger(__name__)
_AT_ONCE = 8


class LinstorClient:
    """Every call ends within its timeout at each controller. A change that may have been applied is not sent to the next controller unless it can
    be repeated (PUT, DELETE); a POST ends Unreachable, and its caller looks."""

    def __init__(self, settings: LinstorSettings, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._settings = settings
        self._urls = [url.rstrip("/") for url in settings.controllers]
        self._served = 0
        secure = any(url.startswith("https") for url in self._urls)
        headers = {"Authorization": f"Bearer {settings.token}"} if settings.token else {}
        self._http = httpx.AsyncClient(
            verify=settings.tls() if secure else True,
            headers=headers,
            transport=transport,
            trust_env=False,
            timeout=None,
        )
        self._slots = asyncio.Semaphore(_AT_ONCE)

    async def get(self, path: str, volume: str = "", query: Mapping[str, Any] | None = None) -> Any:
        return await self._call("GET", path, volume, query=query)

    async def post(self, path: str, body: Any, volume: str = "") -> Any:
        return await self._call("POST", path, volume, body)

    async def put(self, path: str, body: Any, volume: str = "") -> Any:
        return await self._call("PUT", path, volume, body)

    async def delete(self, path: str, volume: str = "") -> Any:
        return await self._call("DELETE", path, volume)

    async def close(self) -> None:
        await self._http.aclose()

    async def _call(
        self, verb: str, path: str, volume: str, body: Any = None, query: Mapping[str, Any] | None = None
    ) -> Any:
        failures = []
        for turn in range(len(self._urls)):
            index = (self._served + turn) % len(self._urls)
            what = f"LINSTOR {self._urls[index]}, {verb} {path}"
            try:
                answer = await self._send(verb, index, path, body, query or {})
            except (httpx.HTTPError, TimeoutError) as error:
                failures.append(f"{what}: {_told(error)}")
                if verb == "POST" and not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
                    break
                continue
            self._served = index
            found = checked(answer, what, volume)
            _log_warnings(what, found)
            return found
        raise Unreachable(
            "; ".join(failures) + ".",
            remedy="Check the LINSTOR controller and the way to it; nothing is known until it answers.",
            volume=volume,
        )

    async def _send(self, verb: str, index: int, path: str, body: Any, query: Mapping[str, Any]) -> httpx.Response:
        """httpx bounds the pauses between bytes; the whole call has to be bounded as well."""
        limit = self._settings.timeout if verb == "GET" else self._settings.change_timeout
        async with self._slots, asyncio.timeout(limit):
            if verb != "GET":
                still_owned()
            return await self._http.request(verb, self._urls[index] + path, json=body, params=dict(query) or None)


def _told(error: Exception) -> str:
    match error:
        case TimeoutError() | httpx.TimeoutException():
            return "no answer in time"
        case httpx.RemoteProtocolError():
            return "the answer broke off"
    return str(error) or type(error).__name__


def _log_warnings(what: str, found: Any) -> None:
    for entry in found if isinstance(found, list) else []:
        if isinstance(entry, dict) and "ret_code" in entry and is_warning(entry):
            LOG.info("%s: %s", what, entry.get("message", ""))
