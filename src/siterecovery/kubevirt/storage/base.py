"""What a storage backend promises to flows and controllers, and how it says no.

StorageError
├── Unknown            nobody knows what is true, nor whether a change was applied: never an absence; ask again
│   ├── Unreachable    no answer: no connection, too late, half of one, or an error without words
│   └── Silent         there was an answer, and a node it depends on did not give its own
└── Refused            answered, and would be answered so again; `remedy` says what to do
    ├── NoSuchVolume
    ├── InUse          a Primary stands in the way
    ├── Exists         something else has that name
    └── NotPromotable  the replica on the target must not be started from, for the reasons it names

Volumes are known by their handle (`volumeHandle` of the PersistentVolume), sides by their cluster's name. DRBD has no call for promotion:
a node is Primary as long as somebody has the device open there. So `promote` only makes sure that opening will work, and `release` can
only look: a Primary goes away when its guest has stopped.

Every method is bounded in time and can be repeated after any lost answer. Nothing is decided from a cache.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Protocol

from siterecovery.kubevirt.storage.states import VolumeState


class StorageError(Exception):
    """`str()` is a sentence for people, with the remedy; `volume` names what it was about, where it was about one."""

    def __init__(self, message: str, *, remedy: str = "", volume: str = "") -> None:
        super().__init__(f"{message} {remedy}".strip())
        self.remedy = remedy
        self.volume = volume


class Unknown(StorageError):
    pass


class Unreachable(Unknown):
    pass


class Silent(Unknown):
    pass


class Refused(StorageError):
    pass


class NoSuchVolume(Refused):
    pass


class InUse(Refused):
    pass


class Exists(Refused):
    pass


class NotPromotable(Refused):
    """`reasons` is what stands in the way, volume by volume."""

    def __init__(self, reasons: Sequence["Reason"]) -> None:
        super().__init__("; ".join(reason.message for reason in reasons))
        self.reasons = tuple(reasons)


@dataclasses.dataclass(frozen=True)
class Reason:
    """`kind` is for programs (CamelCase, fit for a condition's reason); `unknown` means that it may look different once somebody answers."""

    volume: str
    kind: str
    message: str
    unknown: bool = False


@dataclasses.dataclass(frozen=True)
class Release:
    """Whether a side has let go: `held` are (volume, node) that are certainly open there, `unknown` those nobody can tell of."""

    held: tuple[tuple[str, str], ...] = ()
    unknown: tuple[tuple[str, str], ...] = ()

    @property
    def done(self) -> bool:
        return not self.held and not self.unknown


@dataclasses.dataclass(frozen=True)
class Readiness:
    """Whether a side may be started from."""

    reasons: tuple[Reason, ...] = ()

    @property
    def ready(self) -> bool:
        return not self.reasons


@dataclasses.dataclass(frozen=True)
class Forced:
    """A volume whose quorum was switched off for a forced failover; `before` is what to restore. Kept with the volume itself as well."""

    volume: str
    before: Mapping[str, str | None]


@dataclasses.dataclass(frozen=True)
class Restored:
    """`waiting` names the volumes whose quorum stays off for now, and why."""

    volumes: tuple[str, ...] = ()
    waiting: tuple[Reason, ...] = ()


@dataclasses.dataclass(frozen=True)
class SplitBrain:
    """Two sides that have parted: StandAlone between these nodes, or both Primary at once."""

    volume: str
    nodes: tuple[str, ...]
    message: str


@dataclasses.dataclass(frozen=True)
class Sync:
    """How far the disks of one cluster are: `percent` of the least advanced one. `waiting` are the volumes that are not there yet."""

    done: bool
    percent: float
    waiting: tuple[Reason, ...] = ()


@dataclasses.dataclass(frozen=True)
class Copy:
    """A volume of its own, made from `volume` as it was at one instant; on one node of one cluster, not replicated."""

    volume: str
    handle: str
    node: str


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a replica goes. `pool` is the storage pool (LINSTOR) or class (DRBD Operator); empty takes the node's own."""

    cluster: str
    node: str
    pool: str = ""
    diskful: bool = True


@dataclasses.dataclass(frozen=True)
class NewVolume:
    """A volume to make. `claim`: the claim whose content it starts with, on the cluster `content_of` (DRBD Operator model)."""

    handle: str
    size_bytes: int
    places: tuple[Place, ...]
    quorum: str = "majority"
    on_no_quorum: str = "suspend-io"
    group: str = ""
    claim: str = ""
    content_of: str = ""
    told: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """What people should see of it beside (DRBD Operator model): `virtualMachine`, `frontendClaim`, `policy`."""


class Storage(Protocol):
    @property
    def name(self) -> str:
        """`linstor` or `drbd-operator`."""
        ...

    async def states(self, volumes: Sequence[str]) -> Mapping[str, VolumeState]:
        """One entry per asked volume. Unreachable when nobody at all can be asked."""
        ...

    async def release(self, volumes: Sequence[str], cluster: str) -> Release:
        """Whether no Primary is left on that side. Changes nothing; ask until done."""
        ...

    async def ready_to_promote(self, volumes: Sequence[str], cluster: str, *, forced: bool = False) -> Readiness:
        """Whether the VMs may be started there: UpToDate, open nowhere else, quorum. `forced`: what cannot be known of other sides, and missing
        quorum, are no reasons; an Outdated or Inconsistent disk and a Primary that is known to run are, always."""
        ...

    async def promote(self, volumes: Sequence[str], cluster: str, *, forced: bool = False) -> None:
        """Makes sure that opening the devices there will work; NotPromotable otherwise. `forced`: a source that does not answer is no obstacle;
        quorum is one, until `prepare_forced` has taken effect."""
        ...

    async def prepare_forced(self, volumes: Sequence[str], cluster: str) -> tuple[Forced, ...]:
        """Switches quorum off where the target cannot be promoted without, and nowhere else: where quorum is held the fence stays. What was set
        before is recorded with the volume in the same call. All volumes are checked first (NotPromotable, nothing changed). Answers every volume
        of these that is forced, also by an earlier call. LINSTOR knows one policy for all nodes of a volume: a source that comes back into the
        controller's sight before its replication link is up gets it too and is fenced no more, so its VMs have to be stopped before it is let in."""
        ...

    async def restore_quorum(self, volumes: Sequence[str]) -> Restored:
        """Puts back what `prepare_forced` recorded, volume by volume as soon as it is in sync. Volumes that were never forced count as restored."""
        ...

    async def split_brains(self, volumes: Sequence[str]) -> tuple[SplitBrain, ...]: ...

    async def sync(self, volumes: Sequence[str], cluster: str) -> Sync:
        """How far the disks there are in sync with the rest."""
        ...

    async def discard(self, volume: str, cluster: str, *, confirmed: bool) -> None:
        """Gives up what that side has written and has it filled from the other one. Refused unless `confirmed` (somebody has recorded it), InUse
        while the side is Primary, and Refused where the other side has no UpToDate disk."""
        ...

    async def copy(self, handles: Mapping[str, str], cluster: str) -> tuple[Copy, ...]:
        """volume → handle of its copy, all of the same instant, for a test failover: replication goes on. Exists when a handle is somebody else's."""
        ...

    async def remove_copy(self, handle: str) -> None:
        """Only ever removes what `copy` made (Refused otherwise); InUse while a VM runs on it. No error when it is gone."""
        ...

    async def create(self, volume: NewVolume) -> None:
        """Makes it or completes it, replicas included; the first sync goes on afterwards (`sync`). Exists when a volume of that name differs."""
        ...

    async def remove(self, volume: str) -> None:
        """With all replicas. InUse while it is open. No error when it is gone."""
        ...

    async def close(self) -> None: ...
