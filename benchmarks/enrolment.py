"""A thousand VMs join a group at once: the rows and tags that `member add` would make one after another, each with a push of the whole document.

Only the way there is shorter: the same descriptions are read through the same clouds, and the same rows are written.
"""

import concurrent.futures
import dataclasses
from collections.abc import Sequence
from pathlib import Path

from siterecovery.protector.arrays.base import Replication, ReplicationDriver
from siterecovery.protector.clouds.base import EPOCH, GROUP, Cloud
from siterecovery.protector.domain.member import Member, Volume
from siterecovery.protector.domain.protection_group import ProtectionGroup
from siterecovery.protector.domain.states import MemberStatus, SyncStatus
from siterecovery.protector.processes import settings, wiring
from siterecovery.protector.steps.enrolment import relined
from siterecovery.protector.store.base import Transaction

_THREADS = 8
_PORTION = 200
"""Volumes that join the groups with one call."""


def enrol(configuration: Path, group_id: str, servers: Sequence[str]) -> None:
    """Raises AssertionError when the other site did not take the group's document."""
    parts = wiring.make_parts(settings.load([configuration]))
    try:
        group = parts.store.run(lambda tx: tx.groups.get(group_id))
        assert group is not None
        site = group.current_primary_site_id
        cloud, driver = parts.clouds.service(site, group.project_id), parts.drivers.driver(group_id)
        with concurrent.futures.ThreadPoolExecutor(_THREADS) as pool:
            found = list(pool.map(lambda item: _describe(cloud, driver, group, *item), enumerate(servers)))
        volumes = [volume for _, disks in found for volume in disks]
        _join(cloud, driver, group, volumes)
        parts.store.run(lambda tx: _write(tx, group_id, [member for member, _ in found], volumes))
        parts.duties.synchronise(group_id)
        after = parts.store.run(lambda tx: tx.groups.get(group_id))
        assert after is not None
        assert after.remote_sync_status is SyncStatus.SYNCED, f"the group is {after.remote_sync_status}"
    finally:
        parts.close()


def _describe(
    cloud: Cloud, driver: ReplicationDriver, group: ProtectionGroup, index: int, server_id: str
) -> tuple[Member, list[Volume]]:
    rebuild, disks = cloud.compute.describe(server_id)
    server = cloud.compute.server(server_id)
    assert server is not None
    id = f"{group.name}-{index:05d}"
    member = Member(id, group.id, server_id, server.name, MemberStatus.PROTECTED, rebuild, index=index)
    volumes = []
    for number, disk in enumerate(disks):
        name = disk.array_volume_name or f"volume-{disk.volume_id}-cinder"
        on_array = driver.volume(group.current_primary_site_id, name)
        assert on_array is not None
        cloud.volumes.set_metadata(disk.volume_id, {GROUP: group.id, EPOCH: str(group.failover_epoch)})
        ours = {"id": f"{id}-{number}", "group_id": group.id, "member_id": id, "array_volume_name": name}
        volumes.append(dataclasses.replace(disk, **ours, array_volume_id=on_array.id))  # type: ignore[arg-type]
    return member, volumes


def _join(cloud: Cloud, driver: ReplicationDriver, group: ProtectionGroup, volumes: Sequence[Volume]) -> None:
    site, generation = group.current_primary_site_id, group.generation
    name = generation.source_group if generation is not None and generation.source_group else f"pg-{group.name}"
    replication = Replication(name, site, group.other_site(site))
    for start in range(0, len(volumes), _PORTION):
        portion = volumes[start : start + _PORTION]
        names = [str(volume.array_volume_name) for volume in portion]
        driver.stamp(site, names, group.failover_epoch)
        driver.set_members(replication, add=names)
        cloud.volumes.update_group(group.cinder_groups[site], add=[volume.volume_id for volume in portion])


def _write(tx: Transaction, group_id: str, members: Sequence[Member], volumes: Sequence[Volume]) -> None:
    for member in members:
        tx.members.save(member)
    tx.volumes.save(*volumes)
    relined(tx, group_id, add={volume.id: str(volume.array_volume_name) for volume in volumes})
