"""Steps of a group's ordinary life: its volume groups are made, members join and leave, the metadata document goes to the peer.

None of them moves a VM; all can be undone. What they change locally they change together with the journal, then they push it.
"""

import contextlib
import dataclasses
from collections.abc import Sequence
from typing import Any

from siterecovery.protector.clouds.base import EPOCH, GROUP
from siterecovery.protector.domain import codec
from siterecovery.protector.domain.epoch import Generation
from siterecovery.protector.domain.errors import CloudNotFound
from siterecovery.protector.domain.member import Member, Rebuild, Volume
from siterecovery.protector.domain.protection_group import ProtectionGroup
from siterecovery.protector.domain.states import GroupStatus, MemberStatus, PolicyStatus, SyncStatus
from siterecovery.protector.peer.base import Document
from siterecovery.protector.steps.base import ProtectorStep, World, volume_groups
from siterecovery.protector.store.base import Change, Transaction
from siterecovery.workflow.step import Answer, Call, OnFailure, Outcome, Refused, Waiting


def document(tx: Transaction, group: ProtectionGroup) -> Document:
    """Everything the peer must know of the group, as it is here now."""
    return Document(
        group,
        tuple(tx.members.of_group(group.id)),
        tuple(tx.volumes.of_group(group.id)),
        tuple(tx.volumes.copies(group.id)),
        tx.policies.get(group.id),
        tuple(tx.debts.of_group(group.id)),
    )


def changed_group(group_id: str, **fields: Any) -> Change:
    """A metadata change: the fields and the next version, on its way to the peer."""

    def change(tx: Transaction) -> None:
        group = tx.groups.get(group_id, lock=True)
        if group is not None:
            version = group.metadata_version + 1
            tx.groups.save(
                dataclasses.replace(
                    group,
                    **fields,
                    metadata_version=version,
                    remote_sync_status=SyncStatus.PENDING,
                    updated_at=tx.now(),
                )
            )

    return change


class PushDocument(ProtectorStep):
    """The document goes to the peer at once; afterwards both sites have the same (epoch, version)."""

    def do(self, call: Call) -> Outcome:
        group_id = self.world.plan.group.id

        def read(tx: Transaction) -> Document:
            group = tx.groups.get(group_id)
            if group is None:
                raise Refused("The group is gone.")
            return document(tx, group)

        sent: Document = self.world.read(read)
        call.check()
        if not self.world.peer.push(sent):
            raise Refused(
                "The other site knows a newer state of the group: run protection-group sync-force, then retry."
            )
        version, epoch = sent.group.metadata_version, sent.group.failover_epoch

        def change(tx: Transaction) -> None:
            group = tx.groups.get(group_id, lock=True)
            if group is not None and group.metadata_version == version:
                owed = bool(tx.debts.of_group(group_id))
                status = SyncStatus.UNREACHABLE if owed else SyncStatus.SYNCED
                tx.groups.save(
                    dataclasses.replace(
                        group, remote_sync_status=status, remote_sync_version=version, remote_failover_epoch=epoch
                    )
                )

        return Outcome({"version": version}, (change,))


class NewVersion(ProtectorStep):
    """What an operation has changed below the group's row (copies kept, debts paid) becomes a version of the metadata. A document of the version
    that the peer has already would change nothing there: the next one from that side would then make this site forget it."""

    def do(self, call: Call) -> Outcome:
        return Outcome(None, (changed_group(self.world.plan.group.id),))


class AnnounceGroup(PushDocument):
    """The peer hears of a new group first: it tells its delegation, with which the volume group there is made."""

    def undo(self, call: Call) -> None:
        self.world.peer.forget(self.world.plan.group)


