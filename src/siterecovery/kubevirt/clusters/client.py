"""A cluster over aiohttp: one session, JSON by orjson, a time limit on every call. Foreign errors are translated here and nowhere else."""

import contextlib
import datetime
import email.utils
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import aiohttp
import orjson

from siterecovery.kubevirt.clusters import answers, base
from siterecovery.kubevirt.clusters.access import Access
from siterecovery.kubevirt.clusters.base import Listing, WatchEvent
from siterecovery.kubevirt.clusters.together import Together
from siterecovery.kubevirt.domain.resources import Object, Resource
from siterecovery.workflow.ownership import still_owned

PAGE = 500
_MERGE = "application/merge-patch+json"
_APPLY = "application/apply-patch+yaml"
_JSON = "application/json"


class ClusterClient:
    """Fulfils `base.Cluster`. Made anywhere, used in one event loop. `timeout`: seconds for a whole call."""

    def __init__(self, name: str, access: Access, *, timeout: float = 15.0, connect: float = 5.0) -> None:
        self._name = name
        self._access = access
        self._limit = aiohttp.ClientTimeout(total=timeout, connect=connect)
        self._connect = connect
        self._session: aiohttp.ClientSession | None = None
        self._lists = Together[Listing]()

    @property
    def name(self) -> str:
        return self._name

    @property
    def namespace(self) -> str:
        """The namespace of its kubeconfig's context, or the Pod's own."""
        return self._access.namespace

    @property
    def server(self) -> str:
        return self._access.server

    async def get(self, resource: Resource, name: str, namespace: str | None = None) -> Object:
        return await self._json("GET", resource.path(namespace, name), f"get {resource.kind} {_at(namespace, name)}")

    async def find(self, resource: Resource, name: str, namespace: str | None = None) -> Object | None:
        try:
            return await self.get(resource, name, namespace)
        except base.NotFound:
            return None

    async def list(
        self, resource: Resource, namespace: str | None = None, *, labels: str = "", fields: str = ""
    ) -> Listing:
        question = resource, namespace, labels, fields
        return await self._lists(question, lambda: self._all(resource, namespace, labels, fields))

    async def _all(self, resource: Resource, namespace: str | None, labels: str, fields: str) -> Listing:
        query = _given(labelSelector=labels, fieldSelector=fields)
        try:
            return await self._pages(resource, namespace, query, str(PAGE))
        except base.Gone:  # compaction has overtaken the pages: one long answer is consistent whatever happens
            return await self._pages(resource, namespace, query, "")

    async def _pages(self, resource: Resource, namespace: str | None, query: dict[str, str], limit: str) -> Listing:
        found: list[Object] = []
        token = ""
        while True:
            asked = query | _given(**{"limit": limit, "continue": token})
            page = await self._json("GET", resource.path(namespace), f"list {resource.plural}", query=asked)
            # Items of a list do not say what they are; those of a get do.
            found += [
                {"apiVersion": resource.api_version, "kind": resource.kind} | item for item in page["items"] or ()
            ]
            token = page["metadata"].get("continue") or ""
            if not token:
                return Listing(tuple(found), str(page["metadata"].get("resourceVersion", "")))

    async def watch(
        self, resource: Resource, *, since: str, namespace: str | None = None, labels: str = "", silence: float = 75.0
    ) -> AsyncIterator[WatchEvent]:
        query = _given(labelSelector=labels, watch="1", resourceVersion=since, allowWatchBookmarks="true")
        limit = aiohttp.ClientTimeout(total=None, connect=self._connect, sock_read=silence)
        what = f"watch {resource.plural}"
        with self._translated(what):
            async with await self._send("GET", resource.path(namespace), what, query=query, limit=limit) as response:
                async for line in _lines(response):
                    yield self._event(line, what)

    async def create(self, resource: Resource, obj: Mapping[str, Any]) -> Object:
        name, namespace = _identity(obj)
        path, what = resource.path(namespace), f"create {resource.kind} {_at(namespace, name)}"
        return await self._json("POST", path, what, body=obj)

    async def update(self, resource: Resource, obj: Mapping[str, Any], *, subresource: str | None = None) -> Object:
        name, namespace = _identity(obj)
        path, what = resource.path(namespace, name, subresource), f"update {resource.kind} {_at(namespace, name)}"
        return await self._json("PUT", path, what, body=obj)

    async def patch(
        self,
        resource: Resource,
        name: str,
        namespace: str | None,
        patch: Mapping[str, Any],
        *,
        subresource: str | None = None,
        manager: str = "site-recovery",
    ) -> Object:
        path, what = resource.path(namespace, name, subresource), f"patch {resource.kind} {_at(namespace, name)}"
        return await self._json("PATCH", path, what, body=patch, kind=_MERGE, query={"fieldManager": manager})

    async def apply(
        self, resource: Resource, obj: Mapping[str, Any], *, manager: str, subresource: str | None = None
    ) -> Object:
        name, namespace = _identity(obj)
        path, what = resource.path(namespace, name, subresource), f"apply {resource.kind} {_at(namespace, name)}"
        query = {"fieldManager": manager, "force": "true"}
        body = {"apiVersion": resource.api_version, "kind": resource.kind, **obj}
        return await self._json("PATCH", path, what, body=body, kind=_APPLY, query=query)

    async def delete(
        self,
        resource: Resource,
        name: str,
        namespace: str | None = None,
        *,
        uid: str | None = None,
        resource_version: str | None = None,
        propagation: str = "Background",
    ) -> None:
        conditions = _given(uid=uid or "", resourceVersion=resource_version or "")
        body = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": propagation}
        if conditions:
            body |= {"preconditions": conditions}  # type: ignore[dict-item]
        what = f"delete {resource.kind} {_at(namespace, name)}"
        await self._json("DELETE", resource.path(namespace, name), what, body=body)

    async def call(
        self, resource: Resource, name: str, namespace: str, subresource: str, body: Mapping[str, Any] | None = None
    ) -> None:
        what = f"{subresource} {resource.kind} {_at(namespace, name)}"
        await self._json("PUT", resource.path(namespace, name, subresource), what, body=body or {})

    async def server_time(self) -> datetime.datetime:
        with self._translated("ask for the time"):
            async with await self._send("GET", "/version", "ask for the time") as response:
                await response.read()
                return email.utils.parsedate_to_datetime(response.headers["Date"]).astimezone(datetime.UTC)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _json(
        self,
        verb: str,
        path: str,
        what: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        kind: str = _JSON,
    ) -> Object:
        with self._translated(what):
            async with await self._send(verb, path, what, query=query, body=body, kind=kind) as response:
                return dict(answers.document(await response.read()))

    async def _send(
        self,
        verb: str,
        path: str,
        what: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        kind: str = _JSON,
        limit: aiohttp.ClientTimeout | None = None,
    ) -> aiohttp.ClientResponse:
        """An answer below 400. A refused token is asked for anew once: files and plugins may have a newer one."""
        data = orjson.dumps(body) if body is not None else None
        for attempt in (1, 2):
            token = await self._access.token.value()
            headers = {"Accept": f"{_JSON}, */*", "User-Agent": "site-recovery"}  # virt-api's actions answer no JSON
            headers |= {"Authorization": f"Bearer {token}"} if token else {}
            headers |= {"Content-Type": kind} if data is not None else {}
            if verb != "GET":
                still_owned()
            response = await self._opened().request(
                verb,
                self._access.server + path,
                params=query,
                data=data,
                headers=headers,
                timeout=limit or self._limit,
                proxy=self._access.proxy,
                server_hostname=self._access.server_name,
                allow_redirects=False,
            )
            if response.status < 300:
                return response
            said = await response.read()
            response.release()
            if response.status == 401 and attempt == 1:
                self._access.token.forget()
                continue
            raise answers.error(self._name, what, response.status, said)
        raise AssertionError("a second refusal is raised above")

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(ssl=self._access.tls or True, limit=64, keepalive_timeout=60)
            self._session = aiohttp.ClientSession(connector=connector, trust_env=False)
        return self._session

    @contextlib.contextmanager
    def _translated(self, what: str) -> Iterator[None]:
        try:
            yield
        except TimeoutError as error:  # also aiohttp's own, which are TimeoutErrors
            raise base.TimedOut(f"{self._name}: {what}: no answer in time", cluster=self._name) from error
        except (aiohttp.ClientError, OSError) as error:
            raise base.Unreachable(f"{self._name}: {what}: {_reason(error)}", cluster=self._name) from error

    def _event(self, line: bytes, what: str) -> WatchEvent:
        found = answers.document(line)
        if not found:
            raise base.Unreachable(f"{self._name}: {what}: the stream broke in the middle", cluster=self._name)
        if found.get("type") == "ERROR":
            status = found.get("object") or {}
            raise answers.error(self._name, what, int(status.get("code") or 500), orjson.dumps(status))
        return WatchEvent(str(found.get("type")), dict(found.get("object") or {}))


async def _lines(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """Lines of any length: aiohttp's own reader stops at 128 KiB, and a group with a thousand members is longer."""
    rest = bytearray()
    async for chunk in response.content.iter_any():
        rest += chunk
        while (end := rest.find(b"\n")) >= 0:
            line = bytes(rest[:end])
            del rest[: end + 1]
            if line:
                yield line


def _given(**values: str) -> dict[str, str]:
    return {key: value for key, value in values.items() if value}


def _identity(obj: Mapping[str, Any]) -> tuple[str, str | None]:
    metadata = obj["metadata"]
    return str(metadata.get("name") or metadata.get("generateName") or ""), metadata.get("namespace")


def _at(namespace: str | None, name: str) -> str:
    return f"{namespace}/{name}" if namespace else name


def _reason(error: Exception) -> str:
    """aiohttp's sentences without the addresses of its own objects."""
    cause = getattr(error, "os_error", None) or error
    return getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
