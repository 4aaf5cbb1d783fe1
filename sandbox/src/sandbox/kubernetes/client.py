"""A plane's API for whoever sets a world up or looks into it: blocking, and safe to use from several threads.

Errors
    ApiError                the server said no, with its status and its words
    ├── Missing             404
    └── Conflict            409: it exists, or was changed meanwhile
    OSError                 nobody answered (refused, timed out, cut)
"""

from __future__ import annotations

import http.client
import ssl
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import orjson

from sandbox.kubernetes.pki import Pair

Object = dict[str, Any]
_Found = TypeVar("_Found")
_TIMEOUT_SECONDS = 20.0
_PAUSE_SECONDS = 0.05
_MERGE = "application/merge-patch+json"
_APPLY = "application/apply-patch+yaml"  # JSON is YAML, and orjson writes no other
_MANAGER = "sandbox"


class ApiError(Exception):
    """`status` is HTTP's; `reason` is Kubernetes' word for it, such as AlreadyExists."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(f"{status} {reason}: {message}")
        self.status = status
        self.reason = reason


class Missing(ApiError):
    """There is no such object, or no such kind (yet)."""


class Conflict(ApiError):
    """An object of that name exists, or somebody changed it since it was read."""


def refusal(status: int, body: bytes) -> ApiError:
    """The error for an answer of 400 and more; the server sends a Status object, an aggregated one sometimes bare text."""
    try:
        told = orjson.loads(body)
    except orjson.JSONDecodeError:
        told = {}
    told = told if isinstance(told, dict) else {}
    kind = {404: Missing, 409: Conflict}.get(status, ApiError)
    return kind(status, str(told.get("reason", "")), str(told.get("message") or body[:500].decode(errors="replace")))


class Api:
    """Calls by path; `apply`, `create` and the like know where an object of a given kind lies."""

    def __init__(self, server: str, authority: str, client: Pair | None = None, token: str = "") -> None:
        """`authority`: file of the CA that signs the server; known by certificate or by token."""
        self.server = server
        self._host = urlsplit(server).netloc
        self._tls = ssl.create_default_context(cafile=authority)
        if client is not None:
            self._tls.load_cert_chain(client.certificate, client.key)
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._idle: deque[http.client.HTTPSConnection] = deque()
        self._plurals: dict[tuple[str, str], tuple[str, bool]] = {}

    def call(self, verb: str, path: str, body: Object | None = None, kind: str = "application/json") -> Any:
        """The answer's JSON, its text where it is none. ApiError for 400 and more; OSError when nobody answers."""
        data = None if body is None else orjson.dumps(body)
        headers = {**self._headers, "Accept": "application/json"} | ({"Content-Type": kind} if data else {})
        status, answer = self._exchange(verb, path, data, headers)
        if status >= 400:
            raise refusal(status, answer)
        try:
            return orjson.loads(answer)
        except orjson.JSONDecodeError:
            return answer.decode(errors="replace")

    def _exchange(self, verb: str, path: str, data: bytes | None, headers: Mapping[str, str]) -> tuple[int, bytes]:
        """A connection that lay idle may have been closed by the other side: then once more on a fresh one."""
        while True:
            kept = self._kept()
            connection = kept or http.client.HTTPSConnection(self._host, context=self._tls, timeout=_TIMEOUT_SECONDS)
            try:
                connection.request(verb, path, data, dict(headers))
                response = connection.getresponse()
                status, answer = response.status, response.read()
            except (http.client.HTTPException, OSError) as error:
                connection.close()
                if kept is None or isinstance(error, TimeoutError):
                    raise OSError(f"{verb} {self.server}{path}: {error!r}") from error
            else:
                self._idle.append(connection)
                return status, answer

    def _kept(self) -> http.client.HTTPSConnection | None:
        try:
            return self._idle.pop()
        except IndexError:
            return None

    def close(self) -> None:
        """Let go of the connections; the next call makes a new one."""
        while self._idle:
            self._idle.pop().close()

    def get(self, path: str) -> Any:
        """What lies at a path."""
        return self.call("GET", path)

    def items(self, path: str, **query: str) -> list[Object]:
        """The objects of a collection; `labelSelector=...` and the like as keywords."""
        listed = self.call("GET", path + (f"?{urlencode(query)}" if query else ""))
        items: list[Object] = listed.get("items") or []
        return items

    def create(self, made: Object) -> Object:
        """POST it (Conflict when it exists)."""
        created: Object = self.call("POST", self.collection(made), made)
        return created

    def apply(self, wanted: Object) -> Object:
        """Server-side apply as the field manager `sandbox`, taking over what others own."""
        query = urlencode({"fieldManager": _MANAGER, "force": "true", "fieldValidation": "Ignore"})
        applied: Object = self.call("PATCH", f"{self.path(wanted)}?{query}", wanted, _APPLY)
        return applied

    def merge(self, path: str, change: Object) -> Object:
        """A JSON merge patch."""
        patched: Object = self.call("PATCH", path, change, _MERGE)
        return patched

    def delete(self, path: str) -> None:
        """Ask for its deletion; what is gone already is fine."""
        try:
            self.call("DELETE", path)
        except Missing:
            return

    def path(self, item: Object) -> str:
        """Where an object lies, with its name."""
        return f"{self.collection(item)}/{quote(item['metadata']['name'])}"

    def collection(self, item: Object) -> str:
        """Where objects of its kind lie, in its namespace if the kind has them. The server is asked once for each kind."""
        version, kind = str(item["apiVersion"]), str(item["kind"])
        if (version, kind) not in self._plurals:
            self._learn(version)
        if (version, kind) not in self._plurals:
            raise Missing(404, "NotFound", f"{self.server} knows no kind {kind} in {version}")
        plural, namespaced = self._plurals[version, kind]
        place = f"/namespaces/{item['metadata'].get('namespace', 'default')}" if namespaced else ""
        return f"{_root(version)}{place}/{plural}"

    def _learn(self, version: str) -> None:
        for resource in self.get(_root(version))["resources"]:
            if "/" not in resource["name"]:
                self._plurals[version, resource["kind"]] = resource["name"], resource["namespaced"]


def _root(version: str) -> str:
    return f"/apis/{version}" if "/" in version else f"/api/{version}"


def wait_until(what: str, seconds: float, ask: Callable[[], _Found | None]) -> _Found:
    """The first true answer; refusals and silence mean "not yet". TimeoutError says what was seen last."""
    end = time.monotonic() + seconds
    while True:
        try:
            found = ask()
            last: object = found
            if found:
                return found
        except (ApiError, OSError) as error:
            last = error
        if time.monotonic() > end:
            raise TimeoutError(f"{what} did not come within {seconds:.0f} s; last seen: {str(last)[:500]}")
        time.sleep(_PAUSE_SECONDS)
