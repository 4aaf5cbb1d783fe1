"""What the other site's answers become, whatever answers there."""

import contextlib
import itertools
import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from siterecovery.protector.domain.errors import (
    BadRequest,
    Conflict,
    Forbidden,
    NotFound,
    PreconditionFailed,
    ProtectorError,
    RemoteSiteUnreachable,
)
from siterecovery.protector.domain.secret import Secret
from siterecovery.protector.peer.transport import HttpTransport, PeerAccess

Answer = tuple[int, bytes]


class Site(ThreadingHTTPServer):
    """Keystone under /v3 and whatever is told for everything else; what arrived is kept."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.answer: Answer = (200, b"{}")
        self.login = 201
        self.dead_tokens: set[str] = set()
        self.refused_together: threading.Barrier | None = None
        self.logins = itertools.count(1)
        self.catalog_type, self.catalog_name, self.catalog_path = "protector", "protector", "/v1/x"
        self.seen: list[tuple[str, str, str]] = []

    def token(self) -> dict[str, Any]:
        endpoint = {
            "id": "e",
            "interface": "public",
            "region": "R",
            "region_id": "R",
            "url": self.url + self.catalog_path,
        }
        domain = {"id": "default", "name": "Default"}
        return {
            "token": {
                "methods": ["password"],
                "user": {"id": "u", "name": "u", "domain": domain},
                "project": {"id": "p", "name": "p", "domain": domain},
                "roles": [],
                "issued_at": "2026-01-01T00:00:00.000000Z",
                "expires_at": "2099-01-01T00:00:00.000000Z",
                "audit_ids": ["x"],
                "catalog": [{"type": self.catalog_type, "name": self.catalog_name, "id": "c", "endpoints": [endpoint]}],
            }
        }


class Handler(BaseHTTPRequestHandler):
    server: Site
    protocol_version = "HTTP/1.1"
    token = ""

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def _serve(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.seen.append((self.command, self.path, self.headers.get("User-Agent", "")))
        if not self.path.startswith("/v3"):
            self._call()
        elif self.command == "POST":
            self.token = f"token-{next(self.server.logins)}"
            self._send(self.server.login, json.dumps(self.server.token()).encode())
        else:
            version = {"id": "v3.14", "status": "stable", "links": [{"rel": "self", "href": self.server.url + "/v3"}]}
            self._send(200, json.dumps({"version": version}).encode())

    def _call(self) -> None:
        if self.headers["X-Auth-Token"] not in self.server.dead_tokens:
            self._send(*self.server.answer)
            return
        if self.server.refused_together:
            self.server.refused_together.wait()
        self._send(401, told("unauthorized"))

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Subject-Token", self.token)
        self.end_headers()
        with contextlib.suppress(
            BrokenPipeError
        ):  # the client has run out of patience, which is what the test is about
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def site() -> Iterator[Site]:
    server = Site()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def transport(site: Site, **changed: Any) -> HttpTransport:
    given: dict[str, Any] = {"auth_url": site.url + "/v3", "endpoint": site.url, **changed}
    return HttpTransport(
        PeerAccess("site-b", username="u", password=Secret("p"), project_name="p", **given),
        "site-a",
        sleep=lambda _: None,
    )


def told(*codes: str) -> bytes:
    return json.dumps(
        {"errors": [{"code": code, "detail": f"detail of {code}", "remedy": "do it"} for code in codes]}
    ).encode()


@pytest.mark.parametrize(
    ("answer", "error", "code"),
    [
        ((400, told("replica.unreadable")), BadRequest, "replica.unreadable"),
        ((403, told("replica.bad_signature")), Forbidden, "replica.bad_signature"),
        ((404, told("protection_group.not_found")), NotFound, "protection_group.not_found"),
        ((409, told("claim.lost")), Conflict, "claim.lost"),
        ((401, told("unauthorized")), Forbidden, "peer.credentials"),
        ((403, b"<html>proxy</html>"), RemoteSiteUnreachable, "remote_site_unreachable"),
        ((404, b"<html>nginx</html>"), RemoteSiteUnreachable, "remote_site_unreachable"),
        ((409, b"{}"), RemoteSiteUnreachable, "remote_site_unreachable"),
        ((413, told("too_large")), RemoteSiteUnreachable, "remote_site_unreachable"),
        ((429, told("rate")), RemoteSiteUnreachable, "remote_site_unreachable"),
        ((500, told("internal_error")), RemoteSiteUnreachable, "remote_site_unreachable"),
        ((503, b""), RemoteSiteUnreachable, "remote_site_unreachable"),
        ((200, b"<html>welcome</html>"), RemoteSiteUnreachable, "remote_site_unreachable"),
        ((200, b"[]"), RemoteSiteUnreachable, "remote_site_unreachable"),
        ((500, b'{"errors": ["text", 7]}'), RemoteSiteUnreachable, "remote_site_unreachable"),
    ],
)
def test_every_answer_becomes_one_of_ours(site: Site, answer: Answer, error: type[ProtectorError], code: str) -> None:
    """A Protector's refusal keeps its code; anything else means that nobody knows whether it was applied."""
    site.answer = answer
    with pytest.raises(error) as refused:
        transport(site).request("POST", "/x", {})
    assert refused.value.code == code
    assert "site-b" in refused.value.detail or refused.value.detail.startswith("detail of")
    assert refused.value.detail.count("answered") <= 1, "said once"


