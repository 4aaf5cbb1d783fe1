"""Steps that touch the arrays: take, find and copy out recovery points, and turn replication round.

Deletions here touch only what carries our tag and no newer epoch's, and destroy without eradicating.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from siterecovery.protector.arrays.base import ArrayVolume, RecoveryPoint, Replication
from siterecovery.protector.domain.epoch import Generation
from siterecovery.protector.domain.member import CopyState, Volume, VolumeCopy
from siterecovery.protector.steps.base import Listing, ProtectorStep, World, key_of, suffix_of
from siterecovery.protector.steps.guards import handed_over, newer_on_array
from siterecovery.protector.store.base import Transaction
from siterecovery.workflow.ownership import owned
from siterecovery.workflow.step import Answer, Call, OnFailure, Outcome, Refused, Unsettled, Waiting


def recovery_points(world: World, replication: Replication) -> Listing:
    """Subjects are snapshot suffixes; asked of the target's array only."""
    driver = world.driver

    def read(suffixes: frozenset[str]) -> list[tuple[str, RecoveryPoint]]:
        found = ((suffix, driver.recovery_point(replication, suffix)) for suffix in suffixes)
        return [(suffix, point) for suffix, point in found if point is not None]

    return Listing(("recovery points", world.plan.group.id, replication), read)


def complete(world: World, wanted: frozenset[str]) -> Callable[[RecoveryPoint | None], Outcome | None]:
    """Arrived whole: every wanted member is in it. A member that is missing will not come any more. It is kept for whoever uses it next."""

    def until(point: RecoveryPoint | None) -> Outcome | None:
        if point is None or not point.complete:
            return None
        missing = wanted - point.members.keys()
        if missing:
            raise Refused(
                f"Snapshot {point.name} arrived without {', '.join(sorted(missing))}: they are not in the array's protection group."
            )
        world.once(_arrived(point.suffix), lambda: point)
        return Outcome({"name": point.name, "suffix": point.suffix, "taken_at": point.taken_at, "group": point.group})

    return until


def _arrived(suffix: str) -> tuple[str, str]:
    return ("arrived", suffix)


class ReplicateNow(ProtectorStep):
    """A group snapshot of the source, sent at once, waited for until it has arrived whole. Replication itself is not disturbed."""

    def __init__(
        self,
        world: World,
        name: str,
        generation: Generation,
        *,
        suffix: str,
        keep: bool = True,
        on_failure: OnFailure = OnFailure.ABORT,
    ) -> None:
        super().__init__(world, name)
        self.replication = world.replication(generation)
        self.wanted = frozenset(generation.volumes.values())
        self.snapshot = suffix
        self.keep = keep
        self.timeout = world.transfer_timeout
        self.on_failure = on_failure

    def do(self, call: Call) -> Answer:
        call.check()
        again = call.attempt > 1
        self.world.driver.replicate_now(self.replication, self.snapshot, keep=self.keep, again=again)
        return self._arrival()

    def look(self, call: Call) -> Answer | None:
        """`replicate_now` is named by us and look-up-first: repeating it finds the first attempt."""
        return None

    def _arrival(self) -> Waiting:
        site = self.world.site_names.get(self.replication.target_site_id, self.replication.target_site_id)
        late = (
            f"Snapshot {self.replication.group}.{self.snapshot} did not arrive on {site} within {self.timeout:.0f} s (transfer_timeout). Check the "
            "connection between the arrays, or allow more time, then retry."
        )
        return Waiting(
            recovery_points(self.world, self.replication), self.snapshot, complete(self.world, self.wanted), late=late
        )

    def undo(self, call: Call) -> None:
        self.world.driver.destroy_recovery_point(self.replication, self.snapshot)


