"""Steps that touch Cinder: volumes are managed on the target, and cleaned up on the source.

Every deletion looks again first: the volume is unattached, belongs to no group any more, and carries this group's tag with an epoch below the
current one. Otherwise it is superseded: an old operation's cleanup never destroys what a later failback made production again.
"""

import dataclasses
import re
from collections.abc import Callable, Sequence

from siterecovery.protector.clouds.base import EPOCH, GROUP, KEY, CinderVolume, ManageSpec
from siterecovery.protector.domain.errors import CloudConflict, CloudForbidden, CloudRefused
from siterecovery.protector.domain.member import CopyState, Volume, VolumeCopy
from siterecovery.protector.steps.base import ProtectorStep, World, key_of, volume_groups, volumes
from siterecovery.protector.steps.guards import burn, handed_over
from siterecovery.protector.steps.replication import epoch_of
from siterecovery.protector.store.base import Transaction
from siterecovery.workflow.step import Answer, Call, OnFailure, Outcome, Refused, Unsettled, Waiting

MANAGED_NAME = re.compile(r"volume-([0-9a-f-]{36})-cinder")
SETTLED = frozenset({"available", "in-use"})
MANAGING = frozenset({"managing", "creating"})
"""Cinder's API shows a volume that is being managed as `creating`, and one whose managing failed as `error` (seen with 2026.1)."""


def failed(volume: CinderVolume) -> bool:
    return volume.status.startswith("error")


POLICY_REMEDY = (
    "Allow volume_extension:volume_manage, volume_unmanage and services:index for the member role (rule:admin_or_owner) in "
    "/etc/cinder/policy.yaml of the target site, then retry."
)


class ManageVolume(ProtectorStep):
    """An array volume comes under Cinder's management on the target, in the tenant's project and quota. Cinder renames it.

    A failed manage leaves a row in `error_managing`; deleting that row could destroy the array volume, so it is renamed back first
    (Cinder's driver may have saved its provider id before it failed).
    """

    timeout = 600.0

    def __init__(
        self,
        world: World,
        name: str,
        volume: Volume,
        *,
        copy_step: str,
        volume_type: str,
        server_step: str,
        test: bool = False,
    ) -> None:
        """`server_step` makes the server that will run from the volume."""
        super().__init__(world, name)
        self.server_step = server_step
        self.late = False
        self.volume = volume
        self.copy_step = copy_step
        self.volume_type = volume_type
        self.test = test

    def do(self, call: Call) -> Answer:
        array_name = call.result(self.copy_step)["array_volume_name"]
        try:
            host = self.world.service(self.world.target).volumes.service_host(self.volume_type)
            spec = ManageSpec(
                array_volume_name=array_name,
                host=host,
                name=self.volume.name,
                volume_type=self.volume_type,
                bootable=self.volume.bootable,
                metadata=self._metadata(call),
                description=f"Recovered by operation {self.world.operation.id}",
            )
            call.check()
            managed = self.world.tenant(self.world.target).volumes.manage(spec)
        except CloudForbidden as error:
            raise Refused(f"Volume manage failed: {error.detail} {POLICY_REMEDY}") from error
        except CloudRefused as error:
            raise Refused(f"Volume manage failed: {error.sentence}", resource_id=array_name) from error
        return self._arrival(call, managed)

    def _metadata(self, call: Call) -> dict[str, str]:
        kept = {
            key: value for key, value in self.volume.metadata.items() if not key.startswith(("array_", "protector:"))
        }
        epoch = str(epoch_of(call))
        return {**kept, KEY: key_of(call), GROUP: self.world.plan.group.id, EPOCH: epoch}

    def look(self, call: Call) -> Answer | None:
        """One that failed was never managed; it is put away and managed anew."""
        for found in self._mine(call):
            if failed(found):
                self._put_away(call, found)
            else:
                return self._arrival(call, found.id)
        return None

    def _mine(self, call: Call) -> list[CinderVolume]:
        """By the key, and by the name that Cinder gave the array volume: its driver forgets the metadata a manage was sent with."""
        cinder = self.world.service(self.world.target).volumes
        found = {volume.id: volume for volume in cinder.volumes(metadata={KEY: key_of(call)})}
        copied = call.last(self.copy_step)
        on_array = self.world.driver.volume_by_id(self.world.target, copied["array_volume_id"]) if copied else None
        managed = MANAGED_NAME.fullmatch(on_array.name) if on_array is not None else None
        volume = cinder.volume(managed[1]) if managed is not None else None
        return list({**found, **({volume.id: volume} if volume is not None else {})}.values())

    def _arrival(self, call: Call, volume_id: str) -> Waiting:
        topic = volumes(self.world, self.world.target)
        return Waiting(
            topic, volume_id, self._managed, lambda value: self._finish(call, value["volume_id"], value["name"])
        )

    def _managed(self, seen: CinderVolume | None) -> Outcome | None:
        if seen is None or seen.status in MANAGING:
            return None
        if seen.status not in SETTLED:
            raise Unsettled(
                f"Volume manage failed: volume {seen.id} is {seen.status}; cinder-volume's log on the target site says why. "
                "Put that right, then retry.",
                resource_id=seen.id,
            )
        return Outcome({"volume_id": seen.id, "name": seen.array_volume_name})

    def _finish(self, call: Call, volume_id: str, array_name: str | None) -> Outcome:
        call.check()
        self.world.service(self.world.target).volumes.set_metadata(volume_id, self._metadata(call))
        if self.volume.image_metadata:
            self.world.tenant(self.world.target).volumes.set_image_metadata(volume_id, self.volume.image_metadata)
        copied = call.result(self.copy_step)
        name = array_name or f"volume-{volume_id}-cinder"
        return Outcome(
            {"volume_id": volume_id, "array_volume_name": name, "array_volume_id": copied["array_volume_id"]}
        )

    def undo(self, call: Call) -> Answer | None:
        """Unmanaged, never deleted: what becomes of the array volume is decided by the step that made it. It is told when a server has come late."""
        self.barrier = handed_over(call, self.server_step)
        for found in self._mine(call):
            if found.attachments:
                self._detach_late(call, found)
            if found.status in MANAGING:
                raise Unsettled(f"Volume {found.id} is still being managed.", resource_id=found.id)
            if failed(found):
                self._put_away(call, found)
            else:
                self._unmanage(call, found)
            return Waiting(
                volumes(self.world, self.world.target), found.id, _gone, lambda _: self.undo(call) or Outcome()
            )
        return Outcome({"ran": True}) if self.late else None

    def _detach_late(self, call: Call, found: CinderVolume) -> None:
        """A create-server of this operation has come late: its server goes too, then this is tried again. Any other server is a person's."""
        compute, server_id = self.world.service(self.world.target).compute, found.attachments[0]
        server = compute.server(server_id)
        if server is not None and server.metadata.get(KEY, "").startswith(f"{call.operation}/"):
            self.late = True
            call.check()
            compute.delete(server_id)
        raise Unsettled(f"Volume {found.id} is still attached to server {server_id}.", resource_id=found.id)

    def _unmanage(self, call: Call, found: CinderVolume) -> None:
        if found.group_id is not None:
            self.world.tenant(self.world.target).volumes.update_group(found.group_id, remove=[found.id])
        if found.status != "unmanaging":
            call.check()
            self.world.tenant(self.world.target).volumes.unmanage(found.id)

    def _put_away(self, call: Call, found: CinderVolume) -> None:
        driver, target = self.world.driver, self.world.target
        copied = call.last(self.copy_step)
        taken = driver.volume(target, f"volume-{found.id}-cinder")
        call.check()
        if taken is not None and copied is not None and taken.id == copied["array_volume_id"]:
            driver.rename(target, taken.name, copied["array_volume_name"])
        self.world.tenant(target).volumes.delete(found.id)


