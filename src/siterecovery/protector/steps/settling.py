"""The end of an operation that was taken over: what came late is looked for, once, when nothing can come any more."""

from collections.abc import Callable
from typing import Any

from siterecovery.protector.clouds.base import KEY
from siterecovery.protector.domain.member import CopyState, Member
from siterecovery.protector.steps.base import ProtectorStep, World
from siterecovery.protector.steps.guards import newer_on_array
from siterecovery.protector.steps.replication import untagged_copy
from siterecovery.protector.steps.volumes import let_go
from siterecovery.workflow.step import Call, OnFailure, Outcome, Unsettled


class Settle(ProtectorStep):
    """The operation was taken over, and no call of an earlier engine can arrive any more: what came late on the target is removed.

    Forward, only what the record names stays; after an undo nothing of the operation does, and the source is put back as it was found."""

    on_failure = OnFailure.RECORD
    timeout = 900.0

    def __init__(
        self, world: World, name: str, *, undone: bool, restore: "Callable[[Call, Member], None] | None" = None
    ) -> None:
        super().__init__(world, name)
        self.undone = undone
        self.restore = restore

    def do(self, call: Call) -> Outcome:
        if call.last("create_operation_record") is None:
            return Outcome()  # nothing was made before the claim
        kept_servers, kept_volumes, kept_copies = self._kept(call)
        epoch = int((call.last("create_operation_record") or {"epoch": 0})["epoch"])
        self._remove_servers(call, kept_servers)
        self._remove_ports(call)
        self._remove_volumes(call, kept_volumes)
        self._remove_untagged_copies(call, kept_copies)
        for copy in self.world.driver.volumes(self.world.target, {"operation": self.world.operation.id}):
            ours = newer_on_array(copy, epoch) is None
            if ours and copy.id not in kept_copies and not copy.connected and not copy.name.startswith("drkeep-"):
                call.check()
                self.world.driver.destroy(self.world.target, copy.name)
        if self.undone and self.restore is not None:
            for member in self.world.plan.members:
                self.restore(call, member)
        return Outcome()

    @property
    def _prefix(self) -> str:
        return f"{self.world.operation.id}/"

    def _remove_servers(self, call: Call, kept: set[str]) -> None:
        compute, removed = self.world.service(self.world.target).compute, []
        for server in compute.servers():
            if server.metadata.get(KEY, "").startswith(self._prefix) and server.id not in kept:
                call.check()
                compute.delete(server.id)
                removed.append(server.id)
        if removed:
            raise Unsettled(f"Servers that came late are being deleted: {', '.join(removed)}", resource_id=removed[0])

    def _remove_ports(self, call: Call) -> None:
        networks, ours = self.world.service(self.world.target).networks, f"{KEY}={self._prefix}"
        created = call.results("recreate_instances").values()
        kept = set() if self.undone else {port for value in created for port in value.get("ports", ())}
        for port in networks.ports():
            if any(tag.startswith(ours) for tag in port.tags) and port.id not in kept and not port.device_id:
                call.check()
                networks.delete_port(port.id)

    def _remove_volumes(self, call: Call, kept: set[str]) -> None:
        """Out of Cinder; what becomes of the array volumes is decided afterwards."""
        removed = []
        for volume in self.world.service(self.world.target).volumes.volumes():
            if volume.metadata.get(KEY, "").startswith(self._prefix) and volume.id not in kept:
                let_go(self.world, call, volume)
                removed.append(volume.id)
        if removed:
            raise Unsettled(f"Volumes that came late are being let go: {', '.join(removed)}", resource_id=removed[0])

    def _remove_untagged_copies(self, call: Call, kept: set[str]) -> None:
        """A copy's name is free again once Cinder has renamed it. What a late call makes under it has no tags yet, for they are a second call."""
        driver, target = self.world.driver, self.world.target
        for volume in self.world.plan.volumes:
            name = self.world.array_name(self.world.volume_index(volume))
            found = untagged_copy(self.world, name)
            if found is None or found.id in kept:
                continue
            call.check()
            driver.tag(target, [name], {"group": self.world.plan.group.id, "operation": self.world.operation.id})
            driver.destroy(target, name)

    def _kept(self, call: Call) -> tuple[set[str], set[str], set[str]]:
        if self.undone:
            quarantined = {c.array_volume_id or "" for c in self._quarantined()}
            return set(), set(), quarantined
        servers = {value["server_id"] for value in call.results("recreate_instances").values() if "server_id" in value}
        managed = call.results("manage_volumes_cinder").values()
        copies = {value["array_volume_id"] for value in call.results("promote_volumes").values()}
        return servers, {value["volume_id"] for value in managed}, copies

    def _quarantined(self) -> Any:
        group_id = self.world.plan.group.id
        return self.world.read(lambda tx: [c for c in tx.volumes.copies(group_id) if c.state == CopyState.QUARANTINED])
