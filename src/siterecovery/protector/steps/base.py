"""What every step of Protector has: the world it acts on, and how it waits for it."""

import dataclasses
import functools
import threading
import time
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any, TypeVar

from siterecovery.protector.arrays.base import Replication, ReplicationDriver
from siterecovery.protector.clouds.base import GROUP, CinderVolume, Cloud, Clouds, Server
from siterecovery.protector.domain import claims
from siterecovery.protector.domain.epoch import Generation, epoch_tag
from siterecovery.protector.domain.errors import CloudError, NotFound, RemoteSiteUnreachable
from siterecovery.protector.domain.member import Member, Volume
from siterecovery.protector.domain.operation import Operation
from siterecovery.protector.domain.plan import Plan
from siterecovery.protector.domain.protection_group import ProtectionGroup
from siterecovery.protector.peer.base import Peer, View
from siterecovery.protector.store.base import Transaction
from siterecovery.workflow.step import Call, Refused, Step

T = TypeVar("T")
LOOK_AGE = 10.0
"""Seconds for which a look at the other site counts as "right before" (the design's figure)."""


class Once:
    """What many steps of one operation need made once: the first makes it, the others wait and share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: dict[Hashable, Any] = {}

    def __call__(self, key: Hashable, make: Callable[[], T]) -> T:
        with self._lock:
            if key not in self._made:
                self._made[key] = make()
            found: T = self._made[key]
            return found


class Recently:
    """What many steps ask right before they act is asked once for all of them every `seconds`. While one asks again, the others go on with the
    answer there is: a dead site must not keep a thousand VMs waiting for as many time limits."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic, seconds: float = LOOK_AGE) -> None:
        self._monotonic = monotonic
        self._seconds = seconds
        self._locks: dict[Hashable, threading.Lock] = {}
        self._answers: dict[Hashable, tuple[float, Any]] = {}

    def __call__(self, key: Hashable, ask: Callable[[], T]) -> T:
        lock = self._locks.setdefault(key, threading.Lock())
        known = self._answers.get(key)
        if known is not None and (self._fresh(known) or not lock.acquire(blocking=False)):
            found: T = known[1]
            return found
        if known is None:
            lock.acquire()
        try:
            known = self._answers.get(key)
            if known is None or not self._fresh(known):
                known = self._answers[key] = (self._monotonic(), ask())
        finally:
            lock.release()
        answer: T = known[1]
        return answer

    def _fresh(self, known: tuple[float, Any]) -> bool:
        return self._monotonic() - known[0] < self._seconds


def key_of(call: Call) -> str:
    """KEY_BY_OP: what a step creates carries `operation/step`, so that whoever repeats the step finds it. Never the lease's number: that one changes
    at a take-over, and the first attempt would not be found any more."""
    return call.key[:255]


