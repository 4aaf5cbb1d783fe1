"""Steps that make sure nobody else runs: what answers is fenced before anything is started by force, and a site that returns steps down."""

from collections.abc import Sequence

from siterecovery.protector.clouds.base import EPOCH, GROUP, KEY, Server
from siterecovery.protector.domain.errors import CloudError, CloudNotFound, RemoteSiteUnreachable
from siterecovery.protector.domain.member import CopyState, Member, VolumeCopy
from siterecovery.protector.domain.operation import Debt
from siterecovery.protector.steps.base import ProtectorStep, World, servers
from siterecovery.protector.steps.instances import LOCK_REASON
from siterecovery.protector.steps.replication import epoch_of
from siterecovery.protector.store.base import Transaction
from siterecovery.workflow.step import Answer, Call, OnFailure, Outcome, Refused, Unsettled, Waiting

LOOK_TIMEOUT = 10.0
"""Seconds a forced failover gives the old site to answer before its first start (the design's figure)."""


class FencePeer(ProtectorStep):
    """FORCE_FENCES: right before the first start the peer is looked at once more; when it answers, the fence is written there first."""

    timeout = 60.0

    def do(self, call: Call) -> Outcome:
        call.check()
        try:
            self.world.peer.fence(self.world.plan.group, epoch_of(call))
        except (RemoteSiteUnreachable, CloudError) as error:
            return Outcome({"reached": False, "why": str(error)})
        return Outcome({"reached": True})


class FenceSourceInstance(ProtectorStep):
    """A VM of the old site is locked and stopped if that site answers; otherwise it is a debt. Never a reason not to go on."""

    on_failure = OnFailure.RECORD
    timeout = 120.0

    def __init__(self, world: World, name: str, member: Member, *, site_id: str, only_if: str | None) -> None:
        super().__init__(world, name)
        self.member = member
        self.site_id = site_id
        self.only_if = only_if

    def do(self, call: Call) -> Answer:
        try:
            if (
                self.only_if is not None
                and not call.result(self.only_if)["reached"]
                and not self.world.clouds.reachable(self.site_id)
            ):
                return Outcome({"stopped": False})
            compute = self.world.service(self.site_id).compute
            call.check()
            compute.lock(self.member.instance_id, LOCK_REASON + call.operation)
            compute.stop(self.member.instance_id)
        except CloudNotFound:
            return Outcome({"stopped": True, "gone": True})
        except CloudError as error:
            if self.only_if is None:
                raise
            return Outcome({"stopped": False, "why": str(error)})
        return Waiting(servers(self.world, self.site_id), self.member.instance_id, _down)


def _down(seen: Server | None) -> Outcome | None:
    if seen is None:
        return Outcome({"stopped": True, "gone": True})
    halted = seen.status in ("SHUTOFF", "ERROR", "DELETED", "SHELVED_OFFLOADED") and seen.task_state is None
    return Outcome({"stopped": True}) if halted and seen.locked else None


class SweepTarget(ProtectorStep):
    """SWEEP: on its own site a forced failover stops older servers of the group, and removes those of lower claims that were never
    committed; their volumes are kept, unbootable."""

    timeout = 300.0

    def do(self, call: Call) -> Outcome:
        epoch, committed = epoch_of(call), {generation.epoch for generation in self.world.plan.group.lineage}
        removed, stopped, waiting = [], [], []
        for server in self._older(call, epoch):
            call.check()
            if int(server.metadata[EPOCH]) in committed:
                if not self._stop(server):
                    waiting.append(server.id)
                stopped.append(server.id)
            else:
                self._remove(server)
                removed.append(server.id)
                waiting.append(server.id)
        if waiting:
            raise Unsettled(
                f"Older servers of the group are still going down: {', '.join(waiting)}", resource_id=waiting[0]
            )
        return Outcome({"removed": removed, "stopped": stopped})

    def _older(self, call: Call, epoch: int) -> Sequence[Server]:
        group_id, mine = self.world.plan.group.id, f"{call.operation}/"
        current = (
            {member.instance_id for member in self.world.plan.members}
            if self.world.source == self.world.target
            else set()
        )
        found = self.world.service(self.world.target).compute.servers(metadata={GROUP: group_id})
        return [
            server
            for server in found
            if int(server.metadata.get(EPOCH, "0")) < epoch
            and not server.metadata.get(KEY, "").startswith(mine)
            and server.id not in current
            and not self._active_again(server)
        ]

    def _active_again(self, server: Server) -> bool:
        """A member that an earlier partial failover recovered runs here rightly."""
        group = self.world.plan.group
        if group.current_primary_site_id != self.world.target:
            return False

        def read(tx: Transaction) -> bool:
            return tx.members.by_instance(server.id) is not None

        return bool(self.world.read(read))

    def _stop(self, server: Server) -> bool:
        """True when it is seen down and locked."""
        if server.status == "SHUTOFF" and server.locked:
            return True
        compute = self.world.service(self.world.target).compute
        compute.lock(server.id, LOCK_REASON + self.world.operation.id)
        compute.stop(server.id)
        return False

    def _remove(self, server: Server) -> None:
        cloud = self.world.service(self.world.target)
        for volume_id in server.volume_ids:
            cloud.volumes.set_bootable(volume_id, False)
        cloud.compute.delete(server.id)


