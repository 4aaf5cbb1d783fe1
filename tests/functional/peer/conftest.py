"""site-b's real application on HTTP, behind the real keystonemiddleware; site-a asks it with the real client."""

import dataclasses
import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from wsgiref import simple_server
from wsgiref.types import WSGIApplication

import pytest
from keystonemiddleware import auth_token
from oslo_config import cfg
from oslo_policy import policy as oslo_policy

from functional.api.conftest import KEYSTONE_CONF
from functional.api.keystone import SERVICE_TOKEN, FakeKeystone
from siterecovery.protector.api.deploy import make_app
from siterecovery.protector.api.policies import list_rules
from siterecovery.protector.api.promises import OwnIdentity
from siterecovery.protector.api.services import Services
from siterecovery.protector.domain.secret import Secret
from siterecovery.protector.peer.client import HttpPeers
from siterecovery.protector.peer.transport import PeerAccess
from support.api_fakes import FakePeers, FakePrecheck, FakeProbes, FakeSync, FakeTrusts
from support.two_sites import TwoSites, make


@dataclasses.dataclass
class Http:
    """`peers` is site-a's, over HTTP. `roles` are what its service user has at site-b."""

    sites: TwoSites
    keystone: FakeKeystone
    url: str
    access: PeerAccess

    @property
    def peers(self) -> HttpPeers:
        a = self.sites.a
        return HttpPeers(a.store, a.identity, a.name, {"site-b": self.access}, clock=lambda: self.sites.now)

    def grant(self, *roles: str) -> None:
        """What the service user's token is good for at site-b from now on."""
        token = self.keystone.token("protector", "service", *roles)
        self.keystone.tokens[SERVICE_TOKEN] = self.keystone.tokens.pop(token)


class _Server(socketserver.ThreadingMixIn, simple_server.WSGIServer):
    daemon_threads = True


class _Quiet(simple_server.WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def http(tmp_path: Path) -> Iterator[Http]:
    sites, keystone = make(tmp_path), FakeKeystone()
    (tmp_path / "keystone.conf").write_text(KEYSTONE_CONF.format(url=keystone.url))
    server = simple_server.make_server(
        "127.0.0.1", 0, _application(sites, tmp_path), server_class=_Server, handler_class=_Quiet
    )
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}"
    access = PeerAccess("site-b", keystone.url, "protector", Secret("pa55word"), "service", endpoint=url)
    made = Http(sites, keystone, url, access)
    made.grant("service")
    yield made
    server.shutdown()
    thread.join()
    server.server_close()
    keystone.close()


def _application(sites: TwoSites, directory: Path) -> WSGIApplication:
    conf, rules = cfg.ConfigOpts(), cfg.ConfigOpts()
    conf([], default_config_files=[str(directory / "keystone.conf")])
    rules([], default_config_files=[])
    enforcer = oslo_policy.Enforcer(rules, policy_file=str(directory / "policy.yaml"))
    enforcer.register_defaults(list_rules())
    b = sites.b
    services = Services(
        b.store,
        FakePeers(),
        FakePrecheck(),
        FakeSync(),
        FakeTrusts(),
        FakeProbes(),
        OwnIdentity(b.name, b.identity.public.signing_key, b.identity.public.sealing_key),
        replica=b.service,
    )
    return make_app(services, enforcer, lambda app: auth_token.AuthProtocol(app, {"oslo_config_config": conf}))