def _gone(seen: CinderVolume | None) -> Outcome | None:
    if seen is not None and seen.status.startswith("error"):
        raise Unsettled(f"Volume {seen.id} is {seen.status}.", resource_id=seen.id)
    return Outcome() if seen is None else None


def let_go(world: World, call: Call, found: CinderVolume) -> None:
    """A volume that nobody keeps leaves Cinder, never the array. One that took no array volume over is a mere row: to unmanage it would leave it
    in `error_unmanaging`, which only an administrator gets rid of."""
    target = world.target
    cinder = world.tenant(target).volumes
    empty = failed(found) and world.driver.volume(target, f"volume-{found.id}-cinder") is None
    call.check()
    if empty:
        cinder.delete(found.id)
    elif found.status not in ("unmanaging", "deleting"):
        cinder.unmanage(found.id)


class UpdateVolumeRecords(ProtectorStep):
    """What the member's volumes are called on the target, for the record and for the commit."""

    def __init__(self, world: World, name: str, moved: Sequence[tuple[Volume, str]]) -> None:
        """`moved`: each volume with the name of the step that managed it."""
        super().__init__(world, name)
        self.moved = moved

    def do(self, call: Call) -> Outcome:
        return Outcome({volume.id: call.result(step) for volume, step in self.moved})


class UpdateGroupVolumes(ProtectorStep):
    """The Cinder volume group of a site takes volumes in, or lets them go: one change for all of them."""

    on_failure = OnFailure.RECORD

    def __init__(self, world: World, name: str, site_id: str, *, join: bool) -> None:
        super().__init__(world, name)
        self.site_id = site_id
        self.join = join

    def do(self, call: Call) -> Answer:
        group_id = self.world.plan.group.cinder_groups.get(self.site_id)
        if group_id is None:
            return Outcome({"group": None})
        cinder, wanted = self.world.service(self.site_id).volumes, self._volumes(call)
        call.check()
        changed = cinder.update_group(group_id, **{"add" if self.join else "remove": wanted})
        if not changed:
            return Outcome({"group": group_id, "changed": 0})
        return Waiting(volume_groups(self.world, self.site_id), group_id, _group_ready(group_id, changed))

    def _volumes(self, call: Call) -> list[str]:
        if self.join:
            records = call.results("update_volume_records").values()
            return [moved["volume_id"] for record in records for moved in record.values()]
        return [volume.volume_id for volume in self.world.plan.volumes]


