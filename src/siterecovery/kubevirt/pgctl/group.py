"""The copies of a ProtectionGroup as people look at them: one on each workload cluster, one perhaps on the quorum cluster."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from siterecovery.kubevirt.clusters.base import Cluster
from siterecovery.kubevirt.domain.authority import Claim, claim_of
from siterecovery.kubevirt.domain.resources import PROTECTION_GROUPS, Object
from siterecovery.kubevirt.pgctl.desk import Desk, Site, names_of
from siterecovery.kubevirt.pgctl.errors import Precondition


@dataclasses.dataclass(frozen=True)
class Copy:
    site: Site
    wire: Object

    @property
    def name(self) -> str:
        return str(self.wire["metadata"]["name"])

    @property
    def namespace(self) -> str:
        return str(self.wire["metadata"].get("namespace", ""))

    @property
    def spec(self) -> Mapping[str, Any]:
        return self.wire.get("spec") or {}

    @property
    def status(self) -> Mapping[str, Any]:
        return self.wire.get("status") or {}

    @property
    def desired(self) -> str:
        return str(self.spec.get("desiredState") or "running")

    @property
    def current(self) -> str:
        """What no controller has looked at is unknown."""
        return str(self.status.get("currentState") or "unknown")

    @property
    def claim(self) -> Claim:
        return claim_of(self.wire)

    @property
    def backend(self) -> str:
        return str((self.spec.get("storage") or {}).get("backend") or "linstor")

    def cluster_in(self, role: str) -> str:
        """`primary` or `dr`, by the group's own words."""
        return str((self.spec.get("clusters") or {}).get(role) or "")

    def condition(self, kind: str) -> str:
        found = (item for item in self.status.get("conditions") or () if item.get("type") == kind)
        return next((str(item.get("status")) for item in found), "Unknown")


async def everywhere(desk: Desk, namespace: str | None) -> list[Copy]:
    """All copies on all clusters that answer, by name; None for all namespaces."""

    async def listing(cluster: Cluster) -> tuple[Object, ...]:
        return (await cluster.list(PROTECTION_GROUPS, namespace)).items

    answers = (await desk.ask(listing)).told()
    found = [Copy(site, item) for site, items in answers for item in items]
    return sorted(found, key=lambda copy: (copy.namespace, copy.name))


async def copies(desk: Desk, name: str, namespace: str, sites: Sequence[Site] | None = None) -> list[Copy]:
    """At least one; Precondition when no cluster that answers has it."""
    answers = (await desk.ask(lambda cluster: cluster.find(PROTECTION_GROUPS, name, namespace), sites)).told()
    found = [Copy(site, item) for site, item in answers if item is not None]
    if found:
        return found
    others = sorted({copy.namespace for copy in await everywhere(desk, None) if copy.name == name})
    hint = f" There is one in namespace {', '.join(others)}: use --namespace." if others else ""
    raise Precondition(
        f"there is no protection group {name} in namespace {namespace} on {names_of([site for site, _ in answers])}.{hint}"
    )


def newest(found: Sequence[Copy]) -> Copy:
    """The copy that knows most of who may run the group."""
    return max(found, key=lambda copy: copy.claim.epoch)
