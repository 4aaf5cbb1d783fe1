"""Destroy, recover and eradicate, where they touch more than the thing itself."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from sandbox.array.model import Group, GroupSnapshot, Snapshot, Volume

if TYPE_CHECKING:
    from sandbox.array.array import Array


def destroy_volume(array: Array, volume: Volume) -> None:
    """Its snapshots go with it; it leaves its groups, except those that SafeMode locks."""
    for group in array.groups:
        if volume.id in group.members and group.retention_lock != "ratcheted":
            group.members.remove(volume.id)
    for snapshot in volume.snapshots.values():
        if not snapshot.destroyed:
            destroy_snapshot(array, volume, snapshot)
    array.note("array_volume", "destroyed", volume.id, volume.name)
    array.destroy(volume, lambda: array.volumes.remove(volume))


def destroy_snapshot(array: Array, volume: Volume, snapshot: Snapshot) -> None:
    """Let one volume snapshot pend."""
    array.destroy(snapshot, lambda: forget_snapshot(volume, snapshot))


def forget_snapshot(volume: Volume, snapshot: Snapshot) -> None:
    """Eradicate one volume snapshot."""
    if volume.snapshots.get(snapshot.name.lower()) is snapshot:
        del volume.snapshots[snapshot.name.lower()]


def destroy_group_snapshot(array: Array, group: Group, snapshot: GroupSnapshot, delay: float | None = None) -> None:
    """Let a group snapshot pend with its members, for `delay` seconds or the array's eradication delay."""
    array.note("array_snapshot", "destroyed", snapshot.id, f"{group.name}.{snapshot.name}")
    array.destroy(snapshot, lambda: forget_group_snapshot(group, snapshot), delay)


def forget_group_snapshot(group: Group, snapshot: GroupSnapshot) -> None:
    """Eradicate a group snapshot."""
    if group.snapshots.get(snapshot.name.lower()) is snapshot:
        del group.snapshots[snapshot.name.lower()]


def watch_again(array: Array) -> None:
    """Set the timers of everything pending, after a load."""
    for volume in array.volumes:
        array.watch_expiry(volume, partial(array.volumes.remove, volume))
        for snapshot in volume.snapshots.values():
            array.watch_expiry(snapshot, partial(forget_snapshot, volume, snapshot))
    for group in array.groups:
        array.watch_expiry(group, partial(array.groups.remove, group))
        for taken in group.snapshots.values():
            array.watch_expiry(taken, partial(forget_group_snapshot, group, taken))
    for pod in array.pods:
        array.watch_expiry(pod, partial(array.pods.remove, pod))
    for vgroup in array.volume_groups:
        array.watch_expiry(vgroup, partial(array.volume_groups.remove, vgroup))
