"""Steps that make sure nobody else runs: what answers is fenced before anything is started by force, and a site that returns steps down."""

from collections.abc import Sequence

from siterecovery.protector.clouds.base import EPOCH, GROUP, KEY, Server
from siterecovery.protector.domain.errors import CloudError, CloudNotFound, RemoteSiteUnreachable
from siterecovery.protector.domain.member import CopyState, Member, VolumeCopy
from siterecovery.protector.domain.operation import Debt
from siterecovery.protector.steps.base import ProtectorStep, World, servers
from siterecovery.protector.steps.guards import burn, keep_off
from siterecovery.protector.steps.replication import epoch_of
from siterecovery.protector.store.base import Transaction
from siterecovery.workflow.step import Answer, Call, OnFailure, Outcome, Refused, Unsettled, Waiting

AGAIN = "/again"
"""Ends the name of a VM's second fencing, right before its start."""


def fence_peer(world: World, call: Call) -> bool:
    """FORCE_FENCES: before a forced operation starts anything it looks at the old site; when that answers, the fence is written there first, so
    that its Protector starts nothing any more, then its VMs are stopped and locked. True when something there answers."""
    epoch, site_id = epoch_of(call), world.source

    def look() -> bool:
        call.check()
        try:
            world.peer.fence(world.plan.group, epoch)
        except (RemoteSiteUnreachable, CloudError):
            return world.clouds.reachable(site_id)
        return True

    return world.recently(("fence", epoch), look)


class FencePeer(ProtectorStep):
    """The first look at the old site."""

    timeout = 60.0

    def do(self, call: Call) -> Outcome:
        return Outcome({"reached": fence_peer(self.world, call)})


class FenceSourceInstance(ProtectorStep):
    """A VM of the old site is locked and stopped if that site answers; otherwise it is a debt. Never a reason not to go on."""

    on_failure = OnFailure.RECORD
    timeout = 120.0

    def __init__(self, world: World, name: str, member: Member, *, looked: str) -> None:
        """`looked` is the first look's step. A step whose name ends in AGAIN is for a site that answers only now."""
        super().__init__(world, name)
        self.member = member
        self.looked = looked
        self.again = name.endswith(AGAIN)

    def do(self, call: Call) -> Answer:
        reached = bool(call.result(self.looked)["reached"])
        if self.again:
            reached = not reached and fence_peer(self.world, call)
        if not reached:
            return Outcome({"stopped": False})
        try:
            keep_off(call, self.world.service(self.world.source).compute, self.member.instance_id)
        except CloudNotFound:
            return Outcome({"stopped": True, "gone": True})
        except CloudError as error:
            return Outcome({"stopped": False, "why": str(error)})
        return Waiting(servers(self.world, self.world.source), self.member.instance_id, _down)


def _down(seen: Server | None) -> Outcome | None:
    if seen is None:
        return Outcome({"stopped": True, "gone": True})
    halted = (
        seen.status in ("SHUTOFF", "PAUSED", "SUSPENDED", "ERROR", "DELETED", "SHELVED_OFFLOADED")
        and seen.task_state is None
    )
    return Outcome({"stopped": True}) if halted and seen.locked else None


class SweepTarget(ProtectorStep):
    """Nothing older runs on the forced failover's own site."""

    timeout = 300.0

    def do(self, call: Call) -> Outcome:
        """SWEEP: on its own site a forced failover stops older servers of the group, and removes those of lower claims that were never committed;
        their volumes are kept, unbootable. The volumes come first, also those that no server has yet: a create-server that arrives later is
        refused, one that arrived before is seen."""
        epoch, committed = epoch_of(call), {generation.epoch for generation in self.world.plan.group.lineage}
        burnt = self._burn(call, epoch, committed)
        removed, stopped, waiting = [], [], []
        for server in self._older(call, epoch):
            call.check()
            if int(server.metadata[EPOCH]) in committed:
                if not self._stop(call, server):
                    waiting.append(server.id)
                stopped.append(server.id)
            else:
                self.world.service(self.world.target).compute.delete(server.id)
                removed.append(server.id)
                waiting.append(server.id)
        if waiting:
            raise Unsettled(
                f"Older servers of the group are still going down: {', '.join(waiting)}", resource_id=waiting[0]
            )
        return Outcome({"removed": removed, "stopped": stopped, "unbootable": burnt})

    def _burn(self, call: Call, epoch: int, committed: set[int]) -> list[str]:
        group_id, mine = self.world.plan.group.id, f"{call.operation}/"
        cinder = self.world.service(self.world.target).volumes
        found = [
            volume.id
            for volume in cinder.volumes(metadata={GROUP: group_id})
            if int(volume.metadata.get(EPOCH, "0")) not in committed
            and int(volume.metadata.get(EPOCH, "0")) < epoch
            and not volume.metadata.get(KEY, "").startswith(mine)
            and volume.bootable
        ]
        for volume_id in found:
            burn(call, cinder, volume_id)
        return found

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

    def _stop(self, call: Call, server: Server) -> bool:
        """True when it is seen down and locked."""
        if server.status == "SHUTOFF" and server.locked:
            return True
        keep_off(call, self.world.service(self.world.target).compute, server.id)
        return False


class StepDown(ProtectorStep):
    """A site that learns of a newer move stops and locks its own server, by itself. It never deletes anything."""

    timeout = 900.0

    def __init__(self, world: World, name: str, member: Member) -> None:
        super().__init__(world, name)
        self.member = member

    def do(self, call: Call) -> Answer:
        try:
            keep_off(call, self.world.service(self.world.here).compute, self.member.instance_id)
        except CloudNotFound:
            return Outcome({"stopped": True, "gone": True})
        return Waiting(servers(self.world, self.world.here), self.member.instance_id, _down)


class PayDebt(ProtectorStep):
    """A debt to the site that could not be reached is paid: VMs locked and stopped, the old schedule off. Volumes are not touched."""

    timeout = 300.0

    def __init__(self, world: World, name: str, debt: Debt) -> None:
        super().__init__(world, name)
        self.debt = debt

    def do(self, call: Call) -> Answer:
        call.check()
        if self.debt.kind == "fence":
            return self._fence(call)
        if self.debt.kind == "schedule_off":
            lineage = {self.world.replication(g).group: g for g in self.world.plan.group.lineage}
            generation = lineage.get(self.debt.resource)
            if generation is not None:
                self.world.driver.set_schedule(self.world.replication(generation), enabled=False)
            return self._paid()
        raise Refused(f"Nobody knows how to pay a debt of kind {self.debt.kind}.", resource_id=self.debt.resource)

    def _fence(self, call: Call) -> Answer:
        site, server_id = self.debt.site_id, self.debt.resource
        try:
            keep_off(call, self.world.service(site).compute, server_id)
        except CloudNotFound:
            return self._paid()
        return Waiting(servers(self.world, site), server_id, _down, lambda _: self._paid())

    def _paid(self) -> Outcome:
        debt_id = self.debt.id
        return Outcome({"paid": self.debt.resource}, (lambda tx: tx.debts.delete(debt_id),))


class BurnStaleVolumes(ProtectorStep):
    """What a forced failover left on a site is made unbootable there; the contents stay."""

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
                burn(call, volumes, found.id)
                burnt.append(found.id)
        return Outcome({"unbootable": burnt})
