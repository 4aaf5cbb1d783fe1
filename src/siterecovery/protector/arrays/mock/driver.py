"""The mock: each site has one pretend array, replication is instant, nothing holds any data."""

import datetime
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from siterecovery.protector.arrays.base import ArrayVolume, RecoveryPoint, Replication
from siterecovery.protector.arrays.mock.state import State, World
from siterecovery.protector.domain.epoch import epoch_tag, highest_epoch
from siterecovery.protector.domain.errors import CloudConflict, CloudNotFound, CloudRefused


class MockStorageDriver:
    """`base.ReplicationDriver` on a file."""

    def __init__(self, state_path: Path) -> None:
        self._state = State(state_path)

    def configure(self, replication: Replication, interval: int) -> bool:
        """At once."""
        if interval < 300:
            raise CloudRefused(f"A replication interval of {interval} seconds is too short; use 300 or more.")
        with self._state.change() as world:
            group = world.groups_on(replication.source_site_id).setdefault(
                replication.group, {"members": [], "snapshots": {}}
            )
            group |= {"interval": interval, "allowed": True, "removed": False}
            group.setdefault("enabled", False)
        return True

    def set_members(self, replication: Replication, *, add: Iterable[str] = (), remove: Iterable[str] = ()) -> None:
        """CloudNotFound for a volume that is not there."""
        with self._state.change() as world:
            group = _group(world, replication)
            adding = set(add)
            for name in sorted(adding):
                _alive(world, replication.source_site_id, name)
            group["members"] = sorted((set(group["members"]) | adding) - set(remove))

    def members(self, replication: Replication) -> frozenset[str]:
        """None for a group that is not there."""
        group = self._state.look().groups_on(replication.source_site_id).get(replication.group)
        return frozenset(group["members"]) if group and not group["removed"] else frozenset()

    def set_schedule(self, replication: Replication, *, enabled: bool) -> None:
        """The mock has no clock: snapshots are only taken when asked for."""
        with self._state.change() as world:
            if enabled or replication.group in world.groups_on(replication.source_site_id):
                _group(world, replication)["enabled"] = enabled

    def replicate_now(self, replication: Replication, suffix: str, *, keep: bool, again: bool = False) -> None:
        """It arrives at once, if the target lets it in."""
        with self._state.change() as world:
            group = _group(world, replication)
            group["snapshots"].setdefault(
                suffix,
                {
                    "taken_at": datetime.datetime.now(datetime.UTC).isoformat(timespec="microseconds"),
                    "members": list(group["members"]),
                    "sizes": [_alive(world, replication.source_site_id, name)["size"] for name in group["members"]],
                    "arrived": group["allowed"],
                    "keep": keep,
                },
            )

    def recovery_point(self, replication: Replication, suffix: str) -> RecoveryPoint | None:
        """Complete as soon as it exists."""
        return next((point for point in self.recovery_points(replication) if point.suffix == suffix), None)

    def recovery_points(self, replication: Replication) -> Sequence[RecoveryPoint]:
        """Newest first."""
        group = self._state.look().groups_on(replication.source_site_id).get(replication.group)
        found = [(s, taken) for s, taken in group["snapshots"].items() if taken["arrived"]] if group else []
        found.sort(key=lambda pair: str(pair[1]["taken_at"]), reverse=True)
        return [_point(replication, suffix, taken) for suffix, taken in found]

    def copy_out(self, site_id: str, source: str, name: str, tags: Mapping[str, str]) -> ArrayVolume:
        """From anything the mock knows on that site."""
        with self._state.change() as world:
            found = world.volumes_on(site_id).get(name)
            if found is None:
                found = world.new_volume(site_id, name, _size_of(world, site_id, source), source)
                found["tags"] = dict(tags)
            elif found["destroyed"] or not tags.items() <= found["tags"].items():
                raise CloudConflict(f"A volume {name} exists already and is not this operation's.")
            return ArrayVolume(**found)

    def snapshot_copy(self, site_id: str, source_volume: str, suffix: str) -> str:
        """Instant."""
        with self._state.change() as world:
            volume = _alive(world, site_id, source_volume)
            world.snapshots.setdefault(site_id, {})[f"{source_volume}.{suffix}"] = volume["id"]
        return f"{source_volume}.{suffix}"

    def volume(self, site_id: str, name: str) -> ArrayVolume | None:
        """Destroyed ones are told as such."""
        found = self._state.look().volumes_on(site_id).get(name)
        return ArrayVolume(**found) if found else None

    def volume_by_id(self, site_id: str, array_volume_id: str) -> ArrayVolume | None:
        """Whatever it is called now."""
        found = self._state.look().volumes_on(site_id).values()
        return next((ArrayVolume(**volume) for volume in found if volume["id"] == array_volume_id), None)

    def volumes(self, site_id: str, tags: Mapping[str, str]) -> Sequence[ArrayVolume]:
        """By name."""
        found = self._state.look().volumes_on(site_id)
        chosen = (volume for _, volume in sorted(found.items()) if tags.items() <= volume["tags"].items())
        return [ArrayVolume(**volume) for volume in chosen if volume["tags"] and not volume["destroyed"]]

    def rename(self, site_id: str, name: str, new_name: str) -> None:
        """No error when it bears the new name already."""
        with self._state.change() as world:
            volumes = world.volumes_on(site_id)
            if name not in volumes and new_name in volumes:
                return
            if new_name in volumes:
                raise CloudConflict(f"A volume {new_name} exists already.")
            volume = _alive(world, site_id, name)
            volume["name"] = new_name
            volumes[new_name] = volumes.pop(name)
            for group in world.groups_on(site_id).values():
                group["members"] = [new_name if member == name else member for member in group["members"]]

    def tag(self, site_id: str, names: Sequence[str], tags: Mapping[str, str]) -> None:
        """CloudNotFound when one of the volumes is not there."""
        with self._state.change() as world:
            for name in names:
                _alive(world, site_id, name)["tags"] |= dict(tags)

    def destroy(self, site_id: str, name: str) -> None:
        """The name stays taken."""
        with self._state.change() as world:
            found = world.volumes_on(site_id).get(name)
            if found is None or found["destroyed"]:
                return
            if not found["tags"]:
                raise CloudRefused(f"Volume {name} carries no tag of ours.")
            if found["connected"]:
                raise CloudConflict(f"Volume {name} is connected to a host.")
            found["destroyed"] = True

    def destroy_recovery_point(self, replication: Replication, suffix: str) -> None:
        """No error when it is gone."""
        with self._state.change() as world:
            group = world.groups_on(replication.source_site_id).get(replication.group)
            if group:
                group["snapshots"].pop(suffix, None)

    def remove(self, replication: Replication) -> None:
        """What was replicated stays."""
        with self._state.change() as world:
            group = world.groups_on(replication.source_site_id).get(replication.group)
            if group:
                group |= {"members": [], "enabled": False, "removed": True}

    def disallow(self, replication: Replication) -> None:
        """What comes later does not arrive."""
        with self._state.change() as world:
            group = world.groups_on(replication.source_site_id).get(replication.group)
            if group:
                group["allowed"] = False

    def highest_epoch(self, site_id: str, name: str) -> int:
        """0 without one."""
        found = self.volume(site_id, name)
        return highest_epoch(found.tags) if found else 0

    def stamp(self, site_id: str, names: Sequence[str], epoch: int) -> None:
        """Adds a key, changes none."""
        self.tag(site_id, names, epoch_tag(epoch))

    def health(self, site_id: str) -> str:
        """A file is always well."""
        return "ok"

    def create_volume(self, site_id: str, name: str, size: int) -> ArrayVolume:
        """What Cinder does elsewhere: for trying things out and for tests. `size` in bytes."""
        with self._state.change() as world:
            if name in world.volumes_on(site_id):
                raise CloudConflict(f"A volume {name} exists already.")
            return ArrayVolume(**world.new_volume(site_id, name, size))

    def connect(self, site_id: str, name: str, connected: bool) -> None:
        """Pretend that a host can write to it."""
        with self._state.change() as world:
            _alive(world, site_id, name)["connected"] = connected


