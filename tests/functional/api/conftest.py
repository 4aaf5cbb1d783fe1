"""The real application on a SQLite store, behind the real keystonemiddleware, which asks a small Keystone over HTTP."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from wsgiref.types import WSGIApplication

import falcon.testing
import pytest
from cryptography.fernet import Fernet
from keystonemiddleware import auth_token
from oslo_config import cfg
from oslo_policy import policy as oslo_policy
from prometheus_client import CollectorRegistry

from functional.api.keystone import FakeKeystone
from siterecovery.protector.api.deploy import Limits, make_app
from siterecovery.protector.api.policies import list_rules
from siterecovery.protector.api.promises import OwnIdentity
from siterecovery.protector.api.services import Config, Services
from siterecovery.protector.domain.member import Member, Port, Rebuild, Volume
from siterecovery.protector.domain.policy import Policy
from siterecovery.protector.domain.protection_group import ProtectionGroup
from siterecovery.protector.domain.secret import Secret
from siterecovery.protector.domain.site import Delegation, Site, TenantMapping
from siterecovery.protector.domain.states import GroupStatus, MemberStatus, PolicyStatus, SyncStatus
from siterecovery.protector.store.base import Transaction
from siterecovery.protector.store.schema import migrate
from siterecovery.protector.store.secrets import Keys
from siterecovery.protector.store.sql_store import open_store
from support.api_fakes import FakePeers, FakePrecheck, FakeProbes, FakeSync, FakeTrusts

KEYSTONE_CONF = """
[keystone_authtoken]
auth_type = password
auth_url = {url}
username = protector
password = x
project_name = service
user_domain_name = Default
project_domain_name = Default
www_authenticate_uri = {url}
service_token_roles_required = true
"""
PROJECT, OTHER_PROJECT = "project-1", "project-2"
TOKEN_1, TOKEN_2 = "T-primary-secret", "T-secondary-secret"


@pytest.fixture(scope="session")
def keystone() -> Iterator[FakeKeystone]:
    server = FakeKeystone()
    yield server
    server.close()


@dataclasses.dataclass
class World:
    """One Protector, site-a, and everything around it. `call` sends a request as `who`; `raw` is a body that need not be JSON."""

    services: Services
    peers: FakePeers
    precheck: FakePrecheck
    trusts: FakeTrusts
    sync: FakeSync
    probes: FakeProbes
    keystone: FakeKeystone
    enforcer: oslo_policy.Enforcer
    directory: Path
    limits: Limits = dataclasses.field(default_factory=Limits)
    tokens: dict[str, str] = dataclasses.field(default_factory=dict)
    app: WSGIApplication = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        self.tokens = {
            "member": self.keystone.token("alice", PROJECT, "member", "reader"),
            "reader": self.keystone.token("rita", PROJECT, "reader"),
            "stranger": self.keystone.token("bob", OTHER_PROJECT, "member"),
            "admin": self.keystone.token("root", "admin-project", "admin"),
            "project_admin": self.keystone.token("root", PROJECT, "admin"),
            "peer": self.keystone.token("protector", "service", "service"),
        }
        self.build()

    def build(self, **changes: Any) -> None:
        self.services = dataclasses.replace(self.services, **{"metrics": CollectorRegistry(), **changes})
        conf = cfg.ConfigOpts()
        conf([], default_config_files=[str(self.directory / "keystone.conf")])

        def check(app: WSGIApplication) -> WSGIApplication:
            return auth_token.AuthProtocol(app, {"oslo_config_config": conf})  # type: ignore[no-any-return]

        self.app = make_app(self.services, self.enforcer, check, self.limits)

    def call(
        self, method: str, path: str, body: Any = None, *, who: str | None = "member", version: str = "1.2", **more: Any
    ) -> falcon.testing.Result:
        headers = {"OpenStack-API-Version": f"protector {version}"} if version else {}
        if who is not None:
            headers["X-Auth-Token"] = self.tokens.get(who, who)
        headers |= more.pop("headers", {})
        if "raw" in more:
            more["body"] = more.pop("raw")
        elif body is not None:
            more["json"] = body
        path = path.replace("{p}", PROJECT)
        return falcon.testing.simulate_request(self.app, method, path, headers=headers, **more)

    def write(self, work: Any) -> Any:
        return self.services.store.run(work)

    def group(self, group_id: str = "g1") -> ProtectionGroup:
        found = self.write(lambda tx: tx.groups.get(group_id))
        assert isinstance(found, ProtectionGroup)
        return found

    def change(self, **fields: Any) -> None:
        """Changes the group's row, here and at the peer."""
        group = dataclasses.replace(self.group(), **fields)
        self.write(lambda tx: tx.groups.save(group))
        self.peers.learn(group)

    def everything(self) -> dict[str, Any]:
        """All rows that a refused request must leave alone."""

        def read(tx: Transaction) -> dict[str, Any]:
            groups = tx.groups.select()
            return {
                "sites": tx.sites.all(),
                "groups": groups,
                "members": [tx.members.of_group(group.id) for group in groups],
                "policies": [tx.policies.get(group.id) for group in groups],
                "operations": [tx.operations.of_group(group.id) for group in groups],
                "mappings": tx.tenants.mappings(),
                "delegations": tx.tenants.delegations(),
            }

        found = self.write(read)
        assert isinstance(found, dict)
        return found