class CreateVolumeGroup(ProtectorStep):
    """The group's generic volume group on one site. Found again by its key, which stands in its description."""

    def __init__(self, world: World, name: str, site_id: str) -> None:
        super().__init__(world, name)
        self.site_id = site_id

    def do(self, call: Call) -> Answer:
        group = self.world.plan.group
        call.check()
        made = self.world.tenant(self.site_id).volumes.create_group(
            group.name, group.volume_type_on(self.site_id), call.key
        )
        return self._ready(made)

    def look(self, call: Call) -> Answer | None:
        found = self.world.service(self.site_id).volumes.find_group(call.key)
        return None if found is None else self._ready(found)

    def _ready(self, group_id: str) -> Waiting:
        def until(status: str | None) -> Outcome | None:
            if status == "error":
                raise Refused(
                    f"Volume group {group_id} went to error on {self.world.site_names[self.site_id]}: its group type must have "
                    "consistent_group_snapshot_enabled and suit the volume type.",
                    resource_id=group_id,
                )
            return Outcome({"group_id": group_id}) if status == "available" else None

        return Waiting(volume_groups(self.world, self.site_id), group_id, until)

    def undo(self, call: Call) -> Answer | None:
        found = self.world.service(self.site_id).volumes.find_group(call.key)
        if found is None:
            return None
        call.check()
        self.world.service(self.site_id).volumes.delete_group(found)
        return Waiting(
            volume_groups(self.world, self.site_id), found, lambda status: Outcome() if status is None else None
        )


class ActivateGroup(ProtectorStep):
    """Both volume groups exist: the group is active, in epoch 0."""

    def __init__(self, world: World, name: str, made: dict[str, str]) -> None:
        """`made`: site id → the step that made its volume group."""
        super().__init__(world, name)
        self.made = made

    def do(self, call: Call) -> Outcome:
        groups = {site: call.result(step)["group_id"] for site, step in self.made.items()}
        group = self.world.plan.group
        first = Generation(0, None, group.primary_site_id, self.world.operation.id)
        lineage = group.lineage or (first,)
        return Outcome(
            groups, (changed_group(group.id, status=GroupStatus.ACTIVE, cinder_groups=groups, lineage=lineage),)
        )


class DescribeMember(ProtectorStep):
    """Reads what a rebuild needs, and refuses a VM that could not be rebuilt: no volumes, or one of another type than the group's."""

    def __init__(self, world: World, name: str, member: Member) -> None:
        super().__init__(world, name)
        self.member = member

    def do(self, call: Call) -> Outcome:
        world, site = self.world, self.world.plan.group.current_primary_site_id
        rebuild, disks = world.service(site).compute.describe(self.member.instance_id)
        if not disks:
            raise Refused(
                "The VM has no volumes: only VMs that boot from a volume of the group's type can be protected."
            )
        self._same_type(site, disks)
        volumes = [self._named(site, disk, index) for index, disk in enumerate(disks)]
        return Outcome({"rebuild": codec.to_json(rebuild), "volumes": codec.to_json(volumes)})

    def _same_type(self, site: str, disks: Sequence[Volume]) -> None:
        wanted = self.world.plan.group.volume_type_on(site)
        found = self.world.service(site).volumes.volumes(volume_ids=[disk.volume_id for disk in disks])
        other = [volume for volume in found if volume.volume_type != wanted]
        if other:
            raise Refused(
                f"Volume {other[0].id} has type {other[0].volume_type}, the group's volumes must have {wanted}: retype it, then add the VM.",
                resource_id=other[0].id,
            )

    def _named(self, site: str, disk: Volume, index: int) -> Volume:
        id = f"{self.member.id}-{index}"[:64]
        name = disk.array_volume_name or f"volume-{disk.volume_id}-cinder"
        array_id = None
        if self.world.plan.policy is not None:
            on_array = self.world.driver.volume(site, name)
            if on_array is None:
                raise Refused(
                    f"Volume {disk.volume_id} is not on the group's array as {name}.", resource_id=disk.volume_id
                )
            array_id = on_array.id
        return dataclasses.replace(
            disk,
            id=id,
            group_id=self.world.plan.group.id,
            member_id=self.member.id,
            array_volume_name=name,
            array_volume_id=array_id,
        )


def described(call: Call, step: str) -> tuple[Rebuild, list[Volume]]:
    found = call.result(step)
    return codec.from_json(Rebuild, found["rebuild"]), [codec.from_json(Volume, volume) for volume in found["volumes"]]


