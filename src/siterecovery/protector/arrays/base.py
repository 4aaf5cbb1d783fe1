"""What a replication driver promises: small, and the same for every array. Its conformance suite is in tests/contract.

Two arrays, one *direction* at a time: an array group on the source's array replicates its volumes to the target's. Everything is
idempotent or look-up-first, so that each method can be repeated after any answer was lost. Deletions only ever touch things that carry our
tag, and only ever *destroy* (the array keeps them recoverable for a while); nothing is eradicated.

Errors are `domain.errors.CloudError` and its kinds. Times are UTC, ISO 8601.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol


@dataclasses.dataclass(frozen=True)
class Replication:
    """One direction: `group` on the array of `source_site_id` replicates to the array of `target_site_id`."""

    group: str
    source_site_id: str
    target_site_id: str


@dataclasses.dataclass(frozen=True)
class RecoveryPoint:
    """A replicated group snapshot as the target's array sees it. `members`: source volume name → snapshot that can be copied out.

    `taken_at` is the source's instant (what was written later is not in it), never the time of arrival.
    """

    name: str
    group: str
    suffix: str
    taken_at: str
    complete: bool
    progress: float
    members: Mapping[str, str]


@dataclasses.dataclass(frozen=True)
class ArrayVolume:
    """`id` survives renames. `connected`: some host can write to it. `tags` are ours."""

    id: str
    name: str
    size: int
    connected: bool
    destroyed: bool
    source: str | None = None
    tags: Mapping[str, str] = dataclasses.field(default_factory=dict)


class ReplicationDriver(Protocol):
    def configure(self, replication: Replication, interval: int) -> bool:
        """Makes the group, its target and schedule (seconds), and asks the target to allow it. True once all is in place, False while the arrays
        still propagate: ask again."""
        ...

    def set_members(self, replication: Replication, *, add: Iterable[str] = (), remove: Iterable[str] = ()) -> None:
        """Volume names on the source's array."""
        ...

    def members(self, replication: Replication) -> frozenset[str]: ...

    def set_schedule(self, replication: Replication, *, enabled: bool) -> None: ...

    def replicate_now(self, replication: Replication, suffix: str, *, keep: bool, again: bool = False) -> None:
        """Takes group snapshot `suffix` and sends it at once. `keep`: no retention policy reaps it, we destroy it ourselves. `again`: an earlier call
        may have been applied, and is looked for first."""
        ...

    def recovery_point(self, replication: Replication, suffix: str) -> RecoveryPoint | None:
        """Asked of the target's array only. None: it has not appeared there yet."""
        ...

    def recovery_points(self, replication: Replication) -> Sequence[RecoveryPoint]:
        """The complete ones on the target's array, newest instant first. Asked of the target's array only."""
        ...

    def copy_out(self, site_id: str, source: str, name: str, tags: Mapping[str, str]) -> ArrayVolume:
        """A new independent volume `name` on that site's array from a snapshot or volume there; tagged. When `name` exists already and is ours
        (its tags say so), it is answered as it is."""
        ...

    def snapshot_copy(self, site_id: str, source_volume: str, suffix: str) -> str:
        """A snapshot of one volume on its own array; the name of the snapshot."""
        ...

    def volume(self, site_id: str, name: str) -> ArrayVolume | None: ...

    def volume_by_id(self, site_id: str, array_volume_id: str) -> ArrayVolume | None: ...

    def volumes(self, site_id: str, tags: Mapping[str, str]) -> Sequence[ArrayVolume]:
        """Undestroyed volumes that carry all these tags of ours."""
        ...

    def rename(self, site_id: str, name: str, new_name: str) -> None: ...

    def tag(self, site_id: str, names: Sequence[str], tags: Mapping[str, str]) -> None: ...

    def destroy(self, site_id: str, name: str) -> None:
        """Refuses (CloudRefused) a volume that is connected or does not carry our tag. No error when it is gone."""
        ...

    def destroy_recovery_point(self, replication: Replication, suffix: str) -> None:
        """On both arrays, each as far as it can be reached; no error when it is gone."""
        ...

    def remove(self, replication: Replication) -> None:
        """Schedule off, members out, group destroyed on the source's array. No error when it is gone."""
        ...

    def disallow(self, replication: Replication) -> None:
        """On the target's array: nothing more is accepted from the source (which may be out of reach)."""
        ...

    def highest_epoch(self, site_id: str, name: str) -> int:
        """The greatest epoch tag on a volume (`domain.epoch`); 0 without one."""
        ...

    def stamp(self, site_id: str, names: Sequence[str], epoch: int) -> None:
        """Adds the epoch's own tag."""
        ...

    def health(self, site_id: str) -> str:
        """ "ok", or the sentence of what is wrong."""
        ...


class Drivers(Protocol):
    def driver(self, group_id: str) -> ReplicationDriver:
        """The driver for the group's policy. PreconditionFailed when it has none."""
        ...
