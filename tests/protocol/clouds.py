"""Two clouds in memory that keep the promise of `clouds.base`, as far as moves use it, with what Nova and Cinder refuse by themselves:
a volume boots one server at a time, an unbootable one boots none, a locked server is not started by a member, an attached volume stays."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from siterecovery.protector.clouds.base import CinderVolume, ManageSpec, NetworkPort, Server, ServerSpec
from siterecovery.protector.domain.errors import CloudConflict, CloudNotFound, CloudRefused

from .arrays import Arrays
from .ground import Disk, Ground, Guest


@dataclasses.dataclass(frozen=True)
class Actor:
    """Who calls, from which site's engine, at which cloud."""

    ground: Ground
    arrays: Arrays
    sender: str
    site: str
    admin: bool

    def look(self) -> None:
        self.ground.look(self.sender, self.site)

    def call(self, verb: str, apply: Any) -> Any:
        return self.ground.call(self.sender, self.site, verb, apply)


class FakeCompute:
    def __init__(self, actor: Actor) -> None:
        self._actor = actor
        self._ground = actor.ground

    def server(self, server_id: str) -> Server | None:
        self._actor.look()
        guest = self._ground.guests.get(server_id)
        return None if guest is None or guest.home != self._actor.site else _shown(guest)

    def servers(
        self, *, server_ids: Iterable[str] | None = None, metadata: Mapping[str, str] | None = None
    ) -> list[Server]:
        self._actor.look()
        wanted = None if server_ids is None else set(server_ids)
        return [
            _shown(guest)
            for guest in self._ground.guests.values()
            if guest.home == self._actor.site
            and (wanted is None or guest.id in wanted)
            and (metadata or {}).items() <= guest.metadata.items()
        ]

    def create(self, spec: ServerSpec) -> str:
        id = self._ground.new_id("server")

        def apply() -> str:
            disks = [self._ground.disks.get(disk.volume_id) for disk in spec.disks]
            for disk in disks:
                if disk is None or disk.attached is not None or disk.status != "available":
                    raise CloudRefused(f"Volume {disk.id if disk else '?'} is in use or gone.")
            root = next(self._ground.disks[disk.volume_id] for disk in spec.disks if disk.boot_index == 0)
            if not root.bootable:
                raise CloudRefused(f"Volume {root.id} is not bootable.")
            guest = Guest(
                id, spec.name, self._actor.site, tuple(d.volume_id for d in spec.disks), metadata=dict(spec.metadata)
            )
            self._ground.guests[id] = guest
            for disk in disks:
                assert disk is not None
                disk.attached, disk.status = id, "in-use"
                self._actor.arrays.connect(disk.home, disk.array_id, True)
            self._ground.started(guest)
            return id

        answer: str = self._actor.call("create", apply)
        return answer

    def lock(self, server_id: str, reason: str) -> None:
        def apply() -> None:
            guest = self._guest(server_id)
            guest.locked, guest.reason = True, reason

        self._actor.call("lock", apply)

    def unlock(self, server_id: str) -> None:
        def apply() -> None:
            guest = self._guest(server_id)
            guest.locked, guest.reason = False, None

        self._actor.call("unlock", apply)

    def stop(self, server_id: str) -> None:
        def apply() -> None:
            guest = self._guest(server_id)
            self._refuse_locked(guest)
            if guest.status == "ACTIVE":
                guest.status = "SHUTOFF"

        self._actor.call("stop", apply)

    def start(self, server_id: str) -> None:
        def apply() -> None:
            guest = self._guest(server_id)
            self._refuse_locked(guest)
            if guest.status == "SHUTOFF":
                guest.status = "ACTIVE"
                self._ground.started(guest)

        self._actor.call("start", apply)

    def delete(self, server_id: str, *, force: bool = False) -> None:
        def apply() -> None:
            guest = self._ground.guests.pop(server_id, None)
            for id in guest.volume_ids if guest is not None else ():
                disk = self._ground.disks[id]
                disk.attached, disk.status = None, "available"
                self._actor.arrays.connect(disk.home, disk.array_id, False)

        self._actor.call("delete", apply)

    def keep_volume(self, server_id: str, volume_id: str) -> None:
        self._actor.call("keep_volume", lambda: self._guest(server_id))

    def ensure_keypair(self, name: str, public_key: str | None) -> bool:
        return True

    def _guest(self, server_id: str) -> Guest:
        guest = self._ground.guests.get(server_id)
        if guest is None or guest.home != self._actor.site:
            raise CloudNotFound(f"Server {server_id} does not exist.")
        return guest

    def _refuse_locked(self, guest: Guest) -> None:
        if guest.locked and not self._actor.admin:
            raise CloudConflict(f"Instance {guest.id} is locked")


def _shown(guest: Guest) -> Server:
    return Server(
        guest.id,
        guest.name,
        guest.status,
        locked=guest.locked,
        locked_reason=guest.reason,
        metadata=dict(guest.metadata),
        volume_ids=guest.volume_ids,
    )


