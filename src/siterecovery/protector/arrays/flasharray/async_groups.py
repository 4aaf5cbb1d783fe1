"""The replication driver for FlashArrays with asynchronous protection groups: the promise of `arrays.base` put together from the nouns."""

import logging
from collections.abc import Iterable, Mapping, Sequence

from siterecovery.protector.arrays.base import ArrayVolume, RecoveryPoint, Replication
from siterecovery.protector.arrays.flasharray import groups, snapshots, tags, volumes
from siterecovery.protector.arrays.flasharray.client import ArrayClient
from siterecovery.protector.domain.epoch import epoch_tag, highest_epoch
from siterecovery.protector.domain.errors import (
    CloudBusy,
    CloudError,
    CloudNotFound,
    CloudRefused,
    CloudUnreachable,
)

LOG = logging.getLogger(__name__)


class AsyncGroups:
    """`base.ReplicationDriver` for one policy; `arrays` by site id. Holds no state but the names it has learnt."""

    def __init__(self, arrays: Mapping[str, ArrayClient]) -> None:
        self._arrays = dict(arrays)
        self._names: dict[str, str] = {}
        self._replicas: dict[Replication, str] = {}

    def _array(self, site_id: str) -> ArrayClient:
        client = self._arrays.get(site_id)
        if client is None:
            raise CloudRefused(f"The group's policy names no array on site {site_id}.")
        return client

    def _pair(self, replication: Replication) -> tuple[ArrayClient, ArrayClient]:
        return self._array(replication.source_site_id), self._array(replication.target_site_id)

    def _replica(self, replication: Replication) -> str | None:
        """Asked of the target alone; the source's name is used when it happened to be learnt, to tell apart groups of one name."""
        source = self._names.get(replication.source_site_id)
        return groups.replica(self._array(replication.target_site_id), replication.group, source)

    def configure(self, replication: Replication, interval: int) -> bool:
        """Group, interval, target, permission: each looked at before it is changed. Nothing is waited for; `set_schedule` starts the clock."""
        source, target = self._pair(replication)
        self._names[replication.source_site_id] = source.name
        partner = groups.partner(source, target)
        groups.ensure(source, replication.group, interval)
        groups.add_target(source, replication.group, partner)
        replica = self._replica(replication)
        if replica is None:
            return False
        groups.allow(target, replica, True)
        return groups.allowed(source, replication.group, partner)

    def set_members(self, replication: Replication, *, add: Iterable[str] = (), remove: Iterable[str] = ()) -> None:
        """CloudNotFound for a volume the array does not have."""
        groups.change_members(self._array(replication.source_site_id), replication.group, add, remove)

    def members(self, replication: Replication) -> frozenset[str]:
        """None for a group that is not there."""
        return groups.members(self._array(replication.source_site_id), replication.group)

    def set_schedule(self, replication: Replication, *, enabled: bool) -> None:
        """A group that is gone is not replicated any more: switching it off is no error."""
        source = self._array(replication.source_site_id)
        try:
            groups.schedule(source, replication.group, enabled)
        except CloudNotFound:
            if enabled:
                raise

    def replicate_now(self, replication: Replication, suffix: str, *, keep: bool, again: bool = False) -> None:
        """After a lost answer: call it `again`."""
        snapshots.take(self._array(replication.source_site_id), replication.group, suffix, keep=keep, again=again)

    def recovery_point(self, replication: Replication, suffix: str) -> RecoveryPoint | None:
        """One call while it is on its way, three once it is there; the replica's name is looked up once."""
        replica = self._replicas.get(replication) or self._replica(replication)
        if replica is None:
            return None
        self._replicas[replication] = replica
        return snapshots.point(self._array(replication.target_site_id), replica, suffix)

    def recovery_points(self, replication: Replication) -> Sequence[RecoveryPoint]:
        """Their members are read when first looked at."""
        replica = self._replica(replication)
        return snapshots.points(self._array(replication.target_site_id), replica) if replica else ()

    def copy_out(self, site_id: str, source: str, name: str, tags: Mapping[str, str]) -> ArrayVolume:
        """CloudNotFound when the snapshot is gone, CloudConflict when the name is somebody else's."""
        return volumes.copy_out(self._array(site_id), source, name, tags)

    def snapshot_copy(self, site_id: str, source_volume: str, suffix: str) -> str:
        """`<volume>.<suffix>`."""
        return volumes.snapshot(self._array(site_id), source_volume, suffix)

    def volume(self, site_id: str, name: str) -> ArrayVolume | None:
        """Destroyed ones are told as such."""
        return volumes.by_name(self._array(site_id), name)

    def volume_by_id(self, site_id: str, array_volume_id: str) -> ArrayVolume | None:
        """Whatever it is called now."""
        return volumes.by_id(self._array(site_id), array_volume_id)

    def volumes(self, site_id: str, tags: Mapping[str, str]) -> Sequence[ArrayVolume]:
        """By name."""
        return volumes.carrying(self._array(site_id), tags)

    def rename(self, site_id: str, name: str, new_name: str) -> None:
        """No error when it bears the new name already."""
        volumes.rename(self._array(site_id), name, new_name)

    def tag(self, site_id: str, names: Sequence[str], tags: Mapping[str, str]) -> None:
        """CloudNotFound when one of the volumes is not there."""
        put_tags(self._array(site_id), names, tags)

    def destroy(self, site_id: str, name: str) -> None:
        """Recoverable for as long as the array keeps destroyed volumes (a day by default)."""
        volumes.destroy(self._array(site_id), name)

    def destroy_recovery_point(self, replication: Replication, suffix: str) -> None:
        """An array out of reach keeps its half; only when neither answers is that an error."""
        lost: list[CloudError] = []
        for destroy in (self._destroy_at_target, self._destroy_at_source):
            try:
                destroy(replication, suffix)
            except (CloudUnreachable, CloudBusy) as error:
                LOG.warning("recovery point %s of group %s stays: %s", suffix, replication.group, error.detail)
                lost.append(error)
        if len(lost) == 2:
            raise lost[0]

    def _destroy_at_target(self, replication: Replication, suffix: str) -> None:
        replica = self._replica(replication)
        if replica is not None:
            snapshots.destroy(self._array(replication.target_site_id), f"{replica}.{suffix}")

    def _destroy_at_source(self, replication: Replication, suffix: str) -> None:
        snapshots.destroy(self._array(replication.source_site_id), f"{replication.group}.{suffix}")

    def remove(self, replication: Replication) -> None:
        """The target keeps what it has received."""
        groups.remove(self._array(replication.source_site_id), replication.group)

    def disallow(self, replication: Replication) -> None:
        """Works while the source is dead: the permission lives on the target."""
        replica = self._replica(replication)
        if replica is not None:
            groups.allow(self._array(replication.target_site_id), replica, False)

    def highest_epoch(self, site_id: str, name: str) -> int:
        """0 also for a volume that is not there. One call where it is: this is asked before each deletion."""
        array = self._array(site_id)
        try:
            return highest_epoch(tags.of(array, [name]).get(name, {}))
        except (CloudNotFound, CloudRefused):  # absent, renamed meanwhile or destroyed: a look by filter tells
            found = volumes.by_name(array, name)
            return highest_epoch(found.tags) if found else 0

    def stamp(self, site_id: str, names: Sequence[str], epoch: int) -> None:
        """Adds a key, changes none."""
        put_tags(self._array(site_id), names, epoch_tag(epoch))

    def health(self, site_id: str) -> str:
        """The array answers, and its connections to the policy's other array work."""
        try:
            client = self._array(site_id)
            broken = [
                f"{link['name']} is {link.get('status')}"
                for link in client.items("array-connections")
                if link.get("status") not in groups.WORKING_LINKS
            ]
        except CloudError as error:
            return error.detail
        return f"Array {client.name}: the connection to {', '.join(broken)}." if broken else "ok"


put_tags = tags.put
"""Under a second name: the promise calls a parameter `tags`."""
