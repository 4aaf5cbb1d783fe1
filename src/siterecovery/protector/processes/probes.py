"""`api.promises.Probes` on the real world: what people are told when they ask how things are."""

import datetime
from collections.abc import Callable, Sequence

from siterecovery.protector.api.promises import Check, LinkReport, SiteReport, SiteVolumeType
from siterecovery.protector.arrays.base import Drivers, Replication
from siterecovery.protector.clouds.base import Clouds
from siterecovery.protector.domain.errors import ProtectorError
from siterecovery.protector.domain.policy import Policy
from siterecovery.protector.domain.protection_group import ProtectionGroup
from siterecovery.protector.domain.site import Site
from siterecovery.protector.processes.precheck import ANY_PROJECT
from siterecovery.protector.store.base import Store

ProtectorCheck = Callable[[Site], str]
""" "ok", or what is wrong with the Protector of that site."""


class WorldProbes:
    """`now` is UTC."""

    def __init__(
        self,
        store: Store,
        clouds: Clouds,
        drivers: Drivers,
        protector: ProtectorCheck,
        site_name: str,
        now: Callable[[], datetime.datetime] = lambda: datetime.datetime.now(datetime.UTC),
    ) -> None:
        self._store = store
        self._clouds = clouds
        self._drivers = drivers
        self._protector = protector
        self._site_name = site_name
        self._now = now

    def validate(self, site: Site) -> SiteReport:
        try:
            cloud = self._clouds.service(site.id, ANY_PROJECT)
            found: dict[str, str] = {str(name): said for name, said in cloud.probe().items()}
        except ProtectorError as error:
            found = dict.fromkeys(("keystone", "nova", "cinder", "neutron"), f"{error.detail} {error.remedy}".strip())
        found["protector"] = self._protector(site)
        checks = tuple(
            Check(name, "ok" if said == "ok" else "error", "Responding" if said == "ok" else said)
            for name, said in found.items()
        )
        return SiteReport(checks, self._capabilities(site))

    def _capabilities(self, site: Site) -> dict[str, object]:
        try:
            types = self.volume_types(site)
        except ProtectorError:
            return {}  # the checks of the same report say what is wrong
        ways = sorted({kind.replication_type for kind in types if kind.replication_enabled and kind.replication_type})
        return {"replication_types": ways, "replicated_volume_types": [k.name for k in types if k.replication_enabled]}

    def volume_types(self, site: Site) -> Sequence[SiteVolumeType]:
        found = self._clouds.service(site.id, ANY_PROJECT).volumes.volume_types()
        return [SiteVolumeType(kind.id, kind.name, kind.replication_enabled, kind.replication_type) for kind in found]

    def reachable(self, site: Site) -> Check:
        try:
            answers = self._clouds.reachable(site.id)
        except ProtectorError as error:
            return Check(site.name, "error", error.detail)
        if not answers:
            return Check(site.name, "error", "Keystone does not answer")
        said = self._protector(site)
        return Check(
            site.name, "ok" if said == "ok" else "error", "Reachable, version compatible" if said == "ok" else said
        )

    def storage(self) -> Check:
        """The arrays are known from the policies: every group's are asked, each array once."""
        groups = self._store.run(lambda tx: [(g, tx.policies.get(g.id)) for g in tx.groups.select()])
        asked: dict[tuple[str, str], str] = {}
        for group, policy in groups:
            if policy is None:
                continue
            for site_id, url in (
                (group.primary_site_id, policy.primary_fa_url),
                (group.secondary_site_id, policy.secondary_fa_url),
            ):
                if (site_id, url) not in asked:
                    asked[site_id, url] = self._array(group.id, site_id)
        wrong = [f"{url}: {said}" for (_, url), said in asked.items() if said != "ok"]
        if not asked:
            return Check("storage", "unknown", "No replication policy names an array yet")
        return Check("storage", "error" if wrong else "ok", "; ".join(wrong) or f"{len(asked)} array(s) respond")

    def _array(self, group_id: str, site_id: str) -> str:
        try:
            return self._drivers.driver(group_id).health(site_id)
        except ProtectorError as error:
            return error.detail

    def replication(self, group: ProtectionGroup, policy: Policy | None) -> LinkReport:
        generation = group.generation
        if policy is None or generation is None or generation.source_group is None:
            return LinkReport()
        active = group.current_primary_site_id
        way = Replication(generation.source_group, active, group.other_site(active))
        try:
            points = self._drivers.driver(group.id).recovery_points(way)
        except ProtectorError as error:
            return LinkReport("error", None, (f"The target's array does not tell its recovery points: {error.detail}",))
        if not points:
            return LinkReport("ok", None, ("No complete recovery point has arrived on the target's array yet.",))
        age = self._now() - datetime.datetime.fromisoformat(points[0].taken_at)
        return LinkReport("ok", max(0, int(age.total_seconds())))
