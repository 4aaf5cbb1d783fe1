"""Two arrays in memory: the mock driver, which keeps the whole promise, with the guests' content and the sites' reach put under it."""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from siterecovery.protector.arrays.base import ArrayVolume, RecoveryPoint, Replication
from siterecovery.protector.arrays.mock.driver import MockStorageDriver
from siterecovery.protector.arrays.mock.state import World

from .ground import Ground

T = TypeVar("T")


class _InMemory:
    """The mock's state without its file."""

    def __init__(self) -> None:
        self.world = World()

    @contextlib.contextmanager
    def change(self) -> Iterator[World]:
        yield self.world

    def look(self) -> World:
        return self.world


class Arrays(MockStorageDriver):
    """Both arrays, seen from nowhere in particular."""

    def __init__(self, ground: Ground) -> None:
        self._state: Any = _InMemory()
        self.ground = ground

    def replicate_now(self, replication: Replication, suffix: str, *, keep: bool, again: bool = False) -> None:
        fresh = suffix not in self._group_snapshots(replication)
        super().replicate_now(replication, suffix, keep=keep, again=again)
        if fresh:
            site = replication.source_site_id
            found = {name: self._content(site, name) for name in self.members(replication)}
            self._group_snapshots(replication)[suffix]["content"] = found
            self.ground.points[replication.group, site] = found

    def _group_snapshots(self, replication: Replication) -> dict[str, Any]:
        group = self._state.look().groups_on(replication.source_site_id).get(replication.group)
        snapshots: dict[str, Any] = group["snapshots"] if group else {}
        return snapshots

    def _content(self, site_id: str, name: str) -> frozenset[str]:
        found = self.volume(site_id, name)
        return self.ground.content.get(found.id, frozenset()) if found else frozenset()

    def copy_out(self, site_id: str, source: str, name: str, tags: Mapping[str, str]) -> ArrayVolume:
        fresh = self.volume(site_id, name) is None
        made = super().copy_out(site_id, source, name, tags)
        if fresh:
            self.ground.content[made.id] = self.content_of(site_id, source)
        return made

    def content_of(self, site_id: str, source: str) -> frozenset[str]:
        if source.count(".") < 2:
            return self._content(site_id, source)
        origin, rest = source.split(":", 1) if ":" in source else (site_id, source)
        group, suffix, member = rest.split(".", 2)
        found: frozenset[str] = self._state.look().groups_on(origin)[group]["snapshots"][suffix]["content"][member]
        return found

    def overwrite(self, site_id: str, source: str, array_id: str) -> None:
        """What a FlashArray does when it is told to: no rule of ours, and the array asks nobody."""
        self.ground.content[array_id] = self.content_of(site_id, source)
        self.ground.count()

    def destroy(self, site_id: str, name: str) -> None:
        found = self.volume(site_id, name)
        super().destroy(site_id, name)
        if found is not None and not found.destroyed:
            self.ground.lost(found.id)

    def connect(self, site_id: str, name: str, connected: bool) -> None:
        """By the volume's id: Cinder renames."""
        found = self.volume_by_id(site_id, name)
        if found is not None and not found.destroyed:
            super().connect(site_id, found.name, connected)

    def erase(self, site_id: str, array_id: str) -> None:
        """What Cinder does when it deletes a volume."""
        found = self.volume_by_id(site_id, array_id)
        if found is not None:
            self._state.world.volumes_on(site_id)[found.name]["destroyed"] = True
            self.ground.lost(array_id)