class ChooseRecoveryPoint(ProtectorStep):
    """What is brought up on the target; chosen once, and recorded before it is used.

    A planned move takes exactly the snapshot it has just made. Otherwise an ancestor that was active on the other site offers what it replicated
    here; one that was active on this site offers the volumes (or copies of its final snapshot) that were kept here.
    """

    def __init__(self, world: World, name: str, *, exactly: str | None = None) -> None:
        super().__init__(world, name)
        self.exactly = exactly

    def do(self, call: Call) -> Outcome:
        found = self.found()
        taken_at, operation_id = found["taken_at"], self.world.operation.id

        def change(tx: Transaction) -> None:
            operation = tx.operations.get(operation_id, lock=True, plan=False)
            if operation is not None:
                tx.operations.save(dataclasses.replace(operation, recovery_point_at=taken_at))

        return Outcome(found, (change,))

    def found(self) -> dict[str, Any]:
        """Refused when there is none. A forced operation asks first of all, before it stops anything on a site that may still live."""
        found = self._exact() if self.exactly is not None else self._youngest()
        if found is None:
            raise Refused(
                "No complete recovery point of the group is on the target's array: replication has never finished a cycle with all its volumes. "
                "Run a consistency group sync while the source lives, then retry."
            )
        return found

    def _exact(self) -> dict[str, Any] | None:
        base, suffix = self.world.base, str(self.exactly)
        point: RecoveryPoint | None = self.world.once(
            _arrived(suffix), lambda: self.world.driver.recovery_point(self.world.replication(base), suffix)
        )
        return None if point is None or not point.complete else self._replicated(base, [point])

    def _youngest(self) -> dict[str, Any] | None:
        """EPOCH_RP: along the ancestors of the group's epoch, youngest first; what a lost or superseded epoch has replicated is never taken, however
        late it came, and what was kept here counts."""
        passing = self._passing()
        for generation in self.world.plan.group.ancestry() or (self.world.base,):
            if generation.site_id == self.world.target:
                found = self._kept(generation)
            else:
                points = self.world.driver.recovery_points(self.world.replication(generation))
                found = self._replicated(generation, [p for p in points if passing is None or passing not in p.suffix])
            if found is not None:
                return found
        return None

    def _replicated(self, generation: Generation, points: Sequence[RecoveryPoint]) -> dict[str, Any] | None:
        for point in points:
            members = {
                volume.id: point.members.get(generation.volumes.get(volume.id, ""))
                for volume in self.world.plan.volumes
            }
            if all(members.values()):
                return {
                    "name": point.name,
                    "suffix": point.suffix,
                    "taken_at": point.taken_at,
                    "epoch": generation.epoch,
                    "members": members,
                }
        return None

    def _passing(self) -> str | None:
        """In the suffix of the snapshots that an operation of the other site has taken and may take back while it is undone: that site answers, so
        what it holds the group with is asked first. A dead site takes nothing back."""
        view = self.world.peer_view() if self.world.source != self.world.target else None
        return suffix_of(view.hold_operation_id) if view is not None and view.hold_operation_id is not None else None

    def _kept(self, generation: Generation) -> dict[str, Any] | None:
        copies = {
            copy.lineage_volume_id: copy
            for copy in self.world.plan.copies
            if copy.site_id == self.world.target
            and copy.epoch == generation.epoch
            and copy.state != CopyState.QUARANTINED
        }
        chosen = [copies.get(volume.id) for volume in self.world.plan.volumes]
        members = {copy.lineage_volume_id: self._array_name(copy) for copy in chosen if copy is not None}
        if len(members) != len(self.world.plan.volumes) or not all(members.values()):
            return None
        taken_at = max(copy.created_at for copy in chosen if copy is not None)
        return {
            "name": f"kept volumes of epoch {generation.epoch}",
            "suffix": None,
            "taken_at": taken_at,
            "epoch": generation.epoch,
            "members": members,
        }

    def _array_name(self, copy: VolumeCopy) -> str | None:
        """Under which name it is on the array now: Cinder may have renamed it since."""
        driver, here = self.world.driver, self.world.target
        found = driver.volume_by_id(here, copy.array_volume_id) if copy.array_volume_id else None
        if found is None and copy.array_volume_name:
            found = driver.volume(here, copy.array_volume_name)
        return None if found is None or found.destroyed else found.name