@pytest.fixture
def world(keystone: FakeKeystone, tmp_path: Path) -> Iterator[World]:
    """Both sites are registered, the project is mapped and delegated; there is no group."""
    url = f"sqlite:///{tmp_path / 'protector.sqlite'}"
    migrate(url)
    store = open_store(url, Keys([Fernet.generate_key().decode()]), drain=1, lease_ttl=10)
    conf = cfg.ConfigOpts()
    conf([], default_config_files=[])
    enforcer = oslo_policy.Enforcer(conf, policy_file=str(tmp_path / "policy.yaml"))
    enforcer.register_defaults(list_rules())
    peers, precheck, trusts, sync, probes = FakePeers(), FakePrecheck(), FakeTrusts(), FakeSync(), FakeProbes()
    config = Config(allowed_array_urls=("https://fa-a.example.com", "https://fa-b.example.com"))
    services = Services(store, peers, precheck, sync, trusts, probes, OwnIdentity("site-a", "c2ln", "c2VhbA=="), config)
    keystone.down = False
    (tmp_path / "keystone.conf").write_text(KEYSTONE_CONF.format(url=keystone.url))
    made = World(services, peers, precheck, trusts, sync, probes, keystone, enforcer, tmp_path)
    made.write(_register)
    yield made
    store.close()


def _register(tx: Transaction) -> None:
    tx.sites.save(Site("a", "site-a", "primary", "http://a:5000/v3", created_at=tx.now()))
    tx.sites.save(Site("b", "site-b", "secondary", "http://b:5000/v3", created_at=tx.now()))
    tx.tenants.save_mapping(TenantMapping("m", PROJECT, "b", "project-1-there"))
    tx.tenants.save_delegation(Delegation(PROJECT, "trust-0", "alice"))


@pytest.fixture
def bare(world: World) -> World:
    """With a group `web` (g1) that rests in `active`, without members and policy; the peer has the same record."""
    group = ProtectionGroup(
        id="g1",
        name="web",
        project_id=PROJECT,
        primary_site_id="a",
        secondary_site_id="b",
        current_primary_site_id="a",
        volume_type="gold",
        secondary_volume_type="gold",
        status=GroupStatus.ACTIVE,
        metadata_version=3,
        remote_sync_status=SyncStatus.SYNCED,
        remote_sync_version=3,
        created_at="2026-01-02T03:04:05Z",
    )
    world.write(lambda tx: tx.groups.save(group))
    world.peers.learn(group)
    world.precheck.instances = {"i-1": "web-1", "i-2": "web-2"}
    world.precheck.nets = {"net-b": ["net-b-id"]}
    world.precheck.flavor_ids = {"m1.small": ["flavor-b-id"]}
    return world


@pytest.fixture
def full(bare: World) -> World:
    """With a member, a volume and an active policy: ready to fail over."""

    def write(tx: Transaction) -> None:
        rebuild = Rebuild("flavor-a-id", "m1.small", ports=(Port("net-a-id", "net-a"),))
        tx.members.save(Member("m1", "g1", "i-1", "web-1", MemberStatus.PROTECTED, rebuild))
        tx.volumes.save(Volume("v1", "g1", "m1", "vol-1", "web-1-boot", 20, 0, bootable=True))
        tokens = Secret(TOKEN_1), Secret(TOKEN_2)
        tx.policies.save(
            Policy(
                "g1",
                "https://fa-a.example.com",
                tokens[0],
                "https://fa-b.example.com",
                tokens[1],
                "pg-web",
                status=PolicyStatus.ACTIVE,
            )
        )

    bare.write(write)
    return bare