class SeenArrays:
    """`arrays.base.ReplicationDriver` as one site's engine sees it: what is out of its reach does not answer."""

    def __init__(self, arrays: Arrays, sender: str) -> None:
        self._arrays = arrays
        self._ground = arrays.ground
        self._sender = sender

    def _at(self, site: str, verb: str, apply: Callable[[], T]) -> T:
        return self._ground.call(self._sender, site, verb, apply)

    def configure(self, replication: Replication, interval: int) -> bool:
        self._ground.look(self._sender, replication.target_site_id)
        return self._at(replication.source_site_id, "configure", lambda: self._arrays.configure(replication, interval))

    def set_members(self, replication: Replication, *, add: Iterable[str] = (), remove: Iterable[str] = ()) -> None:
        added, removed = tuple(add), tuple(remove)
        self._at(
            replication.source_site_id,
            "set_members",
            lambda: self._arrays.set_members(replication, add=added, remove=removed),
        )

    def members(self, replication: Replication) -> frozenset[str]:
        self._ground.look(self._sender, replication.source_site_id)
        return self._arrays.members(replication)

    def set_schedule(self, replication: Replication, *, enabled: bool) -> None:
        self._at(
            replication.source_site_id, "schedule", lambda: self._arrays.set_schedule(replication, enabled=enabled)
        )

    def replicate_now(self, replication: Replication, suffix: str, *, keep: bool, again: bool = False) -> None:
        self._ground.look(self._sender, replication.target_site_id)
        self._at(
            replication.source_site_id,
            "replicate",
            lambda: self._arrays.replicate_now(replication, suffix, keep=keep, again=again),
        )

    def recovery_point(self, replication: Replication, suffix: str) -> RecoveryPoint | None:
        self._ground.look(self._sender, replication.target_site_id)
        return self._arrays.recovery_point(replication, suffix)

    def recovery_points(self, replication: Replication) -> Sequence[RecoveryPoint]:
        self._ground.look(self._sender, replication.target_site_id)
        return self._arrays.recovery_points(replication)

    def copy_out(self, site_id: str, source: str, name: str, tags: Mapping[str, str]) -> ArrayVolume:
        return self._at(site_id, "copy_out", lambda: self._arrays.copy_out(site_id, source, name, tags))

    def overwrite(self, site_id: str, source: str, array_id: str) -> None:
        self._at(site_id, "copy_out", lambda: self._arrays.overwrite(site_id, source, array_id))

    def volume(self, site_id: str, name: str) -> ArrayVolume | None:
        self._ground.look(self._sender, site_id)
        return self._arrays.volume(site_id, name)

    def volume_by_id(self, site_id: str, array_volume_id: str) -> ArrayVolume | None:
        self._ground.look(self._sender, site_id)
        return self._arrays.volume_by_id(site_id, array_volume_id)

    def volumes(self, site_id: str, tags: Mapping[str, str]) -> Sequence[ArrayVolume]:
        self._ground.look(self._sender, site_id)
        return self._arrays.volumes(site_id, tags)

    def rename(self, site_id: str, name: str, new_name: str) -> None:
        self._at(site_id, "rename", lambda: self._arrays.rename(site_id, name, new_name))

    def tag(self, site_id: str, names: Sequence[str], tags: Mapping[str, str]) -> None:
        self._at(site_id, "tag", lambda: self._arrays.tag(site_id, names, tags))

    def destroy(self, site_id: str, name: str) -> None:
        self._at(site_id, "destroy", lambda: self._arrays.destroy(site_id, name))

    def destroy_recovery_point(self, replication: Replication, suffix: str) -> None:
        self._at(replication.source_site_id, "forget", lambda: self._arrays.destroy_recovery_point(replication, suffix))

    def remove(self, replication: Replication) -> None:
        self._at(replication.source_site_id, "remove", lambda: self._arrays.remove(replication))

    def disallow(self, replication: Replication) -> None:
        self._at(replication.target_site_id, "disallow", lambda: self._arrays.disallow(replication))

    def highest_epoch(self, site_id: str, name: str) -> int:
        self._ground.look(self._sender, site_id)
        return self._arrays.highest_epoch(site_id, name)

    def stamp(self, site_id: str, names: Sequence[str], epoch: int) -> None:
        self._at(site_id, "stamp", lambda: self._arrays.stamp(site_id, names, epoch))

    def health(self, site_id: str) -> str:
        self._ground.look(self._sender, site_id)
        return "ok"