class StepDown(ProtectorStep):
    """RETURN_ASKS: a site that learns of a newer move stops and locks its own server, by itself. It never deletes anything."""

    timeout = 900.0

    def __init__(self, world: World, name: str, member: Member) -> None:
        super().__init__(world, name)
        self.member = member

    def do(self, call: Call) -> Answer:
        compute = self.world.service(self.world.here).compute
        call.check()
        try:
            compute.lock(self.member.instance_id, LOCK_REASON + call.operation)
            compute.stop(self.member.instance_id)
        except CloudNotFound:
            return Outcome({"stopped": True, "gone": True})
        return Waiting(servers(self.world, self.world.here), self.member.instance_id, _down)


class PayDebt(ProtectorStep):
    """A debt to the site that could not be reached is paid: VMs locked and stopped, the old schedule off. Volumes are not touched (KEEP_STALE)."""

    timeout = 300.0

    def __init__(self, world: World, name: str, debt: Debt) -> None:
        super().__init__(world, name)
        self.debt = debt

    def do(self, call: Call) -> Answer:
        call.check()
        if self.debt.kind == "fence":
            return self._fence()
        if self.debt.kind == "schedule_off":
            lineage = {self.world.replication(g).group: g for g in self.world.plan.group.lineage}
            generation = lineage.get(self.debt.resource)
            if generation is not None:
                self.world.driver.set_schedule(self.world.replication(generation), enabled=False)
            return self._paid()
        raise Refused(f"Nobody knows how to pay a debt of kind {self.debt.kind}.", resource_id=self.debt.resource)

    def _fence(self) -> Answer:
        site, server_id = self.debt.site_id, self.debt.resource
        compute = self.world.service(site).compute
        try:
            compute.lock(server_id, LOCK_REASON + self.world.operation.id)
            compute.stop(server_id)
        except CloudNotFound:
            return self._paid()
        return Waiting(servers(self.world, site), server_id, _down, lambda _: self._paid())

    def _paid(self) -> Outcome:
        debt_id = self.debt.id
        return Outcome({"paid": self.debt.resource}, (lambda tx: tx.debts.delete(debt_id),))


class BurnStaleVolumes(ProtectorStep):
    """BURN: what a forced failover left on a site is made unbootable there; the contents stay (KEEP_STALE)."""

    on_failure = OnFailure.RECORD

    def __init__(self, world: World, name: str, site_id: str) -> None:
        super().__init__(world, name)
        self.site_id = site_id

    def do(self, call: Call) -> Outcome:
        group_id = self.world.plan.group.id

        def read(tx: Transaction) -> list[VolumeCopy]:
            return [c for c in tx.volumes.copies(group_id) if c.site_id == self.site_id and c.state == CopyState.STALE]

        stale: list[VolumeCopy] = self.world.read(read)
        volumes = self.world.service(self.site_id).volumes
        burnt = []
        for copy in stale:
            found = volumes.volume(copy.volume_id) if copy.volume_id else None
            if found is not None and found.bootable:
                call.check()
                volumes.set_bootable(found.id, False)
                burnt.append(found.id)
        return Outcome({"unbootable": burnt})
