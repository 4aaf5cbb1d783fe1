"""A cluster's API through a kubeconfig: plain HTTPS without a client library, non-blocking.

KubeError      the server said no; `status` is HTTP's
├── Missing    404
└── Conflict   409: it exists, or changed since it was read
"""

from __future__ import annotations

import base64
import ssl
import tempfile
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import yaml

_TIMEOUT = aiohttp.ClientTimeout(total=10)


class KubeError(Exception):
    """The server said no."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


class Missing(KubeError):
    """There is no such object, or kind."""


class Conflict(KubeError):
    """Somebody was faster."""


class Kube:
    """One cluster. Close it at the end."""

    def __init__(self, kubeconfig: Path) -> None:
        """ValueError when the file is no kubeconfig with a current context."""
        try:
            config = yaml.safe_load(kubeconfig.read_text())
            context = _named(config, "contexts", config["current-context"])["context"]
            cluster = _named(config, "clusters", context["cluster"])["cluster"]
            user = _named(config, "users", context["user"])["user"]
            self._server = str(cluster["server"]).rstrip("/")
        except (OSError, KeyError, TypeError, yaml.YAMLError) as error:
            raise ValueError(f"{kubeconfig} is no kubeconfig with a current context: {error!r}") from error
        self._headers = {"Authorization": f"Bearer {user['token']}"} if user.get("token") else {}
        self._tls = _tls(cluster, user, kubeconfig.parent) if self._server.startswith("https") else None
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close its connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def get(self, path: str) -> dict[str, Any]:
        """One object."""
        return await self._call("GET", path)

    async def list(self, path: str) -> list[dict[str, Any]]:
        """The objects of a collection."""
        items: list[dict[str, Any]] = (await self._call("GET", path)).get("items") or []
        return items

    async def merge(self, path: str, change: dict[str, Any]) -> dict[str, Any]:
        """A JSON merge patch."""
        return await self._call("PATCH", path, change, "application/merge-patch+json")

    async def _call(
        self, verb: str, path: str, body: dict[str, Any] | None = None, kind: str = "application/json"
    ) -> dict[str, Any]:
        if self._session is None:
            connector = aiohttp.TCPConnector(ssl=self._tls) if self._tls else aiohttp.TCPConnector()
            self._session = aiohttp.ClientSession(connector=connector, timeout=_TIMEOUT, headers=self._headers)
        data = None if body is None else orjson.dumps(body)
        async with self._session.request(
            verb, self._server + path, data=data, headers={"Content-Type": kind}
        ) as answer:
            text = await answer.read()
            if answer.status >= 400:
                raise {404: Missing, 409: Conflict}.get(answer.status, KubeError)(
                    answer.status, text[:500].decode(errors="replace")
                )
            found: dict[str, Any] = orjson.loads(text)
            return found


def _named(config: dict[str, Any], kind: str, name: str) -> dict[str, Any]:
    return next((item for item in config[kind] if item["name"] == name), {})


def _tls(cluster: dict[str, Any], user: dict[str, Any], folder: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=_content(cluster, "certificate-authority", folder).decode())
    if "client-certificate-data" in user or "client-certificate" in user:
        # The ssl module reads certificates from files only.
        with tempfile.NamedTemporaryFile() as pair:
            pair.write(_content(user, "client-certificate", folder) + b"\n" + _content(user, "client-key", folder))
            pair.flush()
            context.load_cert_chain(pair.name)
    return context


def _content(part: dict[str, Any], key: str, folder: Path) -> bytes:
    if f"{key}-data" in part:
        return base64.b64decode(part[f"{key}-data"])
    return (folder / str(part[key])).read_bytes()