class EnrolVolumes(ProtectorStep):
    """The member's volumes are tagged as the group's, join its volume group, and its array group when there is a policy."""

    def __init__(self, world: World, name: str, describe_step: str) -> None:
        super().__init__(world, name)
        self.describe_step = describe_step

    def do(self, call: Call) -> Answer:
        _, volumes = described(call, self.describe_step)
        group, site = self.world.plan.group, self.world.plan.group.current_primary_site_id
        cinder = self.world.service(site).volumes
        for volume in volumes:
            call.check()
            cinder.set_metadata(volume.volume_id, {GROUP: group.id, EPOCH: str(group.failover_epoch)})
        if self.world.plan.policy is not None:
            self._replicate(call, [str(volume.array_volume_name) for volume in volumes])
        return self._join(call, site, [volume.volume_id for volume in volumes])

    def _replicate(self, call: Call, names: list[str]) -> None:
        driver, base = self.world.driver, self.world.base
        call.check()
        driver.stamp(base.site_id, names, base.epoch)
        driver.set_members(self.world.replication(base), add=names)

    def _join(self, call: Call, site: str, ids: list[str]) -> Answer:
        group_id = self.world.plan.group.cinder_groups.get(site)
        if group_id is None:
            return Outcome()
        cinder = self.world.service(site).volumes
        new = [id for id in ids if id not in set(cinder.group_volumes(group_id))]
        if new:
            call.check()
            cinder.update_group(group_id, add=new)
        return Waiting(volume_groups(self.world, site), group_id, ready(group_id))

    def undo(self, call: Call) -> None:
        try:
            _, volumes = described(call, self.describe_step)
        except KeyError:
            return
        withdraw(self.world, volumes)


def ready(group_id: str) -> Any:
    def until(status: str | None) -> Outcome | None:
        if status == "error":
            raise Refused(f"Volume group {group_id} is in error.", resource_id=group_id)
        return Outcome() if status == "available" else None

    return until


def withdraw(world: World, volumes: Sequence[Volume]) -> None:
    """Out of the array group and the volume group again. What is gone already is no trouble."""
    site = world.plan.group.current_primary_site_id
    if world.plan.policy is not None:
        with contextlib.suppress(CloudNotFound):  # no array group, no members
            world.driver.set_members(world.replication(world.base), remove=[str(v.array_volume_name) for v in volumes])
    group_id = world.plan.group.cinder_groups.get(site)
    cinder = world.service(site).volumes
    if group_id is not None and cinder.group_status(group_id) is not None:
        present = set(cinder.group_volumes(group_id))
        leaving = [volume.volume_id for volume in volumes if volume.volume_id in present]
        if leaving:
            cinder.update_group(group_id, remove=leaving)


class RecordMember(ProtectorStep):
    """The member is protected: with what a rebuild needs, and its volumes in the epoch's lineage."""

    def __init__(self, world: World, name: str, member: Member, describe_step: str) -> None:
        super().__init__(world, name)
        self.member = member
        self.describe_step = describe_step

    def do(self, call: Call) -> Outcome:
        rebuild, volumes = described(call, self.describe_step)
        protected = dataclasses.replace(self.member, status=MemberStatus.PROTECTED, rebuild=rebuild, error_message=None)

        def change(tx: Transaction) -> None:
            tx.members.save(protected)
            tx.volumes.save(*volumes)
            names = {volume.id: str(volume.array_volume_name) for volume in volumes}
            relined(tx, self.world.plan.group.id, add=names)

        return Outcome({"volumes": len(volumes)}, (change,))

    def undo(self, call: Call) -> Outcome:
        member_id, group_id = self.member.id, self.world.plan.group.id

        def change(tx: Transaction) -> None:
            ids = [volume.id for volume in tx.volumes.of_member(member_id)]
            for id in ids:
                tx.volumes.delete(id)
            relined(tx, group_id, remove=ids)

        return Outcome(None, (change,))