class FakeVolumes:
    def __init__(self, actor: Actor) -> None:
        self._actor = actor
        self._ground = actor.ground

    def volume(self, volume_id: str) -> CinderVolume | None:
        self._actor.look()
        disk = self._ground.disks.get(volume_id)
        return None if disk is None or disk.home != self._actor.site else self._shown(disk)

    def volumes(
        self, *, volume_ids: Iterable[str] | None = None, metadata: Mapping[str, str] | None = None
    ) -> list[CinderVolume]:
        self._actor.look()
        wanted = None if volume_ids is None else set(volume_ids)
        return [
            self._shown(disk)
            for disk in self._ground.disks.values()
            if disk.home == self._actor.site
            and (wanted is None or disk.id in wanted)
            and (metadata or {}).items() <= disk.metadata.items()
        ]

    def manage(self, spec: ManageSpec) -> str:
        id = self._ground.new_id("volume")

        def apply() -> str:
            found = self._actor.arrays.volume(self._actor.site, spec.array_volume_name)
            if found is None or found.destroyed:
                raise CloudRefused(f"Volume {spec.array_volume_name} is not on the array.")
            self._actor.arrays.rename(self._actor.site, spec.array_volume_name, f"volume-{id}-cinder")
            self._ground.disks[id] = Disk(
                id, spec.name, self._actor.site, found.id, bootable=spec.bootable, metadata=dict(spec.metadata)
            )
            return id

        answer: str = self._actor.call("manage", apply)
        return answer

    def unmanage(self, volume_id: str) -> None:
        def apply() -> None:
            disk = self._free(volume_id)
            if disk is not None:
                self._actor.arrays.rename(disk.home, f"volume-{disk.id}-cinder", f"volume-{disk.id}-cinder-unmanaged")
                del self._ground.disks[volume_id]

        self._actor.call("unmanage", apply)

    def delete(self, volume_id: str) -> None:
        def apply() -> None:
            disk = self._free(volume_id)
            if disk is not None:
                del self._ground.disks[volume_id]
                self._actor.arrays.erase(disk.home, disk.array_id)

        self._actor.call("delete_volume", apply)

    def _free(self, volume_id: str) -> Disk | None:
        disk = self._ground.disks.get(volume_id)
        if disk is not None and disk.attached is not None:
            raise CloudConflict(f"Volume {volume_id} is in use.")
        return disk

    def set_bootable(self, volume_id: str, bootable: bool) -> None:
        def apply() -> None:
            if volume_id not in self._ground.disks:
                raise CloudNotFound(f"Volume {volume_id} does not exist.")
            self._ground.disks[volume_id].bootable = bootable

        self._actor.call("set_bootable", apply)

    def set_metadata(self, volume_id: str, metadata: Mapping[str, str]) -> None:
        def apply() -> None:
            if volume_id not in self._ground.disks:
                raise CloudNotFound(f"Volume {volume_id} does not exist.")
            self._ground.disks[volume_id].metadata.update(metadata)

        self._actor.call("set_metadata", apply)

    def service_host(self, volume_type: str) -> str:
        return "host@pure#pool"

    def update_group(self, group_id: str, *, add: Sequence[str] = (), remove: Sequence[str] = ()) -> None:
        raise AssertionError("the plays have no volume groups")

    def _shown(self, disk: Disk) -> CinderVolume:
        return CinderVolume(
            disk.id,
            disk.name,
            disk.status,
            disk.size,
            bootable=disk.bootable,
            metadata=dict(disk.metadata),
            attachments=(disk.attached,) if disk.attached else (),
            array_volume_name=f"volume-{disk.id}-cinder",
        )


class FakeNetworks:
    """The plays' servers have no ports."""

    def ports(self, *, key: str | None = None, device_id: str | None = None) -> list[NetworkPort]:
        return []


class FakeIdentity:
    def __init__(self, actor: Actor) -> None:
        self._actor = actor

    def check(self) -> None:
        self._actor.look()


class FakeCloud:
    def __init__(self, actor: Actor, project_id: str) -> None:
        self.site_id, self.project_id = actor.site, project_id
        self.compute: Any = FakeCompute(actor)
        self.volumes: Any = FakeVolumes(actor)
        self.networks: Any = FakeNetworks()
        self.identity = FakeIdentity(actor)


@dataclasses.dataclass(frozen=True)
class FakeClouds:
    """`clouds.base.Clouds` as one site's engine sees it."""

    ground: Ground
    arrays: Arrays
    sender: str

    def tenant(self, site_id: str, project_id: str) -> Any:
        return FakeCloud(Actor(self.ground, self.arrays, self.sender, site_id, admin=False), project_id)

    def service(self, site_id: str, project_id: str) -> Any:
        return FakeCloud(Actor(self.ground, self.arrays, self.sender, site_id, admin=True), project_id)

    def reachable(self, site_id: str) -> bool:
        return self.ground.reaches(self.sender, site_id)