class CopyOut(ProtectorStep):
    """One volume of the recovery point becomes an independent, tagged array volume on the target. The snapshot stays as it is."""

    def __init__(
        self, world: World, name: str, volume: Volume, *, server_step: str, manage_step: str, kind: str = "dr"
    ) -> None:
        """`manage_step` takes the copy under Cinder's management, `server_step` makes the server that will run from it."""
        super().__init__(world, name)
        self.volume = volume
        self.server_step = server_step
        self.manage_step = manage_step
        self.array_name = world.array_name(world.volume_index(volume), kind)
        self.lane = ("array", world.target)

    def do(self, call: Call) -> Outcome:
        """NEW_OBJECTS: always to a new volume, named by the operation; what an earlier epoch has left here is never overwritten, and a late copy
        finds nothing that a later epoch uses."""
        call.check()
        point = call.result("get_latest_snapshot")
        copy = self.world.driver.copy_out(
            self.world.target, point["members"][self.volume.id], self.array_name, self.world.tags(call, epoch_of(call))
        )
        return Outcome({"array_volume_id": copy.id, "array_volume_name": copy.name})

    def undo(self, call: Call) -> Outcome:
        """QUARANTINE: destroyed, unless a server has ever run from it: it may hold what a guest has written, so it is kept and named."""
        self.barrier = handed_over(call, self.server_step)
        found = self._find(call)
        if found is None or found.destroyed:
            return Outcome()
        if found.connected:
            raise Unsettled(f"Array volume {found.name} is still connected to a host.", resource_id=found.name)
        newer = newer_on_array(found, epoch_of(call))
        if newer is not None:
            return Outcome({"superseded": newer})
        if any((call.last(step) or {}).get("ran") for step in (self.server_step, self.manage_step)):
            kept = quarantined(self.world, self.volume, found, epoch_of(call))
            return Outcome({"quarantined": found.name}, (lambda tx: keep_and_name(tx, kept),))
        self.world.driver.destroy(self.world.target, found.name)
        return Outcome()

    def _find(self, call: Call) -> ArrayVolume | None:
        """By its id where we know it: Cinder renames what it manages and unmanages."""
        known = call.last(self.name)
        driver, target = self.world.driver, self.world.target
        if known is not None and known.get("array_volume_id"):
            return driver.volume_by_id(target, known["array_volume_id"])
        tagged = driver.volumes(target, {"key": key_of(call)})
        return tagged[0] if tagged else self._untagged(call)

    def _untagged(self, call: Call) -> ArrayVolume | None:
        """It is tagged now: a driver destroys only what carries a tag of ours."""
        named = untagged_copy(self.world, self.array_name)
        if named is not None:
            call.check()
            self.world.driver.tag(self.world.target, [named.name], self.world.tags(call, epoch_of(call)))
        return named


def untagged_copy(world: World, name: str) -> ArrayVolume | None:
    """An unused copy of this operation that has its name and no tags: they are a second call, which the array's loss or a frozen engine prevented."""
    found = world.driver.volume(world.target, name)
    used = found is None or found.tags or found.destroyed or found.connected
    return None if used else found


def epoch_of(call: Call) -> int:
    """The epoch this operation has claimed."""
    return int(call.result("create_operation_record")["epoch"])


def quarantined(world: World, volume: Volume, found: ArrayVolume, epoch: int) -> VolumeCopy:
    return VolumeCopy(
        id=f"{world.operation.id}-{world.volume_index(volume)}-q",
        group_id=world.plan.group.id,
        lineage_volume_id=volume.id,
        site_id=world.target,
        epoch=epoch,
        state=CopyState.QUARANTINED,
        operation_id=world.operation.id,
        array_volume_name=found.name,
        array_volume_id=found.id,
    )


def keep_and_name(tx: Transaction, kept: VolumeCopy) -> None:
    """In the operation's own record, where a person finds it: nothing else tells that the array volume is there."""
    tx.volumes.save_copy(kept)
    operation = tx.operations.get(kept.operation_id or "", lock=True)
    if operation is not None:
        result = operation.result_data or {}
        names = sorted({*result.get("volumes_quarantined", ()), str(kept.array_volume_name)})
        tx.operations.save(dataclasses.replace(operation, result_data={**result, "volumes_quarantined": names}))


