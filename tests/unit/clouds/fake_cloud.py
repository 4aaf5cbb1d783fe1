"""A fake OpenStack site below `requests`: it plays Keystone with its catalog, and answers what a test has put on the table.

Answers are looked up by "METHOD /path" of the service (`nova`, `cinder`, `neutron`); each is
a body, a (status, body) pair, an exception to raise, or a function of the request. A list of answers is used up one by one, its last one stays.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import requests
from requests.adapters import BaseAdapter

from siterecovery.protector.clouds.access import SiteAccess
from siterecovery.protector.clouds.registry import SiteClouds
from siterecovery.protector.clouds.retry import Pace
from siterecovery.protector.domain.secret import Secret

PROJECT = "p1"
HOST = "http://cloud.test"
SERVICES = {"compute": "nova", "volumev3": "cinder", "network": "neutron"}
VERSIONS = {
    "/nova": {
        "versions": [
            {
                "id": "v2.1",
                "status": "CURRENT",
                "version": "2.96",
                "min_version": "2.1",
                "links": [{"rel": "self", "href": f"{HOST}/nova"}],
            }
        ]
    },
    "/cinder": {
        "versions": [
            {
                "id": "v3.0",
                "status": "CURRENT",
                "version": "3.70",
                "min_version": "3.0",
                "links": [{"rel": "self", "href": f"{HOST}/cinder"}],
            }
        ]
    },
    "/neutron": {
        "versions": [{"id": "v2.0", "status": "CURRENT", "links": [{"rel": "self", "href": f"{HOST}/neutron"}]}]
    },
}
Answer = Any


@dataclasses.dataclass(frozen=True)
class Seen:
    """One request as it arrived."""

    method: str
    path: str
    query: dict[str, str]
    body: Any
    headers: dict[str, str]
    timeout: Any


class FakeCloud(BaseAdapter):
    """`answers` is the table, `seen` every service call, `logins` every token request's body."""

    def __init__(self, answers: dict[str, Answer] | None = None) -> None:
        super().__init__()
        self.answers: dict[str, Answer] = dict(answers or {})
        self.seen: list[Seen] = []
        self.logins: list[Any] = []
        self.login_answer: Callable[[Any], tuple[int, Any]] | None = None
        self.dead_tokens: set[str] = set()
        self.roles: list[str] = ["member"]
        self._numbers = itertools.count(1)

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: Any = True,
        cert: Any = None,
        proxies: Any = None,
    ) -> requests.Response:
        parts = urlsplit(request.url or "")
        body = json.loads(request.body) if request.body else None
        headers = {str(key): str(value) for key, value in request.headers.items()}
        query = dict(parse_qsl(parts.query))
        seen = Seen(request.method or "", parts.path, query, body, headers, timeout)
        status, answer, extra = self._answer(seen)
        return self._response(request, status, answer, extra)

    def close(self) -> None:
        return

    def calls(self, start: str = "") -> list[str]:
        """ "METHOD /path" of each service call so far."""
        return [line for line in (f"{one.method} {one.path}" for one in self.seen) if line.startswith(start)]

    def _answer(self, seen: Seen) -> tuple[int, Any, dict[str, str]]:
        if seen.path == "/identity/v3/auth/tokens":
            return self._login(seen)
        if seen.path.rstrip("/") in VERSIONS and seen.method == "GET":
            return 200, VERSIONS[seen.path.rstrip("/")], {}
        self.seen.append(seen)
        if seen.headers.get("X-Auth-Token") in self.dead_tokens:
            return 401, {"error": {"message": "The request you have made requires authentication."}}, {}
        key = f"{seen.method} {seen.path}"
        if key not in self.answers:
            return 404, {"itemNotFound": {"message": f"nothing at {key}"}}, {}
        answer = self.answers[key]
        if isinstance(answer, list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        if callable(answer):
            answer = answer(seen)
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, tuple):
            return (*answer, {})[:3]
        return 200, answer, {}

    def _login(self, seen: Seen) -> tuple[int, Any, dict[str, str]]:
        self.logins.append(seen.body)
        if self.login_answer is not None:
            status, answer = self.login_answer(seen.body)
            if status != 201:
                return status, answer, {}
        catalog = [
            {
                "type": kind,
                "name": name,
                "endpoints": [
                    {"interface": "public", "region": "RegionOne", "region_id": "RegionOne", "url": f"{HOST}/{name}"}
                ],
            }
            for kind, name in SERVICES.items()
        ]
        token = {
            "methods": ["password"],
            "user": {"id": "u-service", "name": "protector", "domain": {"id": "default", "name": "Default"}},
            "project": {"id": "p-service", "name": "service", "domain": {"id": "default", "name": "Default"}},
            "roles": [{"id": role, "name": role} for role in self.roles],
            "catalog": catalog,
            "issued_at": "2026-01-01T00:00:00.000000Z",
            "expires_at": "2099-01-01T00:00:00.000000Z",
        }
        return 201, {"token": token}, {"X-Subject-Token": f"token-{next(self._numbers)}"}

    @staticmethod
    def _response(
        request: requests.PreparedRequest, status: int, body: Any, extra: dict[str, str]
    ) -> requests.Response:
        response = requests.Response()
        response.status_code = status
        response.url = request.url or ""
        response.request = request
        response._content = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        response.headers.update({"Content-Type": "application/json", **extra})
        return response


def access(**changes: Any) -> SiteAccess:
    base = SiteAccess("s1", "site-b", f"{HOST}/identity/v3", "protector", Secret("pass-word"))
    return dataclasses.replace(base, **changes)


def clouds_on(
    fake: FakeCloud, *, trust: str | None = "trust-1", pauses: list[float] | None = None, **changes: Any
) -> SiteClouds:
    """A registry with one site s1 that is the fake; pauses between repetitions are noted, not slept."""
    noted = pauses if pauses is not None else []

    def http(_: SiteAccess) -> requests.Session:
        session = requests.Session()
        session.mount("http://", fake)
        return session

    return SiteClouds(
        {"s1": access(**changes)},
        own_site="site-a",
        delegation=lambda site, project: trust,
        pace=Pace(sleep=noted.append),
        http=http,
    )


def pages(items: list[dict[str, Any]], key: str, size: int) -> Callable[[Seen], dict[str, Any]]:
    """A list that hands out `size` items a page, as the services do with markers."""

    def answer(seen: Seen) -> dict[str, Any]:
        ids = [item["id"] for item in items]
        start = ids.index(seen.query["marker"]) + 1 if "marker" in seen.query else 0
        page = items[start : start + size]
        more = start + size < len(items)
        return {key: page, **({f"{key}_links": [{"rel": "next", "href": "http://elsewhere"}]} if more else {})}

    return answer
