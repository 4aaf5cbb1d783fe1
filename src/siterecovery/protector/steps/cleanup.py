"""Steps of a cleanup that a person asked for. A 404 is success; what became production again is skipped and counted (superseded)."""

import contextlib
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from siterecovery.protector.clouds.base import CinderVolume, Server
from siterecovery.protector.domain.errors import CloudConflict, CloudNotFound
from siterecovery.protector.steps.base import ProtectorStep, World, servers, volumes
from siterecovery.protector.steps.guards import newer_on_array
from siterecovery.protector.steps.volumes import UpdateGroupVolumes, superseded
from siterecovery.protector.store.base import Change, Transaction
from siterecovery.workflow.step import Answer, Call, OnFailure, Outcome, Refused, Unsettled, Waiting


def site_of(world: World, entry: Mapping[str, Any]) -> str:
    """The id of the site that an entry of the record names."""
    return next((id for id, called in world.site_names.items() if called == entry["site"]), world.source)


class LeaveGroup(UpdateGroupVolumes):
    """Cinder deletes no volume that is in a volume group: those that will be deleted leave it, all at once."""

    def __init__(self, world: World, name: str, site_id: str, volume_ids: Sequence[str]) -> None:
        super().__init__(world, name, site_id, join=False)
        self.volume_ids = volume_ids

    def _volumes(self, call: Call) -> list[str]:
        cinder = self.world.service(self.site_id).volumes
        found = [volume for id in self.volume_ids if (volume := cinder.volume(id)) is not None]
        epoch = self.world.operation.epoch or 0
        return [volume.id for volume in found if superseded(self.world, self.site_id, volume, epoch) is None]


class CleanUp(ProtectorStep):
    """One entry of the cleanup's record: its server, volume or array volume is deleted on the site where it was left."""

    on_failure = OnFailure.RECORD

    def __init__(self, world: World, name: str, index: int, entry: dict[str, Any]) -> None:
        super().__init__(world, name)
        self.index = index
        self.entry = entry
        self.timeout = world.plan.config.cleanup_timeout_seconds
        self.site_id = site_of(world, entry)

    def do(self, call: Call) -> Answer:
        kinds: dict[str, Callable[[Call], Answer]] = {
            "server": self._server,
            "volume": self._volume,
            "array_volume": self._array_volume,
        }
        return kinds[self.entry["resource_type"]](call)

    def _server(self, call: Call) -> Answer:
        server_id = self.entry["resource_id"]
        compute = self.world.service(self.site_id).compute
        found = compute.server(server_id)
        if found is None:
            return self._done("skipped", None)
        if self._is_member(server_id):
            return self._done("skipped", found.status, "superseded: it belongs to the group again")
        if self.entry["step"].startswith("delete_source_vm"):
            self._may_go(call, found)
        call.check()
        try:
            compute.delete(server_id)
        except CloudConflict as error:
            raise Unsettled(error.detail, resource_id=server_id) from error

        def gone(seen: Server | None) -> Outcome | None:
            return self._done("done", found.status) if seen is None else None

        return Waiting(servers(self.world, self.site_id), server_id, gone)

    def _may_go(self, call: Call, found: Server) -> None:
        """The old side's VMs were stopped by the move or when their site returned; Nova must not delete with one what its volume is kept for."""
        if found.status == "ACTIVE":
            raise Refused(
                f"VM {found.name} runs, and a move leaves its VMs stopped. Run protection-group sync-force, then retry.",
                resource_id=found.id,
            )
        compute = self.world.service(self.site_id).compute
        for volume_id in found.volume_ids:
            call.check()
            with contextlib.suppress(CloudNotFound):  # detached meanwhile: nothing to protect it from
                compute.keep_volume(found.id, volume_id)

    def _is_member(self, server_id: str) -> bool:
        def read(tx: Transaction) -> bool:
            return tx.members.by_instance(server_id) is not None

        return bool(self.world.read(read))

    def _volume(self, call: Call) -> Answer:
        id = self.entry["resource_id"]
        cinder = self.world.service(self.site_id).volumes
        found = cinder.volume(id)
        if found is None:
            return self._done("skipped", None)
        reason = superseded(self.world, self.site_id, found, self.world.operation.epoch or 0)
        if reason is not None and reason.startswith("it is attached"):
            raise Refused("Invalid volume: Volume status must be available to delete", resource_id=id)
        if reason is not None:
            return self._done("skipped", found.status, f"superseded: {reason}")
        call.check()
        try:
            cinder.delete(id)
        except CloudNotFound:
            return self._done("skipped", None)
        except CloudConflict as error:
            raise Unsettled(error.detail, resource_id=id) from error

        def gone(seen: CinderVolume | None) -> Outcome | None:
            return self._done("done", found.status) if seen is None else None

        return Waiting(volumes(self.world, self.site_id), id, gone)

    def _array_volume(self, call: Call) -> Answer:
        name = self.entry["resource_id"]
        found = self.world.driver.volume(self.site_id, name)
        if found is None or found.destroyed:
            return self._done("skipped", None)
        newer = newer_on_array(found, self.world.operation.epoch or 0)
        if newer is not None:
            return self._done("skipped", "available", f"superseded: {newer}")
        call.check()
        self.world.driver.destroy(self.site_id, name)
        return self._done("done", "available")

    def _done(self, status: str, observed: str | None, error: str | None = None) -> Outcome:
        return Outcome({"status": status}, (self._note(status, observed, error),))

    def _note(self, status: str, observed: str | None, error: str | None) -> Change:
        operation_id, index, step = self.world.operation.id, self.index, self.entry["step"]
        resource_id, group_id = self.entry["resource_id"], self.world.plan.group.id

        def change(tx: Transaction) -> None:
            known = tx.operations.get(operation_id, lock=True, plan=False)
            if known is None or known.cleanup is None:
                return
            entries = [dict(entry) for entry in known.cleanup["entries"]]
            entries[index].update(status=status, observed_status=observed, error=error)
            left = tuple(failed for failed in known.steps_failed if failed.resource_id != resource_id)
            completed = known.steps_completed if step in known.steps_completed else (*known.steps_completed, step)
            record = {**known.cleanup, "entries": entries}
            tx.operations.save(dataclasses.replace(known, cleanup=record, steps_failed=left, steps_completed=completed))
            for copy in tx.volumes.copies(group_id):
                if resource_id in (copy.volume_id, copy.array_volume_name):
                    tx.volumes.delete_copy(copy.id)

        return change
