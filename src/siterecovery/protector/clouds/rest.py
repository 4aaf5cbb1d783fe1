"""One OpenStack service as one actor sees it: calls with time limits, repeated by their kind, errors translated, lists read whole."""

import functools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

from keystoneauth1 import exceptions as ksa
from requests import Response

from siterecovery.protector.clouds import request_id
from siterecovery.protector.clouds.errors import translate, translated
from siterecovery.protector.clouds.identity import Actor, Version
from siterecovery.protector.clouds.retry import Kind
from siterecovery.protector.domain.credential import with_credential
from siterecovery.protector.domain.errors import CloudBusy, CloudNotFound, CloudRefused
from siterecovery.workflow.abreast import abreast
from siterecovery.workflow.ownership import still_owned

T = TypeVar("T")
PAGE = 1000
_LIST_ATTEMPTS = 3
_HEADER_TYPE = {"compute": "compute", "block-storage": "volume"}
_NAMES = {"compute": "Nova", "block-storage": "Cinder", "network": "Neutron"}

Params = Mapping[str, str | int]


class Service:
    """`service_type` is compute, block-storage or network."""

    def __init__(self, actor: Actor, service_type: str, prefix: str = "") -> None:
        self._actor = actor
        self._type = service_type
        self._prefix = prefix
        self.name = actor.site.called(_NAMES[service_type])

    def version(self, wanted: Version, least: Version | None = None) -> str:
        """The greatest microversion up to `wanted` that the service speaks; CloudRefused when that is below `least`."""
        known = self._actor.endpoint(self._type).greatest
        floor = least or wanted
        chosen = floor if known is None else min(wanted, known)
        if chosen < floor:
            raise CloudRefused(
                f"{self.name} speaks microversions up to {_dotted(chosen)} only; {_dotted(floor)} is needed.",
                service=self.name,
                remedy="Upgrade the cloud, or leave out what needs it.",
            )
        return _dotted(chosen)

    def get(self, path: str, params: Params | None = None, *, version: str | None = None) -> Any:
        """The parsed answer; CloudNotFound when it is not there."""
        return self.call("GET", path, Kind.READ, params=params, version=version)

    def find(self, path: str, params: Params | None = None, *, version: str | None = None) -> Any | None:
        """The parsed answer, or None when it is not there."""
        try:
            return self.get(path, params, version=version)
        except CloudNotFound:
            return None

    def create(self, path: str, body: Any, *, version: str | None = None) -> Any:
        """A POST that makes something: never repeated here."""
        return self.call("POST", path, Kind.CREATE, body=body, version=version)

    def act(self, path: str, body: Any, *, version: str | None = None, method: str = "POST") -> Any:
        """A change that may be said twice."""
        return self.call(method, path, Kind.IDEMPOTENT, body=body, version=version)

    def delete(self, path: str, *, version: str | None = None) -> None:
        """No error when it is gone."""
        try:
            self.call("DELETE", path, Kind.IDEMPOTENT, version=version)
        except CloudNotFound:
            return

    def items(
        self, path: str, key: str, params: Params | None = None, *, version: str | None = None
    ) -> list[dict[str, Any]]:
        """A whole list, page by page. When the thing a page ended with is deleted meanwhile, the services refuse the next page: start again."""
        for _ in range(_LIST_ATTEMPTS):
            found: list[dict[str, Any]] = []
            try:
                for page in self._pages(path, key, params or {}, version):
                    found += page
                return found
            except CloudRefused:
                if not found:
                    raise
        raise CloudBusy(f"{self.name}: the list of {key} changed faster than it could be read.", service=self.name)

    def _pages(self, path: str, key: str, params: Params, version: str | None) -> Iterator[list[dict[str, Any]]]:
        query: dict[str, str | int] = {**params, "limit": PAGE}
        while True:
            body = self.get(path, query, version=version)
            page = body[key]
            yield page
            links = body.get(f"{key}_links") or ()
            if not page or not any(link.get("rel") == "next" for link in links):
                return
            query["marker"] = page[-1]["id"]

    def call(
        self,
        method: str,
        path: str,
        kind: Kind,
        *,
        params: Params | None = None,
        body: Any = None,
        version: str | None = None,
    ) -> Any:
        """One call by its kind; the answer's JSON, None when it has no body."""
        self._actor.endpoint(self._type)  # with its own repetitions: not to be multiplied by those below
        return self._actor.site.pace.run(kind, lambda: self._once(method, path, params, body, version))

    def _once(self, method: str, path: str, params: Params | None, body: Any, version: str | None) -> Any:
        action = f"{method} {path}"
        response, _ = with_credential(
            self._actor.token(),
            lambda token: self._send(method, path, params, body, version, token, action),
            self._actor.renew,
            self._actor.site.pace.sleep,
        )
        if response.status_code >= 400:
            foreign = ksa.from_response(response, method, path)
            raise translate(foreign, service=self.name, action=action) from foreign
        return _parsed(response, self.name, action)

    def _send(
        self, method: str, path: str, params: Params | None, body: Any, version: str | None, token: str, action: str
    ) -> Response:
        """keystoneauth is told nothing of credentials here: it would log in anew for each thread that meets a 401."""
        headers = {"X-Auth-Token": token, "Accept": "application/json", **self._version_headers(version)}
        endpoint = self._actor.endpoint(self._type)
        if method != "GET":
            still_owned()
        with translated(self.name, action):
            carried = request_id.current()
            if carried is not None:
                headers["X-Openstack-Request-Id"] = carried
            query = f"?{urlencode(params)}" if params else ""
            return self._actor.site.send(method, f"{endpoint.url}{self._prefix}{path}{query}", headers, body)

    def _version_headers(self, version: str | None) -> dict[str, str]:
        if version is None:
            return {}
        headers = {"OpenStack-API-Version": f"{_HEADER_TYPE[self._type]} {version}"}
        if self._type == "compute":
            headers["X-OpenStack-Nova-API-Version"] = version  # all that Nova below 2.27 understands
        return headers


def _parsed(response: Response, service: str, action: str) -> Any:
    if not response.content:
        return None
    try:
        return json.loads(response.content)
    except ValueError as error:
        raise CloudBusy(f"{service}: {action}: the answer is not JSON (cut off?)", service=service) from error


def _dotted(version: Version) -> str:
    return f"{version[0]}.{version[1]}"


def segment(text: str) -> str:
    """One path segment: names of keypairs and the like may hold anything."""
    return quote(text, safe="")


def few(ids: Iterable[str] | None, find: Callable[[str], T | None], most: int = 3) -> list[T] | None:
    """What is there of these, each asked for by itself and side by side, when that is cheaper than a list; else None."""
    if ids is None:
        return None
    wanted = sorted(set(ids))
    if len(wanted) > most:
        return None
    return [found for found in abreast(*(functools.partial(find, id) for id in wanted)) if found is not None]
