"""What every step of Protector has: the world it acts on, and how it waits for it."""

import dataclasses
import functools
import threading
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from siterecovery.protector.arrays.base import Replication, ReplicationDriver
from siterecovery.protector.clouds.base import GROUP, CinderVolume, Cloud, Clouds, Server
from siterecovery.protector.domain import claims
from siterecovery.protector.domain.epoch import Generation
from siterecovery.protector.domain.errors import CloudError, NotFound, RemoteSiteUnreachable
from siterecovery.protector.domain.member import Member, Volume
from siterecovery.protector.domain.operation import Operation
from siterecovery.protector.domain.plan import Plan
from siterecovery.protector.domain.protection_group import ProtectionGroup
from siterecovery.protector.peer.base import Peer, View
from siterecovery.protector.store.base import Transaction
from siterecovery.workflow.step import Call, Refused, Step

T = TypeVar("T")


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


@dataclasses.dataclass(frozen=True)
class World:
    """One operation's world. `read` runs a function in a transaction of the local database; `projects` and `site_names` are by site id.

    `replication_names` make the direction's array groups: the policy's `pure_pg_name` for the first epoch, then one new name per epoch (NEW_OBJECTS).
    """

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
        return f"dr-{self.operation.id.replace('_', '-')[-36:]}".lower()

    def array_name(self, index: int, kind: str = "dr") -> str:
        group, operation = self.plan.group.id.replace("-", ""), self.operation.id.replace("-", "")
        return f"{kind}-{group[-8:]}-{operation[-12:]}-{index:04d}"

    def tags(self, call: Call, epoch: int) -> dict[str, str]:
        """What every array volume of ours carries."""
        return {"group": self.plan.group.id, "key": call.key[:255], "epoch": str(epoch), "operation": self.operation.id}

    def owned(self, metadata: Mapping[str, str]) -> bool:
        return metadata.get(GROUP) == self.plan.group.id

    @functools.cached_property
    def labels(self) -> Mapping[str, str]:
        """How members and volumes are called in step names: the name, the id where it has none, `name#id8` where it is not unique."""
        return {
            **_labels([(member.id, member.instance_name, member.instance_id) for member in self.plan.members]),
            **_labels([(volume.id, volume.name, volume.volume_id) for volume in self.plan.volumes]),
        }

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
        """RETURN_ASKS, right before anything is started: neither this database nor a peer that answers knows of a newer move."""
        call.check()
        group = self.group()
        reason = claims.must_yield(group, self.operation.id, epoch)
        view = self.peer_view() if reason is None else None
        known = max(group.failover_epoch, epoch or 0)
        if view is not None and (view.epoch > known or view.claim.fence > known):
            reason = f"The other site is in epoch {max(view.epoch, view.claim.fence)}."
        if reason is not None:
            raise Refused(f"Nothing is started here: {reason}")


def _labels(things: Sequence[tuple[str, str, str]]) -> dict[str, str]:
    names = [name for _, name, _ in things]
    unique = {name for name in names if names.count(name) == 1} if len(set(names)) < len(names) else set(names)
    return {
        id: (name if name in unique else f"{name}#{foreign[:8]}") if name else foreign for id, name, foreign in things
    }


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
