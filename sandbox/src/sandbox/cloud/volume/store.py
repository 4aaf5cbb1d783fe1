"""Cinder's state and the work its volume manager does behind the API."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from sandbox.cloud.errors import BadRequest, NotFound, OverLimit
from sandbox.cloud.ids import new_id
from sandbox.cloud.volume.driver import Backend, BackendError
from sandbox.cloud.volume.model import Attachment, Group, GroupSnapshot, GroupType, Snapshot, Volume, VolumeType
from sandbox.cloud.work import Work
from sandbox.history import Note, unwritten
from sandbox.latency import Profile

if TYPE_CHECKING:
    from sandbox.cloud.identity.model import Token

ZONE = "nova"
QUOTAS: Mapping[str, int] = {
    "volumes": 100_000,
    "gigabytes": 10_000_000,
    "snapshots": 100_000,
    "groups": 10_000,
    "backups": 10,
    "backup_gigabytes": 1000,
    "per_volume_gigabytes": -1,
}


class Volumes:
    """Cinder of one cloud: one backend `pure` on one host, in one zone.

    `stuck_deletes` holds names or ids of volumes whose delete never ends; the next `fail_manages` manages end in error, after the
    array volume was renamed when `half_managed`: knobs of the control port.
    """

    def __init__(self, work: Work, profile: Profile, backend: Backend, host: str, note: Note = unwritten) -> None:
        self.work = work
        self.clock = work.clock
        self.profile = profile
        self.backend = backend
        self.host = host
        self.note = note
        self.volumes: dict[str, Volume] = {}
        self.snapshots: dict[str, Snapshot] = {}
        self.groups: dict[str, Group] = {}
        self.group_snapshots: dict[str, GroupSnapshot] = {}
        self.types: dict[str, VolumeType] = {}
        self.group_types: dict[str, GroupType] = {}
        self.default_type = ""
        self.quotas: dict[str, dict[str, int]] = {}
        self.service_disabled: dict[str, str] = {}
        self.stuck_deletes: set[str] = set()
        self.fail_manages = 0
        self.half_managed = False
        self.last_errors: dict[str, str] = {}

    @property
    def pool(self) -> str:
        """`host@backend#pool`: Pure reports no pools, so the pool is the backend's name."""
        return f"{self.host}@pure#pure"

    def add_type(self, name: str, extra_specs: Mapping[str, str]) -> VolumeType:
        """A new public volume type."""
        item = VolumeType(new_id(), name, dict(extra_specs))
        self.types[item.id] = item
        return item

    def add_group_type(self, name: str, group_specs: Mapping[str, str]) -> GroupType:
        """A new public group type."""
        item = GroupType(new_id(), name, dict(group_specs))
        self.group_types[item.id] = item
        return item

    def type_of(self, name_or_id: str | None) -> VolumeType:
        """A type by id or name, the default for None; Cinder's 404 otherwise."""
        wanted = name_or_id or self.default_type
        found = self.types.get(wanted) or next((item for item in self.types.values() if item.name == wanted), None)
        if found is None:
            raise NotFound(f"Volume type {wanted} could not be found.")
        return found

    def quota(self, project_id: str, name: str) -> int:
        """The limit of one resource; -1 is none."""
        return self.quotas.get(project_id, {}).get(name, QUOTAS.get(name, -1))

    def used(self, project_id: str) -> tuple[int, int]:
        """(volumes, gigabytes) of a project, counting what is being created or managed."""
        mine = [item.size for item in self.volumes.values() if item.project_id == project_id]
        return len(mine), sum(mine)

    def check_quota(self, project_id: str, gigabytes: int, *, volumes: int = 1) -> None:
        """413 in Cinder's words when the project has no room."""
        if project_id not in self.quotas:
            return
        count, used = self.used(project_id)
        most = self.quota(project_id, "volumes")
        if 0 <= most < count + volumes:
            text = f"Maximum number of volumes allowed ({most}) exceeded for quota 'volumes'."
            raise OverLimit(f"VolumeLimitExceeded: {text}")
        most = self.quota(project_id, "gigabytes")
        if 0 <= most < used + gigabytes:
            text = f"Requested {gigabytes}G, quota is {most}G and {used}G has been consumed."
            raise OverLimit(
                f"VolumeSizeExceedsAvailableQuota: Requested volume or snapshot exceeds allowed gigabytes quota. {text}"
            )

    def new_volume(self, who: Token, size: int, type_: VolumeType, *, host: str | None = None) -> Volume:
        """A record in `creating`; the caller fills in the rest before anybody can look."""
        volume = Volume(
            id=new_id(),
            project_id=who.project_id,
            user_id=who.user_id,
            name=None,
            description=None,
            size=size,
            type=type_,
            host=host or self.pool,
            zone=ZONE,
            created_at=self.clock.now(),
        )
        self.volumes[volume.id] = volume
        return volume

    def volume_for_server(self, project_id: str, user_id: str, size: int, source: Mapping[str, Any]) -> Volume:
        """The volume Nova makes for a disk that is blank or comes from an image or snapshot; BackendError if it cannot."""
        snapshot = self.snapshots.get(str(source.get("id"))) if source["kind"] == "snapshot" else None
        if source["kind"] == "snapshot" and snapshot is None:
            raise BackendError(f"Snapshot {source.get('id')} could not be found.")
        size = size or (snapshot.size if snapshot else 1)
        volume = Volume(
            new_id(),
            project_id,
            user_id,
            "",
            "",
            size,
            self.type_of(source.get("volume_type")),
            self.pool,
            ZONE,
            self.clock.now(),
        )
        name = self.backend.volume_name(volume.id)
        origin = snapshot.provider_id if snapshot else None
        self.backend.create(name, size, replicated=volume.type.replicated, tags=self.tags(volume), source=origin)
        self.volumes[volume.id] = volume
        self.built(volume, name)
        volume.bootable = source["kind"] != "blank"
        return volume

    def later(self, seconds: float, volume: Volume, work: Callable[[], None], failed: str) -> None:
        """Do the manager's work after a while; a backend's refusal leaves the volume in `failed` and is remembered."""

        def run() -> None:
            try:
                work()
            except BackendError as error:
                volume.status = failed
                self.last_errors[volume.id] = str(error)
            volume.updated_at = self.clock.now()

        self.work.later(seconds, run, "cinder-volume")

    def tags(self, volume: Volume) -> dict[str, str]:
        """What the driver writes on the array volume."""
        server = volume.attachments[0].server_id if volume.attachments else "unattached"
        return {"VmId": server, "ProjectId": volume.project_id, "VolType": volume.type.name, "DataStoreType": "cinder"}

    def built(self, volume: Volume, provider_id: str, *, managed: bool = False) -> None:
        """The backend has it: what the driver's model update writes.

        Where it manages, the driver writes its names over all metadata that came with the request.
        """
        volume.provider_id = provider_id
        names = {"array_volume_name": provider_id, "array_name": self.backend.array.name}
        volume.metadata = names if managed else {**volume.metadata, **names}
        volume.replication_status = "enabled" if volume.type.replicated else "disabled"
        volume.status = "available"

    def delete(self, volume: Volume) -> None:
        """Start deleting; the caller has checked that it may."""
        managing = volume.status == "error_managing"
        volume.status = "error_managing_deleting" if managing else "deleting"
        if {volume.id, volume.name or volume.id} & self.stuck_deletes:
            return

        def work() -> None:
            self.backend.delete(volume.provider_id)
            self.forget(volume)

        self.later(self.profile.current.volume, volume, work, "error_deleting")

    def forget(self, volume: Volume) -> None:
        """Drop the record."""
        if self.volumes.pop(volume.id, None) is not None:
            event = "unmanaged" if volume.status == "unmanaging" else "deleted"
            self.note("volume", event, volume.id, volume.name)

    def reserve(self, volume: Volume) -> None:
        """Nova wants it: 400 unless it is available."""
        if volume.status != "available":
            raise BadRequest(
                "Invalid volume: Volume status must be available or downloading to reserve, "
                f"but the current status is {volume.visible_status}. (HTTP 400)"
            )
        volume.status = "reserved"

    def unreserve(self, volume: Volume) -> None:
        """Nova gave up before attaching."""
        if volume.status in ("reserved", "attaching") and not volume.attachments:
            volume.status = "available"

    def attach(self, volume: Volume, server_id: str, device: str, host: str) -> None:
        """Connect it on the array and mark it in use; BackendError when the array does not."""
        if volume.provider_id is None:
            raise BackendError(f"volume {volume.id} is not on the array")
        self.backend.attach(volume.provider_id)
        entry = Attachment(new_id(), server_id, device, host, self.clock.now())
        volume.attachments = (*volume.attachments, entry)
        volume.status = "in-use"
        volume.updated_at = self.clock.now()

    def detach(self, volume: Volume, server_id: str) -> None:
        """Disconnect it; a backend that does not answer leaves the volume in `error_detaching`, still attached."""
        left = tuple(entry for entry in volume.attachments if entry.server_id != server_id)
        try:
            if not left and volume.provider_id is not None:
                self.backend.detach(volume.provider_id)
        except BackendError as error:
            volume.status = "error_detaching"
            self.last_errors[volume.id] = str(error)
            return
        volume.attachments = left
        volume.status = "in-use" if left else "available"
        volume.updated_at = self.clock.now()