@dataclasses.dataclass(frozen=True)
class World:
    """One operation's world. `read` runs a function in a transaction of the local database; `projects` and `site_names` are by site id."""

    operation: Operation
    plan: Plan
    clouds: Clouds
    driver: ReplicationDriver
    peer: Peer
    read: Callable[[Callable[[Transaction], Any]], Any]
    projects: Mapping[str, str]
    site_names: Mapping[str, str]
    stop_timeout: float = 300.0
    boot_timeout: float = 900.0
    transfer_timeout: float = 3600.0

    once: "Once" = dataclasses.field(default_factory=lambda: Once())
    monotonic: Callable[[], float] = time.monotonic
    recently: "Recently" = dataclasses.field(default_factory=lambda: Recently())

    @property
    def source(self) -> str:
        return self.plan.source_site_id

    @property
    def target(self) -> str:
        return self.plan.target_site_id

    @property
    def here(self) -> str:
        return self.plan.this_site_id

    def tenant(self, site_id: str) -> Cloud:
        return self.clouds.tenant(site_id, self.projects[site_id])

    def service(self, site_id: str) -> Cloud:
        return self.clouds.service(site_id, self.projects[site_id])

    def group(self) -> ProtectionGroup:
        """The local row as it is now."""

        def get(tx: Transaction) -> ProtectionGroup | None:
            return tx.groups.get(self.plan.group.id)

        group: ProtectionGroup | None = self.read(get)
        if group is None:
            raise NotFound(f"Protection group {self.plan.group.id} is gone.")
        return group

    def replication_name(self, epoch: int) -> str:
        """Of the array group that carries an epoch's data away: the policy's `pure_pg_name` for the first epoch, then a new name for each."""
        name = self.plan.policy.pure_pg_name if self.plan.policy is not None else self.plan.group.name
        return name if epoch == 0 else f"{name[:50]}-e{epoch}"

    def replication(self, generation: Generation) -> Replication:
        """The direction that carries a generation's data away from where it is active."""
        name = generation.source_group or self.replication_name(generation.epoch)
        return Replication(name, generation.site_id, self.plan.group.other_site(generation.site_id))

    @property
    def base(self) -> Generation:
        """The epoch the group is in before the operation."""
        found = self.plan.group.generation
        return found or Generation(self.plan.group.failover_epoch, None, self.plan.group.current_primary_site_id, None)

    @property
    def suffix(self) -> str:
        """Of the operation's own snapshots: letters, digits and dashes, as FlashArray wants them."""
        return suffix_of(self.operation.id)

    def array_name(self, index: int, kind: str = "dr") -> str:
        """The operation is part of every volume's name: none is used twice."""
        group, operation = self.plan.group.id.replace("-", ""), self.operation.id.replace("-", "")
        return f"{kind}-{group[-8:]}-{operation[-12:]}-{index:04d}"

    def tags(self, call: Call, epoch: int) -> dict[str, str]:
        """What every array volume of ours carries."""
        ours = {"group": self.plan.group.id, "key": key_of(call), "operation": self.operation.id}
        return {**ours, "epoch": str(epoch), **epoch_tag(epoch)}

    def owned(self, metadata: Mapping[str, str]) -> bool:
        return metadata.get(GROUP) == self.plan.group.id

    @property
    def labels(self) -> Mapping[str, str]:
        """How members and volumes are called in step names."""
        return self.plan.labels

    def volume_index(self, volume: Volume) -> int:
        return self._indices[volume.id]

    @functools.cached_property
    def _indices(self) -> Mapping[str, int]:
        return {volume.id: index for index, volume in enumerate(self.plan.volumes)}

    @functools.cached_property
    def _volumes_by_member(self) -> Mapping[str, tuple[Volume, ...]]:
        found: dict[str, list[Volume]] = {}
        for volume in self.plan.volumes:
            found.setdefault(volume.member_id, []).append(volume)
        return {member: tuple(volumes) for member, volumes in found.items()}

    def volumes_of(self, member: Member) -> tuple[Volume, ...]:
        """In boot order, which is how they were added."""
        return self._volumes_by_member.get(member.id, ())

    def peer_view(self) -> View | None:
        """What the peer says now; None when it does not answer or does not know the group."""
        try:
            return self.peer.view(self.plan.group)
        except (RemoteSiteUnreachable, CloudError):
            return None

    def may_start(self, call: Call, epoch: int | None) -> None:
        """Right before anything is started: neither this database nor a peer that answers knows of a newer move."""
        view = self.recently("peer", self.peer_view)
        group = self.group()
        reason = claims.must_yield(group, self.operation.id, epoch)
        if reason is None and view is not None:
            word = claims.heed(
                group,
                self.operation.id,
                epoch,
                peer_epoch=view.epoch,
                peer_claim=view.claim,
                peer_hold=view.hold_operation_id,
            )
            newest = view.epoch if word == "adopt" else view.claim.epoch
            reason = f"The other site has epoch {newest}." if word is not None else None
        if reason is not None:
            raise Refused(f"Nothing is started: {reason}")
        call.check()


def suffix_of(operation_id: str) -> str:
    return f"dr-{operation_id.replace('_', '-')[-36:]}".lower()


class ProtectorStep(Step):
    """A step of one operation's world."""

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.name = name


@dataclasses.dataclass(frozen=True)
class Listing:
    """A topic made of a promise: `list_ids` answers what is asked for in one list call, or a few gets."""

    key: Hashable
    list_ids: Callable[[frozenset[str]], Iterable[tuple[str, Any]]]

    def read(self, subjects: frozenset[str]) -> Mapping[str, Any]:
        return dict(self.list_ids(subjects))


def servers(world: World, site_id: str) -> Listing:
    cloud = world.service(site_id)

    def read(ids: frozenset[str]) -> Iterable[tuple[str, Server]]:
        return ((server.id, server) for server in cloud.compute.servers(server_ids=ids))

    return Listing(("servers", site_id, cloud.project_id), read)


def volumes(world: World, site_id: str) -> Listing:
    cloud = world.service(site_id)

    def read(ids: frozenset[str]) -> Iterable[tuple[str, CinderVolume]]:
        return ((volume.id, volume) for volume in cloud.volumes.volumes(volume_ids=ids))

    return Listing(("volumes", site_id, cloud.project_id), read)


def volume_groups(world: World, site_id: str) -> Listing:
    cloud = world.service(site_id)

    def read(ids: frozenset[str]) -> Iterable[tuple[str, str]]:
        return ((id, status) for id in ids if (status := cloud.volumes.group_status(id)) is not None)

    return Listing(("volume groups", site_id, cloud.project_id), read)
