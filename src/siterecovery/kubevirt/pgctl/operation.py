"""A Failover as people look at it: an operation. Read loosely, since one odd object must not hide the others."""

import dataclasses
import datetime
from collections.abc import Mapping
from typing import Any

from siterecovery.kubevirt.clusters.base import Cluster
from siterecovery.kubevirt.crds.failover import Phase
from siterecovery.kubevirt.domain.resources import FAILOVERS, Object
from siterecovery.kubevirt.pgctl.desk import Desk, Site

CHECKS = frozenset(
    {
        "acquire_lock",
        "locate_virtual_machines",
        "check_split_brain",
        "check_concurrent_safety",
        "check_replication",
        "check_standby",
    }
)
"""Steps that change nothing, and may still refuse a Failover; a later one shows that it is under way."""


@dataclasses.dataclass(frozen=True)
class Operation:
    site: Site
    """Where it was read."""
    wire: Object

    @property
    def name(self) -> str:
        return str(self.wire["metadata"]["name"])

    @property
    def namespace(self) -> str:
        return str(self.wire["metadata"].get("namespace", ""))

    @property
    def uid(self) -> str:
        return str(self.wire["metadata"].get("uid", ""))

    @property
    def created(self) -> str:
        return str(self.wire["metadata"].get("creationTimestamp") or "")

    @property
    def spec(self) -> Mapping[str, Any]:
        return self.wire.get("spec") or {}

    @property
    def status(self) -> Mapping[str, Any]:
        return self.wire.get("status") or {}

    @property
    def group(self) -> str:
        return str(self.spec.get("protectionGroup", ""))

    @property
    def target(self) -> str:
        """By the name under which it was asked for."""
        return str(self.spec.get("targetCluster", ""))

    @property
    def type(self) -> str:
        return str(self.spec.get("type") or "planned")

    @property
    def force(self) -> bool:
        return bool(self.spec.get("force"))

    @property
    def phase(self) -> Phase:
        """What no controller has touched is Pending, and so is a word that this release does not know."""
        try:
            return Phase(str(self.status.get("phase") or ""))
        except ValueError:
            return Phase.PENDING

    @property
    def message(self) -> str:
        return str(self.status.get("message") or "")

    @property
    def steps(self) -> list[Mapping[str, Any]]:
        return list(self.status.get("steps") or ())

    @property
    def progress(self) -> int:
        return 100 if self.phase is Phase.SUCCEEDED else int(self.status.get("progress") or 0)

    @property
    def admitted(self) -> bool:
        """It was not refused: it is doing, or has done, what it was made for."""
        later = any(str(step.get("name", "")).partition("/")[0] not in CHECKS for step in self.steps)
        return later or self.phase is Phase.SUCCEEDED

    def seconds(self, now: datetime.datetime) -> float:
        """Since it was created, or as long as it took."""
        begun = self.status.get("startedAt") or self.created
        ended = self.status.get("completedAt")
        last = datetime.datetime.fromisoformat(ended) if ended else now
        return (last - datetime.datetime.fromisoformat(begun)).total_seconds() if begun else 0.0


def newest_last(operations: list[Operation]) -> list[Operation]:
    """Each once, though two contexts may lead to one cluster."""
    known = {operation.uid or (operation.site.name, operation.name): operation for operation in operations}
    return sorted(known.values(), key=lambda operation: (operation.created, operation.name))


async def everywhere(desk: Desk, namespace: str | None, group: str | None = None) -> list[Operation]:
    """Of all configured clusters that answer; None for all namespaces."""

    async def listing(cluster: Cluster) -> tuple[Object, ...]:
        return (await cluster.list(FAILOVERS, namespace)).items

    answers = (await desk.ask(listing)).told()
    found = [Operation(site, item) for site, items in answers for item in items]
    return newest_last([one for one in found if group in (None, one.group)])
