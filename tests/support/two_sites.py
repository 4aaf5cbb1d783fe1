"""Two Protectors in one process: real databases, real keys, real messages. Only the wire between them is ours, and can lose an answer."""

import dataclasses
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from siterecovery.protector.domain.errors import ProtectorError, RemoteSiteUnreachable
from siterecovery.protector.domain.member import Member, Rebuild, Volume
from siterecovery.protector.domain.operation import Debt
from siterecovery.protector.domain.policy import Policy
from siterecovery.protector.domain.protection_group import ProtectionGroup
from siterecovery.protector.domain.secret import Secret
from siterecovery.protector.domain.site import Site, TenantMapping
from siterecovery.protector.domain.states import GroupStatus
from siterecovery.protector.peer import document
from siterecovery.protector.peer.base import Document, Peer
from siterecovery.protector.peer.client import HttpPeers
from siterecovery.protector.peer.envelope import Kind
from siterecovery.protector.peer.keys import Identity
from siterecovery.protector.peer.service import PeerService
from siterecovery.protector.peer.transport import PeerAccess, refusal
from siterecovery.protector.store.base import Store
from siterecovery.protector.store.schema import migrate
from siterecovery.protector.store.secrets import Keys
from siterecovery.protector.store.sql_store import open_store

NAMES = {"site-a": "id-a", "site-b": "id-b"}
PROJECTS = {"site-a": "project-in-a", "site-b": "project-in-b"}
GROUP = "group-1"
KEY = "ZmDfcTF7_60GrrY167zsiPd67pEvs0aGOv2oasOM1Pg="
"""A Fernet key for databases that live as long as a test."""
NOW = 1_800_000_000.0


@dataclasses.dataclass
class Wire:
    """What stands between the two: JSON in both directions, as HTTP would carry it. `tamper` sees every body on its way."""

    service: PeerService
    site: str
    lose_answers: int = 0
    cut: bool = False
    sent: list[tuple[str, str, dict[str, Any] | None]] = dataclasses.field(default_factory=list)
    tamper: Callable[[dict[str, Any]], dict[str, Any]] | None = None

    def request(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        if self.cut:
            raise RemoteSiteUnreachable(f"Site '{self.site}' cannot be reached.")
        self.sent.append((method, path, body))
        body = json.loads(json.dumps(body))
        if self.tamper is not None and body is not None:
            body = self.tamper(body)
        answer: dict[str, Any] = json.loads(json.dumps(self._serve(method, path, body)))
        if self.lose_answers:
            self.lose_answers -= 1
            raise RemoteSiteUnreachable(f"Site '{self.site}' cannot be reached.")
        return answer

    def _serve(self, method: str, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
        project, _, group_id, _, *verb = path.strip("/").split("/")
        assert project == PROJECTS[self.site]
        try:
            if method == "POST":
                assert body is not None
                return self.service.act(Kind(verb[0]), group_id, body["replica"])
            if method == "PUT":
                assert body is not None
                return self.service.put(group_id, body["replica"])
            if verb == ["view"]:
                return {"view": self.service.view(group_id)}
            return {"replica": self.service.document(group_id)}
        except ProtectorError as error:
            told = {"code": error.code, "detail": error.detail, "remedy": error.remedy}
            raise refusal(self.site, error.status, [told]) from error


@dataclasses.dataclass
class OneSite:
    name: str
    store: Store
    identity: Identity
    service: PeerService
    peers: HttpPeers
    wire: Wire
    """To the other site."""

    @property
    def id(self) -> str:
        return NAMES[self.name]

    def group(self) -> ProtectionGroup:
        found = self.store.run(lambda tx: tx.groups.get(GROUP))
        assert found is not None
        return found

    def save(self, **fields: Any) -> ProtectionGroup:
        changed = dataclasses.replace(self.group(), **fields)
        self.store.run(lambda tx: tx.groups.save(changed))
        return changed

    def peer(self) -> Peer:
        return self.peers.of(self.group())

    def document(self) -> Document:
        return self.store.run(lambda tx: document.build(tx, self.group()))


@dataclasses.dataclass
class TwoSites:
    a: OneSite
    b: OneSite
    now: float = NOW

    def pushed(self) -> "TwoSites":
        """Both know the group."""
        assert self.a.peer().push(self.a.document())
        return self


def make(
    directory: Path,
    *,
    fill: Callable[[Store], None] | None = None,
    now: Callable[[], float] | None = None,
    drain: float = 30.0,
    lease_ttl: float = 60.0,
) -> TwoSites:
    """site-a has a group with one member, a policy and a debt (or what `fill` puts there); site-b has never heard of it. `now`: the time
    that databases and messages go by, else the messages' is `TwoSites.now` and the databases' the machine's."""
    identities = {name: Identity.generate() for name in NAMES}
    stores = {
        name: _store(directory, name, identities, drain=drain, lease_ttl=lease_ttl, clock=now or time.time)
        for name in NAMES
    }
    sites: TwoSites

    def clock() -> float:
        return now() if now is not None else sites.now

    services = {name: PeerService(stores[name], identities[name], name, clock) for name in NAMES}
    made = {}
    for name in NAMES:
        other = next(it for it in NAMES if it != name)
        wire = Wire(services[other], other)
        access = {other: PeerAccess(other, "http://keystone", "protector", Secret("password"), "service")}
        peers = HttpPeers(stores[name], identities[name], name, access, connect=_always(wire), clock=clock)
        made[name] = OneSite(name, stores[name], identities[name], services[name], peers, wire)
    sites = TwoSites(made["site-a"], made["site-b"])
    (fill or _fill)(sites.a.store)
    return sites


def _always(wire: Wire) -> Callable[[PeerAccess, str], Wire]:
    return lambda _access, _own_site: wire


def _store(
    directory: Path,
    name: str,
    identities: dict[str, Identity],
    *,
    drain: float,
    lease_ttl: float,
    clock: Callable[[], float],
) -> Store:
    url = f"sqlite:///{directory}/{name}.db"
    if not (directory / f"{name}.db").exists():  # a test may have put a migrated one there
        migrate(url)
    store = open_store(url, Keys([KEY]), drain=drain, lease_ttl=lease_ttl, clock=clock)
    other = next(it for it in NAMES if it != name)

    def register(tx: Any) -> None:
        for site, site_id in NAMES.items():
            keys = identities[site].public
            tx.sites.save(
                Site(site_id, site, "primary", "http://x", signing_key=keys.signing_key, sealing_key=keys.sealing_key)
            )
        tx.tenants.save_mapping(TenantMapping("mapping-1", PROJECTS[name], NAMES[other], PROJECTS[other]))

    store.run(register)
    return store


def _fill(store: Store) -> None:
    group = ProtectionGroup(
        GROUP,
        "billing",
        PROJECTS["site-a"],
        NAMES["site-a"],
        NAMES["site-b"],
        NAMES["site-a"],
        "gold",
        "gold",
        status=GroupStatus.ACTIVE,
        metadata_version=3,
    )
    rebuild = Rebuild("f1", "m1.small", user_data="password: hunter2")

    def work(tx: Any) -> None:
        tx.groups.save(group)
        tx.members.save(Member("member-1", GROUP, "server-1", "web", rebuild=rebuild))
        tx.volumes.save(Volume("volume-1", GROUP, "member-1", "cinder-1", "root", 10, boot_index=0))
        tx.policies.save(Policy(GROUP, "https://a", Secret("token-a"), "https://b", Secret("token-b"), "pg"))
        tx.debts.save(Debt("debt-1", GROUP, NAMES["site-b"], "fence", "server-9"))

    store.run(work)
