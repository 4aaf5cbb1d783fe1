"""The replicated volumes behind the VM's claims: made, filled for the first time, removed."""

import dataclasses
from collections.abc import Hashable, Mapping

from siterecovery.kubevirt.domain.protection import Disk, Plan, genuine_handles
from siterecovery.kubevirt.domain.resources import Object
from siterecovery.kubevirt.steps.protection.base import (
    PATIENT,
    ProtectionStep,
    ProtectionWorld,
    find_machine,
    plan_on,
    trusted,
)
from siterecovery.kubevirt.storage import judging
from siterecovery.kubevirt.storage.base import InUse, NewVolume, Place, Reason
from siterecovery.kubevirt.storage.states import VolumeState
from siterecovery.workflow.step import Answer, Call, Outcome, Refused, Retry, Unsettled, Waiting

FAILED = "Failed"


class CreateVolumes(ProtectionStep):
    """One for each claim: its content is the claim's, and the other cluster's replica is empty."""

    retry = Retry(attempts=30, first=0.5, longest=5.0)

    def do(self, call: Call) -> Answer:
        return Outcome({"volumes": self.world.ask(self._create(call))})

    async def _create(self, call: Call) -> int:
        _, plan = await trusted(self.world)
        self.world.progress.show([row(disk, 0, "Creating") for disk in plan.disks], 0)
        for disk in plan.disks:
            call.check()
            await self.world.storage.create(new_volume(plan, disk, self.work.machine))
        return len(plan.disks)

    def undo(self, call: Call) -> Answer | None:
        self.world.ask(remove(self.world, call))
        return Outcome()


def new_volume(plan: Plan, disk: Disk, machine: str) -> NewVolume:
    return NewVolume(
        handle=disk.handle,
        size_bytes=disk.size,
        places=tuple(
            Place(cluster, node, disk.classes.get(cluster, ""))
            for cluster, nodes in disk.nodes.items()
            for node in nodes
        ),
        quorum=plan.quorum,
        on_no_quorum=plan.on_no_quorum,
        claim=disk.claim,
        content_of=plan.primary,
        told={"virtualMachine": machine, "frontendClaim": disk.frontend, "policy": plan.policy},
    )


def row(disk: Disk, percent: int, state: str) -> Object:
    """Of `status.volumes`: the claim that is kept, and what stands for it."""
    return {
        "claim": disk.claim,
        "drbdVolume": disk.handle,
        "frontendClaim": disk.frontend,
        "progress": percent,
        "state": state,
    }


async def remove(world: ProtectionWorld, call: Call) -> None:
    """With all replicas, on both clusters. Unsettled while something of them is left."""
    vm = await find_machine(world)
    plan = plan_on(vm) if vm is not None else None
    handles = [*genuine_handles(plan)] if plan is not None else world.progress.handles()
    for handle in handles:
        call.check()
        try:
            await world.storage.remove(handle)
        except InUse as error:  # the guest that has just stopped is seen to have let go a moment later
            raise Unsettled(str(error)) from error
    left = (
        [handle for handle, state in (await world.storage.states(handles)).items() if state.exists] if handles else []
    )
    if left:
        raise Unsettled(
            f"DRBDVolumes {', '.join(left[:5])} are still being removed: see kubectl describe drbdvolume {left[0]}"
        )
    world.progress.show([], None)


@dataclasses.dataclass(frozen=True)
class Filling:
    """One look: what is not there yet, and how much is."""

    waiting: tuple[Reason, ...]
    percent: int


@dataclasses.dataclass(frozen=True)
class _SyncTopic:
    world: ProtectionWorld
    plan: Plan

    @property
    def key(self) -> Hashable:
        return "sync", self.plan.request

    def read(self, subjects: frozenset[str]) -> Mapping[str, Filling]:
        states = self.world.ask(self.world.storage.states(self.plan.handles))
        return dict.fromkeys(subjects, look(self.world, self.plan, states))


def look(world: ProtectionWorld, plan: Plan, states: Mapping[str, VolumeState]) -> Filling:
    """Every replica of both clusters counts: those beside the content are filled too. People see it by the way."""
    rows, waiting = [], list[Reason]()
    for disk in plan.disks:
        state = {disk.handle: states[disk.handle]}
        found = [judging.sync(state, cluster) for cluster in (plan.primary, plan.dr)]
        reasons = [reason for each in found for reason in each.waiting]
        percent = int(min(each.percent for each in found))
        waiting += reasons
        rows.append(row(disk, min(percent, 99) if reasons else 100, _word(reasons)))
    filling = Filling(tuple(waiting), min((int(each["progress"]) for each in rows), default=100))
    world.progress.show(rows, filling.percent)
    return filling


def _word(reasons: list[Reason]) -> str:
    if not reasons:
        return "InSync"
    return FAILED if any(reason.kind == FAILED for reason in reasons) else "Syncing"


class SyncVolumes(ProtectionStep):
    """The first full sync. The VM is down meanwhile: that is what protection costs."""

    retry = PATIENT

    def __init__(self, world: ProtectionWorld, name: str, timeout: float) -> None:
        super().__init__(world, name, timeout)
        self._failing: float | None = None

    def do(self, call: Call) -> Answer:
        _, plan = self.world.ask(trusted(self.world))
        late = (
            f"The first sync of {self.work.machine} was not over after {self.timeout / 3600:.1f} h: see kubectl get drbdvolumes -n"
            f" {self.work.namespace} on {plan.primary} and {plan.dr}"
        )
        return Waiting(_SyncTopic(self.world, plan), self.work.machine, self._until, late=late)

    def _until(self, seen: Filling | None) -> Outcome | None:
        if seen is None:
            return None
        if not seen.waiting:
            return Outcome({"percent": 100})
        self._judge([reason for reason in seen.waiting if reason.kind == FAILED])
        return None

    def _judge(self, failed: list[Reason]) -> None:
        """An operator may need a moment, such as for a claim that is still being detached."""
        now = self.world.clock.monotonic()
        if not failed:
            self._failing = None
        elif self._failing is None:
            self._failing = now
        elif now - self._failing >= self.world.limits.failed:
            raise Refused("; ".join(reason.message for reason in failed[:5]))


class RemoveVolumes(ProtectionStep):
    """The VM runs on its plain claims again; the replicas go, the claims stay."""

    retry = PATIENT

    def do(self, call: Call) -> Answer:
        self.world.ask(remove(self.world, call))
        return Outcome()