def _group(world: World, replication: Replication) -> dict[str, Any]:
    group = world.groups_on(replication.source_site_id).get(replication.group)
    if group is None or group["removed"]:
        raise CloudNotFound(f"Protection group {replication.group} does not exist.")
    return group


def _alive(world: World, site_id: str, name: str) -> dict[str, Any]:
    volume = world.volumes_on(site_id).get(name)
    if volume is None:
        raise CloudNotFound(f"Volume {name} does not exist.")
    if volume["destroyed"]:
        raise CloudConflict(f"Volume {name} has been destroyed.")
    return volume


def _point(replication: Replication, suffix: str, taken: Mapping[str, Any]) -> RecoveryPoint:
    group = f"{replication.source_site_id}:{replication.group}"
    return RecoveryPoint(
        name=f"{group}.{suffix}",
        group=group,
        suffix=suffix,
        taken_at=taken["taken_at"].replace("+00:00", "Z"),
        complete=True,
        progress=1.0,
        members={name: f"{group}.{suffix}.{name}" for name in taken["members"]},
    )


def _size_of(world: World, site_id: str, source: str) -> int:
    """Bytes of a replicated snapshot's member, of a snapshot here, or of a volume here."""
    if ":" in source or source.count(".") == 2:
        origin, rest = source.split(":", 1) if ":" in source else (site_id, source)
        group, suffix, member = rest.split(".", 2)
        taken = world.groups_on(origin).get(group, {}).get("snapshots", {}).get(suffix)
        if taken and member in taken["members"]:
            return int(taken["sizes"][taken["members"].index(member)])
        raise CloudNotFound("No such volume or snapshot.")
    if "." in source:
        volume_id = world.snapshots.get(site_id, {}).get(source)
        sizes = [volume["size"] for volume in world.volumes_on(site_id).values() if volume["id"] == volume_id]
        if sizes:
            return int(sizes[0])
        raise CloudNotFound("No such volume or snapshot.")
    return int(_alive(world, site_id, source)["size"])