class KeepSourceCopy(ProtectorStep):
    """Before a source volume is deleted, an unconnected copy of the move's final snapshot is made on the source's own array. It stays until the
    new direction has a complete recovery point there."""

    on_failure = OnFailure.RECORD

    def __init__(self, world: World, name: str, volume: Volume) -> None:
        super().__init__(world, name)
        self.volume = volume
        self.lane = ("array", world.source)

    def do(self, call: Call) -> Outcome:
        call.check()
        world, index = self.world, self.world.volume_index(self.volume)
        point = call.result("get_latest_snapshot")
        source = f"{world.replication(world.base).group}.{point['suffix']}.{self.volume.array_volume_name}"
        copy = world.driver.copy_out(
            world.source, source, world.array_name(index, "drkeep"), world.tags(call, world.base.epoch)
        )
        row = VolumeCopy(
            id=f"{world.operation.id}-{index}-s",
            group_id=world.plan.group.id,
            lineage_volume_id=self.volume.id,
            site_id=world.source,
            epoch=world.base.epoch,
            state=CopyState.SNAPSHOT,
            operation_id=world.operation.id,
            array_volume_name=copy.name,
            array_volume_id=copy.id,
            created_at=point["taken_at"],
        )
        return Outcome({"array_volume_name": copy.name}, (lambda tx: tx.volumes.save_copy(row),))


class DropKeptCopies(ProtectorStep):
    """The new direction has a complete recovery point on `site_id`: the copies that were kept there until then are destroyed. Only
    snapshots of planned moves: what a forced one left is a person's to delete."""

    on_failure = OnFailure.RECORD

    def __init__(self, world: World, name: str, site_id: str) -> None:
        super().__init__(world, name)
        self.site_id = site_id

    def do(self, call: Call) -> Outcome:
        group_id = self.world.plan.group.id

        def read(tx: Transaction) -> list[VolumeCopy]:
            return [
                c for c in tx.volumes.copies(group_id) if c.site_id == self.site_id and c.state == CopyState.SNAPSHOT
            ]

        kept = [copy for copy in self.world.read(read) if self._is_only_a_copy(copy)]
        for copy in kept:
            call.check()
            self.world.driver.destroy(self.site_id, str(copy.array_volume_name))
        ids = [copy.id for copy in kept]

        def change(tx: Transaction) -> None:
            for id in ids:
                tx.volumes.delete_copy(id)

        return Outcome({"dropped": [copy.array_volume_name for copy in kept]}, (change,))

    def _is_only_a_copy(self, copy: VolumeCopy) -> bool:
        found = self.world.driver.volume(self.site_id, str(copy.array_volume_name))
        return found is None or newer_on_array(found, copy.epoch) is None


class ConfigureReplication(ProtectorStep):
    """Makes a direction's array group with its members, target and schedule. Undone, it is removed again (only before the commit)."""

    timeout = 900.0

    def __init__(
        self,
        world: World,
        name: str,
        generation: Callable[[Call], Generation],
        *,
        on_failure: OnFailure = OnFailure.ABORT,
        schedule: bool = True,
    ) -> None:
        super().__init__(world, name)
        self.generation = generation
        self.on_failure = on_failure
        self.schedule = schedule

    def do(self, call: Call) -> Answer:
        replication = self._replication(call)
        policy = self.world.plan.policy
        interval = policy.replication_interval if policy is not None else 300
        driver = self.world.driver

        def read(subjects: frozenset[str]) -> list[tuple[str, bool]]:
            return [
                (subject, owned(call.check, lambda: driver.configure(replication, interval))) for subject in subjects
            ]

        topic = Listing(("configure", self.world.plan.group.id, replication), read)
        return Waiting(
            topic,
            replication.group,
            lambda done: Outcome() if done else None,
            lambda _: self._members(call, replication),
        )

    def _members(self, call: Call, replication: Replication) -> Outcome:
        call.check()
        wanted = frozenset(self.generation(call).volumes.values())
        present = self.world.driver.members(replication)
        self.world.driver.set_members(replication, add=wanted - present, remove=present - wanted)
        if self.schedule:
            self.world.driver.set_schedule(replication, enabled=True)
        return Outcome({"group": replication.group, "volumes": len(wanted)})

    def _replication(self, call: Call) -> Replication:
        return self.world.replication(self.generation(call))

    def undo(self, call: Call) -> None:
        """Nothing is removed while it may be the group's own direction: only what this operation would have made first."""
        known: Mapping[str, Any] | None = call.last("validate_sites")
        if known is not None and known.get("reverse_configured") is False:
            self.world.driver.remove(self._replication(call))


class StopOldDirection(ProtectorStep):
    """The direction of the epoch that was left is switched off: its array would go on sending stale snapshots."""

    on_failure = OnFailure.RECORD

    def do(self, call: Call) -> Outcome:
        call.check()
        replication = self.world.replication(self.world.base)
        self.world.driver.set_schedule(replication, enabled=False)
        return Outcome({"group": replication.group})