def relined(
    tx: Transaction,
    group_id: str,
    *,
    add: dict[str, str] | None = None,
    remove: Sequence[str] = (),
    name: str | None = None,
) -> None:
    """The present epoch's volumes (and array group) as they are now: what a recovery point of it must contain."""
    group = tx.groups.get(group_id, lock=True)
    if group is None:
        return
    current = group.generation or Generation(group.failover_epoch, None, group.current_primary_site_id, None)
    volumes = {id: on_array for id, on_array in {**current.volumes, **(add or {})}.items() if id not in remove}
    now = dataclasses.replace(current, volumes=volumes, source_group=name or current.source_group)
    lineage = (
        tuple(now if g.epoch == now.epoch else g for g in group.lineage) if group.generation else (*group.lineage, now)
    )
    tx.groups.save(dataclasses.replace(group, lineage=lineage))
    changed_group(group_id)(tx)


class RemoveMember(ProtectorStep):
    """The member's volumes leave both groups; the VM itself is not touched."""

    on_failure = OnFailure.ABORT

    def __init__(self, world: World, name: str, member: Member) -> None:
        super().__init__(world, name)
        self.member = member

    def do(self, call: Call) -> Outcome:
        volumes = self.world.volumes_of(self.member)
        call.check()
        withdraw(self.world, volumes)
        member_id, group_id, ids = self.member.id, self.world.plan.group.id, [volume.id for volume in volumes]

        def change(tx: Transaction) -> None:
            tx.members.delete(member_id)
            relined(tx, group_id, remove=ids)

        return Outcome({"volumes": len(ids)}, (change,))


class ActivatePolicy(ProtectorStep):
    """Replication runs as the policy says: it is active, and the epoch knows its array group."""

    def do(self, call: Call) -> Outcome:
        group_id, name = self.world.plan.group.id, self.world.replication(self.world.base).group

        def change(tx: Transaction) -> None:
            policy = tx.policies.get(group_id)
            if policy is not None:
                tx.policies.save(dataclasses.replace(policy, status=PolicyStatus.ACTIVE, error_message=None))
            relined(tx, group_id, name=name)

        return Outcome({"group": name}, (change,))


class NoteReplication(ProtectorStep):
    """When the group was last replicated whole."""

    def __init__(self, world: World, name: str, snapshot_step: str) -> None:
        super().__init__(world, name)
        self.snapshot_step = snapshot_step

    def do(self, call: Call) -> Outcome:
        taken_at = call.result(self.snapshot_step)["taken_at"]
        return Outcome(
            {"recovery_point_at": taken_at}, (changed_group(self.world.plan.group.id, last_replication_at=taken_at),)
        )


class RemoveReplication(ProtectorStep):
    """The array groups of every epoch go; the volumes stay."""

    def do(self, call: Call) -> Outcome:
        removed = []
        for generation in self.world.plan.group.lineage:
            if generation.source_group is not None:
                call.check()
                self.world.driver.remove(self.world.replication(generation))
                removed.append(generation.source_group)
        return Outcome({"removed": removed})


class DeleteVolumeGroup(ProtectorStep):
    """Emptied first: a group is never deleted together with its volumes."""

    def __init__(self, world: World, name: str, site_id: str) -> None:
        super().__init__(world, name)
        self.site_id = site_id

    def do(self, call: Call) -> Answer:
        group_id = self.world.plan.group.cinder_groups.get(self.site_id)
        cinder = self.world.service(self.site_id).volumes
        if group_id is None or cinder.group_status(group_id) is None:
            return Outcome()
        left = cinder.group_volumes(group_id)
        call.check()
        if left:
            cinder.update_group(group_id, remove=left)
        return Waiting(
            volume_groups(self.world, self.site_id), group_id, ready(group_id), lambda _: self._delete(call, group_id)
        )

    def _delete(self, call: Call, group_id: str) -> Answer:
        call.check()
        self.world.service(self.site_id).volumes.delete_group(group_id)
        return Waiting(
            volume_groups(self.world, self.site_id), group_id, lambda status: Outcome() if status is None else None
        )


class ForgetGroup(ProtectorStep):
    """The peer forgets the group, then this site does; operations stay readable."""

    def do(self, call: Call) -> Outcome:
        call.check()
        self.world.peer.forget(self.world.group())
        group_id = self.world.plan.group.id
        return Outcome(None, (lambda tx: tx.groups.delete(group_id),))
