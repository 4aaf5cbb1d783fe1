"""The Lease of a group's failover as people look at it: who has it, for what, and for how long still."""

import dataclasses
import datetime

from siterecovery.kubevirt.clusters import leases
from siterecovery.kubevirt.clusters.base import Cluster
from siterecovery.kubevirt.domain.names import failover_lock
from siterecovery.kubevirt.domain.resources import LEASES, Object
from siterecovery.kubevirt.pgctl.desk import Desk, Site

_PREFIX = failover_lock("")


@dataclasses.dataclass(frozen=True)
class Lock:
    site: Site
    wire: Object
    written: datetime.datetime | None
    """When it was last taken or renewed, by the API server's clock."""
    asked: datetime.datetime
    """By the same clock."""

    @property
    def name(self) -> str:
        return str(self.wire["metadata"]["name"])

    @property
    def namespace(self) -> str:
        return str(self.wire["metadata"].get("namespace", ""))

    @property
    def group(self) -> str:
        return self.name.removeprefix(_PREFIX)

    @property
    def holder(self) -> str:
        return leases.holder_of(self.wire)[0]

    @property
    def owner(self) -> str:
        """UID of the Failover it is held for."""
        return leases.holder_of(self.wire)[1]

    @property
    def age(self) -> float | None:
        return (self.asked - self.written).total_seconds() if self.written else None

    @property
    def left(self) -> float | None:
        """Seconds until it expires unless renewed; None when that cannot be told."""
        lasts = (self.wire.get("spec") or {}).get("leaseDurationSeconds")
        return None if self.age is None or not lasts else float(lasts) - self.age

    @property
    def expired(self) -> bool:
        return not self.holder or (self.left is not None and self.left <= 0)


async def everywhere(desk: Desk, namespace: str | None, group: str | None = None) -> list[Lock]:
    async def listing(cluster: Cluster) -> tuple[tuple[Object, ...], datetime.datetime]:
        items = (await cluster.list(LEASES, namespace)).items
        return items, await cluster.server_time()

    answers = (await desk.ask(listing)).told()
    found = [
        Lock(site, item, leases.last_write(item), asked)
        for site, (items, asked) in answers
        for item in items
        if item["metadata"]["name"].startswith(_PREFIX)
    ]
    return sorted((lock for lock in found if group in (None, lock.group)), key=lambda lock: (lock.namespace, lock.name))
