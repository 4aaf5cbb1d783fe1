"""One holder at a time, by a `coordination.k8s.io/v1` Lease: the lock of a group, of a target, and leader election.

It is taken by a create or by an update with resourceVersion, so that exactly one of many wins, and given back with preconditions. A Lease has
expired when nothing was written to it for its whole duration: as this process has seen it, or as the API server says by the time of the last
write and its own clock. What the holder wrote as its time is not looked at: its clock may be wrong.

A holder that cannot renew must stop by itself when the last renewal is older than the Lease lasts: `held` says so."""

import dataclasses
import datetime
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from siterecovery.kubevirt.clusters import base
from siterecovery.kubevirt.domain import times
from siterecovery.kubevirt.domain.names import OWNER
from siterecovery.kubevirt.domain.resources import LEASES, Object
from siterecovery.workflow.clock import Clock, SystemClock

MARGIN = 10.0
"""Seconds the API servers of one cluster may disagree about the time, and the rounding of a write's time."""


Abandoned = Callable[[str, str], Awaitable[bool]]
"""Of (holder, UID of the object it works for)."""


class LockHeld(base.Refused):
    """Somebody else has it."""

    def __init__(self, lease: str, holder: str, owner: str, left: float, cluster: str) -> None:
        super().__init__(f"{cluster}: lease {lease} is held by {holder}", cluster=cluster, status=409)
        self.lease = lease
        self.holder = holder
        self.owner = owner
        """UID of the object its holder works for; empty when it does not say."""
        self.left = left
        """Seconds after which it expires, if nobody renews it."""


class LockLost(base.Refused):
    """It is somebody else's now, or gone: stop before the next step that cannot be taken back."""


@dataclasses.dataclass(frozen=True)
class Seen:
    version: str
    at: float