def _group_ready(group_id: str, changed: int) -> Callable[[str | None], Outcome | None]:
    def until(status: str | None) -> Outcome | None:
        if status is None or status == "updating":
            return None
        if status != "available":
            raise Refused(f"Volume group {group_id} is {status}.", resource_id=group_id)
        return Outcome({"group": group_id, "changed": changed})

    return until


class DeleteSourceVolume(ProtectorStep):
    """The old copy of a volume goes, once its server is gone and a copy of the final snapshot is kept. Looks again first."""

    on_failure = OnFailure.RECORD

    def __init__(self, world: World, name: str, volume: Volume, *, keep_step: str | None) -> None:
        super().__init__(world, name)
        self.volume = volume
        self.keep_step = keep_step
        self.timeout = world.plan.config.cleanup_timeout_seconds
        self.retry = dataclasses.replace(self.retry, attempts=world.plan.config.cleanup_retry_attempts)

    def do(self, call: Call) -> Answer:
        if self.keep_step is not None:
            self._must_be_kept(call)
        return self._delete(call)

    def _must_be_kept(self, call: Call) -> None:
        try:
            call.result(str(self.keep_step))
        except KeyError as error:
            raise Refused(
                "Kept: no copy of the move's final snapshot could be made on the source's array, and this volume holds the only one.",
                resource_id=self.volume.volume_id,
            ) from error

    def _delete(self, call: Call) -> Answer:
        """Most are free by now: the servers are gone. One that is not is waited for, and looked at again."""
        id = self.volume.volume_id
        cloud = self.world.service(self.world.source)
        found = cloud.volumes.volume(id)
        if found is None:
            return Outcome({"skipped": "Volume not found (404)"})
        if _detached(found) is None:
            return Waiting(volumes(self.world, self.world.source), id, _detached, lambda _: self._delete(call))
        reason = superseded(self.world, self.world.source, found, epoch_of(call))
        if reason is not None:
            return Outcome({"skipped": "superseded", "reason": reason})
        call.check()
        try:
            cloud.volumes.delete(id)
        except CloudConflict as error:
            raise Unsettled(error.detail, resource_id=id) from error
        return Waiting(volumes(self.world, self.world.source), id, _deleted)


def _detached(seen: CinderVolume | None) -> Outcome | None:
    if seen is None:
        return Outcome("gone")
    return Outcome("there") if seen.status != "in-use" and not seen.attachments else None


def _deleted(seen: CinderVolume | None) -> Outcome | None:
    if seen is not None and seen.status == "error_deleting":
        raise Unsettled(f"Volume {seen.id} is error_deleting.", resource_id=seen.id)
    return Outcome({"deleted": True}) if seen is None else None


def superseded(world: World, site_id: str, found: CinderVolume, epoch: int) -> str | None:
    """Why a volume that an operation of `epoch` has left on a site must not be deleted, or None. Cinder's metadata and the array's tags are both
    asked: the first can be forgotten by a driver or edited by a tenant, the second only grows."""
    if found.attachments:
        return f"it is attached to server {found.attachments[0]}"

    def in_use(tx: Transaction) -> bool:
        return tx.volumes.holds(world.plan.group.id, found.id)

    if world.read(in_use):
        return "it belongs to the group again"
    if not world.owned(found.metadata):
        return "it does not carry this group's tag"
    if int(found.metadata.get(EPOCH, "0")) >= epoch:
        return "it belongs to a newer epoch"
    tagged = world.driver.highest_epoch(site_id, found.array_volume_name or f"volume-{found.id}-cinder")
    return f"its array volume belongs to epoch {tagged}" if tagged >= epoch else None


class RetainSourceVolume(ProtectorStep):
    """The volume stays, unbootable and known (`state` says as what), until a person cleans up."""

    on_failure = OnFailure.RECORD

    def __init__(self, world: World, name: str, volume: Volume, state: str = CopyState.RETAINED) -> None:
        super().__init__(world, name)
        self.volume = volume
        self.state = state

    def do(self, call: Call) -> Outcome:
        if self.volume.bootable:
            burn(call, self.world.service(self.world.source).volumes, self.volume.volume_id)
        row = left_behind(self.world, self.volume, self.state)
        return Outcome({"retained": self.volume.volume_id}, (lambda tx: tx.volumes.save_copy(row),))


def left_behind(world: World, volume: Volume, state: str) -> VolumeCopy:
    """The row of a volume that stays on the source."""
    return VolumeCopy(
        id=f"{world.operation.id}-{world.volume_index(volume)}-v",
        group_id=world.plan.group.id,
        lineage_volume_id=volume.id,
        site_id=world.source,
        epoch=world.base.epoch,
        state=state,
        operation_id=world.operation.id,
        volume_id=volume.volume_id,
        array_volume_name=volume.array_volume_name,
        array_volume_id=volume.array_volume_id,
    )
