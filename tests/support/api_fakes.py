"""What surrounds the API, in memory: the peer, the clouds' answers, trusts, probes. Each can be told to fail."""

import dataclasses
from collections.abc import Mapping, Sequence

from siterecovery.protector.api.precheck import InstanceFound, VolumeTypeFound
from siterecovery.protector.api.promises import Check, LinkReport, SiteReport, SiteVolumeType
from siterecovery.protector.domain.epoch import Claim
from siterecovery.protector.domain.errors import CloudUnreachable, Forbidden, RemoteSiteUnreachable, Unmet
from siterecovery.protector.domain.member import Member, Volume
from siterecovery.protector.domain.policy import Policy
from siterecovery.protector.domain.protection_group import ProtectionGroup
from siterecovery.protector.domain.site import Site
from siterecovery.protector.peer.base import Peer, View


@dataclasses.dataclass
class FakePeers:
    """The other site's record of each group is the one this site had at `learn`; `down`: no answer. Only `view` is answered."""

    down: bool = False
    views: dict[str, View] = dataclasses.field(default_factory=dict)

    def learn(self, group: ProtectionGroup) -> None:
        self.views[group.id] = View(
            group.failover_epoch,
            group.metadata_version,
            group.status,
            group.current_primary_site_id,
            Claim(),
            None,
            "site-b",
        )

    def of(self, group: ProtectionGroup) -> Peer:
        return _FakePeer(self)  # type: ignore[return-value]  # the API asks nothing else of it


@dataclasses.dataclass
class _FakePeer:
    peers: FakePeers

    def view(self, group: ProtectionGroup) -> View | None:
        if self.peers.down:
            raise RemoteSiteUnreachable("Site 'site-b' cannot be reached.")
        return self.peers.views.get(group.id)


@dataclasses.dataclass
class FakePrecheck:
    """Clouds in which these things exist. `dead` holds the ids of sites that do not answer."""

    types: set[str] = dataclasses.field(default_factory=lambda: {"gold"})
    instances: dict[str, str] = dataclasses.field(default_factory=dict)
    nets: Mapping[str, Sequence[str]] = dataclasses.field(default_factory=dict)
    flavor_ids: Mapping[str, Sequence[str]] = dataclasses.field(default_factory=dict)
    short: list[Unmet] = dataclasses.field(default_factory=list)
    undelegated: list[Unmet] = dataclasses.field(default_factory=list)
    dead: set[str] = dataclasses.field(default_factory=set)

    def _ask(self, site_id: str) -> None:
        if site_id in self.dead:
            raise CloudUnreachable(f"{site_id} does not answer.")

    def volume_type(self, site_id: str, name_or_id: str, replication_type: str) -> VolumeTypeFound:
        self._ask(site_id)
        if name_or_id in self.types:
            return VolumeTypeFound(f"id-of-{name_or_id}", name_or_id)
        unmet = Unmet("volume_type.not_replicated", f"Volume type '{name_or_id}' is not replicated.", "Choose another.")
        return VolumeTypeFound(None, name_or_id, (unmet,))

    def instance(self, site_id: str, project_id: str, name_or_id: str, volume_type: str) -> InstanceFound:
        self._ask(site_id)
        for instance_id, name in self.instances.items():
            if name_or_id in (instance_id, name):
                return InstanceFound(instance_id, name)
        unmet = Unmet("instance.not_found", f"No instance '{name_or_id}' exists.")
        return InstanceFound("", name_or_id, (unmet,))

    def networks(self, site_id: str, project_id: str, name_or_id: str) -> Sequence[str]:
        self._ask(site_id)
        return self.nets.get(name_or_id, ())

    def flavors(self, site_id: str, project_id: str, name_or_id: str) -> Sequence[str]:
        self._ask(site_id)
        return self.flavor_ids.get(name_or_id, ())

    def quota(
        self, site_id: str, project_id: str, members: Sequence[Member], volumes: Sequence[Volume]
    ) -> Sequence[Unmet]:
        self._ask(site_id)
        return self.short

    def delegated(self, site_id: str, project_id: str) -> Sequence[Unmet]:
        return self.undelegated


@dataclasses.dataclass
class FakeTrusts:
    made: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    deleted: list[str] = dataclasses.field(default_factory=list)
    refuse: bool = False

    def create(self, *, token: str, project_id: str, user_id: str) -> str:
        if self.refuse:
            raise Forbidden("Keystone refuses a trust from this token.", code="delegation.refused")
        self.made.append((project_id, user_id))
        return f"trust-{len(self.made)}"

    def delete(self, trust_id: str, *, token: str) -> None:
        self.deleted.append(trust_id)


@dataclasses.dataclass
class FakeSync:
    called: list[str] = dataclasses.field(default_factory=list)

    def synchronise(self, group_id: str) -> None:
        self.called.append(group_id)


@dataclasses.dataclass
class FakeProbes:
    report: SiteReport = dataclasses.field(
        default_factory=lambda: SiteReport((Check("keystone", "ok", "v3"),), {"nova": "2.95"})
    )
    link: LinkReport = dataclasses.field(default_factory=lambda: LinkReport("ok", 60))

    def validate(self, site: Site) -> SiteReport:
        return self.report

    def volume_types(self, site: Site) -> Sequence[SiteVolumeType]:
        return [SiteVolumeType("t1", "gold", True, "async")]

    def reachable(self, site: Site) -> Check:
        return Check(site.name, "ok", "Reachable, version compatible")

    def storage(self) -> Check:
        return Check("storage", "ok", "Both arrays answer")

    def replication(self, group: ProtectionGroup, policy: Policy | None) -> LinkReport:
        return self.link
