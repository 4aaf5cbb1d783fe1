"""The real `openstack` shell against the real API application of site-a. Site-b, and both Keystones, are the client's fakes.

No engine runs: a test that waits says what the engine would have done between two looks.
"""

import base64
import functools
import logging
import pathlib
import socketserver
import threading
from collections.abc import Callable, Iterator
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server
from wsgiref.types import StartResponse, WSGIEnvironment

import pytest

from functional.api.conftest import PROJECT, World, bare, full, keystone, world
from protectorclient.v1.waiting import Pace
from siterecovery.protector.api.promises import OwnIdentity
from unit.protectorclient.fake_site import FakeSite
from unit.protectorclient.harness import Openstack, make_openstack

__all__ = ["bare", "full", "keystone", "world"]


@pytest.fixture
def address(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Where the API of site-a listens. What it logs in this process is not what the command line prints."""
    for name in ("keystonemiddleware", "siterecovery", "waitress"):
        monkeypatch.setattr(logging.getLogger(name), "propagate", False)

    keys = [base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2)]
    world.build(identity=OwnIdentity("site-a", *keys))

    def app(environ: WSGIEnvironment, start: StartResponse) -> Any:
        return world.app(environ, start)  # `build` may replace it

    server = make_server("127.0.0.1", 0, app, Server, Quiet)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


class Server(socketserver.ThreadingMixIn, WSGIServer):
    pass


class Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


@pytest.fixture
def site_a(world: World) -> Iterator[FakeSite]:
    """The Keystone of site-a for the person at the command line, who is an admin of the project."""
    site = FakeSite("site-a")
    site.project_id, site.token = PROJECT, world.tokens["project_admin"]
    site.projects = {"production": PROJECT}
    yield site
    site.stop()


@pytest.fixture
def site_b() -> Iterator[FakeSite]:
    site = FakeSite("site-b")
    site.sites.append({"id": "b", "name": "site-b", "site_type": "secondary", "status": "active", "is_local": True})
    yield site
    site.stop()


@pytest.fixture
def openstack(
    address: str, site_a: FakeSite, site_b: FakeSite, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> Openstack:
    clouds = {"site-a": site_a.cloud | {"protector_endpoint_override": address}, "site-b": site_b.cloud}
    return make_openstack(clouds, tmp_path, monkeypatch)


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], None]], None]:
    """Do this between two looks of a waiting command, instead of sleeping."""

    def set_work(work: Callable[[], None]) -> None:
        monkeypatch.setattr("protectorclient.osc.base.Pace", functools.partial(Pace, sleep=lambda _: work()))

    return set_work