def test_all_unmet_preconditions_are_kept(site: Site) -> None:
    """A 412 of the peer names each of its preconditions, with remedy."""
    site.answer = (412, told("policy.missing", "members.missing"))
    with pytest.raises(PreconditionFailed) as refused:
        transport(site).request("GET", "/x")
    assert [(it.code, it.remedy) for it in refused.value.unmet] == [
        ("policy.missing", "do it"),
        ("members.missing", "do it"),
    ]


@pytest.mark.parametrize(
    ("login", "error"), [(401, Forbidden), (503, RemoteSiteUnreachable), (500, RemoteSiteUnreachable)]
)
def test_a_keystone_that_refuses_is_told_from_one_that_is_ill(
    site: Site, login: int, error: type[ProtectorError]
) -> None:
    """Wrong service credentials are named; a Keystone that does not work is an unreachable site."""
    site.login = login
    with pytest.raises(error) as refused:
        transport(site).request("GET", "/x")
    assert "[site:site-b]" in refused.value.remedy


def test_nobody_listens() -> None:
    """A refused connection is an unreachable site, at once."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    access = PeerAccess("site-b", f"http://127.0.0.1:{port}/v3", "u", Secret("p"), "p")
    with pytest.raises(RemoteSiteUnreachable):
        HttpTransport(access, "site-a").request("GET", "/x")


def test_a_site_that_takes_the_call_and_is_silent_is_given_up(site: Site) -> None:
    """A hanging peer costs the read time limit and not more."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        started = time.monotonic()
        with pytest.raises(RemoteSiteUnreachable):
            transport(site, endpoint=endpoint, read_timeout=0.2).request("GET", "/x")
        assert time.monotonic() - started < 5


@pytest.mark.parametrize(("kind", "name"), [("protector", "anything"), ("disaster-recovery", "protector")])
def test_the_catalog_tells_where_the_peer_is(site: Site, kind: str, name: str) -> None:
    """The peer is found by service type or by service name, whatever its endpoint looks like."""
    site.catalog_type, site.catalog_name = kind, name
    assert transport(site, endpoint=None).request("GET", "/project/x") == {}
    assert site.seen[-1][1] == "/v1/project/x"


def test_calls_say_who_asks_and_share_a_token(site: Site) -> None:
    """The User-Agent names this site, on Keystone too, and one log-in serves many calls."""
    client = transport(site)
    for _ in range(3):
        client.request("GET", "/x")
    assert all(agent.startswith("protector/") and "(site-a)" in agent for _, _, agent in site.seen)
    assert sum(command == "POST" for command, _, _ in site.seen) == 1


def test_a_token_that_died_is_renewed_once_for_all(site: Site) -> None:
    """Eight threads are told at the same moment that their token is none: one logs in anew, and nobody is told of wrong credentials."""
    client = transport(site)
    client.request("GET", "/x")
    site.dead_tokens.add("token-1")
    site.refused_together = threading.Barrier(8, timeout=20)
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda _: client.request("GET", "/x"), range(8))) == [{}] * 8
    assert next(site.logins) == 3


def test_a_token_that_dies_again_at_once_is_renewed_again(site: Site) -> None:
    """Twice in a moment: the third one is good."""
    site.dead_tokens |= {"token-1", "token-2"}
    assert transport(site).request("POST", "/x", {}) == {}
    assert next(site.logins) == 4