class LeaseLock:
    """One Lease, wanted by one holder for one owner. `ttl` seconds; renew it every third of that."""

    def __init__(
        self,
        cluster: base.Cluster,
        namespace: str,
        name: str,
        *,
        holder: str,
        owner: str = "",
        ttl: float = 300.0,
        labels: Mapping[str, str] | None = None,
        clock: Clock | None = None,
        abandoned: Abandoned | None = None,
    ) -> None:
        """`abandoned` is asked whether a holder and its owner are known to be through with it: then it is not waited for."""
        self._cluster = cluster
        self._namespace, self._name = namespace, name
        self._holder, self._owner = holder, owner
        self._ttl = ttl
        self._labels = dict(labels or {})
        self._clock = clock or SystemClock()
        self._abandoned = abandoned
        self._seen: Seen | None = None
        self._mine: Object | None = None
        self._good_until = 0.0

    @property
    def name(self) -> str:
        return self._name

    @property
    def cluster(self) -> str:
        return self._cluster.name

    @property
    def held(self) -> bool:
        """True while the last renewal is younger than the Lease lasts. Counted from before it was sent."""
        return self._mine is not None and self._clock.monotonic() < self._good_until

    async def acquire(self) -> None:
        """Takes it, or raises LockHeld. The same holder for another owner is refused: one controller does not enter twice. Another holder for the
        same owner (a controller that crashed) is waited for like anybody else."""
        asked = self._clock.monotonic()
        found = await self._cluster.find(LEASES, self._name, self._namespace)
        if found is None:
            await self._keep(asked, lambda: self._cluster.create(LEASES, self._fresh()))
            return
        holder, owner = holder_of(found)
        if holder and (holder, owner) != (self._holder, self._owner):
            await self._check_expired(found, holder, owner)
        taken = self._written(found, taken_over=(holder, owner) != (self._holder, self._owner))
        await self._keep(asked, lambda: self._cluster.update(LEASES, taken))

    async def _keep(self, asked: float, write: Callable[[], Awaitable[Object]]) -> None:
        """A lost race is told as held by whoever won."""
        try:
            self._mine = await write()
        except base.Conflict as error:
            now = await self._cluster.find(LEASES, self._name, self._namespace)
            holder, owner = holder_of(now) if now else ("", "")
            raise LockHeld(self._name, holder or "another process", owner, self._ttl, self._cluster.name) from error
        self._good_until = asked + self._ttl

    async def _check_expired(self, found: Object, holder: str, owner: str) -> None:
        if self._abandoned is not None and await self._abandoned(holder, owner):
            return
        lasts = float(found["spec"].get("leaseDurationSeconds") or self._ttl)
        version, now = found["metadata"]["resourceVersion"], self._clock.monotonic()
        if self._seen is None or self._seen.version != version:
            self._seen = Seen(version, now)
        left = lasts - (now - self._seen.at)
        written = last_write(found)
        if written is not None:
            age = (await self._cluster.server_time() - written).total_seconds()
            left = min(left, lasts + MARGIN - age)
        if left > 0:
            raise LockHeld(self._name, holder, owner, left, self._cluster.name)

    async def renew(self) -> None:
        """Raises LockLost when it is not ours any more. Anything unknown is raised as such: try again while `held`."""
        if self._mine is None:
            raise LockLost(f"{self._cluster.name}: lease {self._name} was never taken", cluster=self._cluster.name)
        asked = self._clock.monotonic()
        try:
            self._mine = await self._cluster.update(LEASES, self._written(self._mine))
        except base.NotFound as error:
            raise self._gone("was deleted") from error
        except base.Conflict:
            await self._renew_again(asked)
        self._good_until = asked + self._ttl

    async def _renew_again(self, asked: float) -> None:
        """An earlier renewal may have been applied without our hearing of it, or somebody has put a label on it."""
        found = await self._cluster.find(LEASES, self._name, self._namespace)
        if found is None or holder_of(found) != (self._holder, self._owner):
            raise self._gone(f"is held by {holder_of(found)[0] or 'nobody'}" if found else "was deleted")
        try:
            self._mine = await self._cluster.update(LEASES, self._written(found))
        except (base.Conflict, base.NotFound) as error:
            raise self._gone("was changed by somebody else") from error

    def _gone(self, why: str) -> LockLost:
        self._mine = None
        return LockLost(f"{self._cluster.name}: lease {self._name} {why}", cluster=self._cluster.name)

    async def release(self) -> None:
        """Deletes it if it is still ours and unchanged. What cannot be reached expires by itself."""
        mine, self._mine = self._mine, None
        if mine is None:
            return
        metadata = mine["metadata"]
        try:
            await self._cluster.delete(
                LEASES,
                self._name,
                self._namespace,
                uid=metadata["uid"],
                resource_version=metadata["resourceVersion"],
            )
        except (base.NotFound, base.Conflict):
            return  # it is somebody else's by now

    def _fresh(self) -> Object:
        made = LEASES.header(self._name, self._namespace)
        made["metadata"] |= {"labels": self._labels, "annotations": {OWNER: self._owner}}
        now = times.micro(self._clock.now())
        return made | {
            "spec": {
                "holderIdentity": self._holder,
                "leaseDurationSeconds": int(self._ttl),
                "acquireTime": now,
                "renewTime": now,
                "leaseTransitions": 0,
            }
        }

    def _written(self, found: Object, *, taken_over: bool = False) -> Object:
        now = times.micro(self._clock.now())
        spec: dict[str, Any] = dict(found.get("spec") or {}) | {
            "holderIdentity": self._holder,
            "leaseDurationSeconds": int(self._ttl),
            "renewTime": now,
        }
        if taken_over:
            spec |= {"acquireTime": now, "leaseTransitions": int(spec.get("leaseTransitions") or 0) + 1}
        annotations = (found["metadata"].get("annotations") or {}) | {OWNER: self._owner}
        labels = (found["metadata"].get("labels") or {}) | self._labels
        metadata = found["metadata"] | {"annotations": annotations, "labels": labels}
        return {**found, "metadata": metadata, "spec": spec}


def holder_of(lease: Object) -> tuple[str, str]:
    """(holder, UID of its owner); the holder is empty when nobody has it."""
    holder = (lease.get("spec") or {}).get("holderIdentity") or ""
    return str(holder), str((lease["metadata"].get("annotations") or {}).get(OWNER, ""))


def last_write(lease: Object) -> datetime.datetime | None:
    """When the API server last took a write of it, by its own clock."""
    written = [entry["time"] for entry in lease["metadata"].get("managedFields") or () if entry.get("time")]
    return max(map(times.read, written)) if written else None
