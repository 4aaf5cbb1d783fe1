"""What is looked at before a VM goes under replication, or out of it. Nothing is touched but the annotation that names the VM's request."""

import dataclasses

from siterecovery.kubevirt.domain import virtual_machine as vms
from siterecovery.kubevirt.domain.names import PROTECTION
from siterecovery.kubevirt.domain.protection import Plan
from siterecovery.kubevirt.domain.resources import PROTECTION_REQUESTS, VIRTUAL_MACHINE_INSTANCES
from siterecovery.kubevirt.steps.protection.base import (
    ProtectionStep,
    ProtectionWorld,
    change,
    find_machine,
    machine,
    plan_on,
)
from siterecovery.kubevirt.steps.protection.survey import Survey, memberships
from siterecovery.kubevirt.storage.states import Disk
from siterecovery.workflow.step import Answer, Call, Outcome, Refused, Retry, Unsettled


class PlanProtection(ProtectionStep):
    """Looks at everything, then writes the plan onto the VM, on condition that nobody has changed it since: from here on it is this request's."""

    retry = Retry(attempts=10, first=0.5, longest=3.0)

    def do(self, call: Call) -> Answer:
        plan = self.world.ask(self._plan(call))
        return Outcome({"disks": len(plan.disks), "run": plan.run, "up": plan.up})

    async def _plan(self, call: Call) -> Plan:
        vm = await machine(self.world)
        plan = plan_on(vm)
        if plan is not None and plan.request == self.work.uid:
            return plan
        if plan is not None:
            raise Refused(
                f"{self.work.machine} is under replication already, by ProtectionRequest {plan.name}. Nothing was changed"
            )
        plan = await Survey(self.world, vm).plan()
        call.check()
        await change(self.world, vm, {}, plan.annotation())
        return plan

    def undo(self, call: Call) -> Answer | None:
        self.world.ask(forget(self.world, self.work.uid))
        return Outcome()


async def forget(world: ProtectionWorld, request: str | None = None) -> None:
    """Takes the plan off the VM; with `request` only that one's. A VM that is gone has none."""
    vm = await find_machine(world)
    plan = plan_on(vm) if vm is not None else None
    if vm is not None and plan is not None and request in (None, plan.request):
        await change(world, vm, {}, {PROTECTION: None})


class CheckHome(ProtectionStep):
    """Before a VM goes back onto its plain claims: it is at home, in no group, and its claims hold every write. What it is set to now is noted in its
    plan: that is what it will be set to again."""

    retry = Retry(attempts=10, first=0.5, longest=3.0)

    def do(self, call: Call) -> Answer:
        return Outcome({"protected": self.world.ask(self._check(call))})

    async def _check(self, call: Call) -> bool:
        vm = await find_machine(self.world)
        plan = plan_on(vm) if vm is not None else None
        if vm is None or plan is None:
            return False
        await self._own(plan)
        if groups := await memberships(self.world, vm):
            raise Refused(
                f"{self.work.machine} is a member of ProtectionGroup {groups[0]}, which could not move it any more: take it out of the group first."
                " Nothing was changed"
            )
        await self._whole(plan)
        instance = await self.world.primary.find(VIRTUAL_MACHINE_INSTANCES, self.work.machine, self.work.namespace)
        up = instance is not None and not vms.is_halted(vm)
        call.check()
        await change(self.world, vm, {}, dataclasses.replace(plan, run=vms.run_of(vm), up=up).annotation())
        return True

    async def _own(self, plan: Plan) -> None:
        """A plan whose request is gone may be ended by any request for the VM."""
        if plan.request == self.work.uid:
            return
        other = await self.world.home.find(PROTECTION_REQUESTS, plan.name, self.work.namespace)
        if other is not None and other["metadata"]["uid"] == plan.request:
            raise Refused(
                f"{self.work.machine} is under replication by ProtectionRequest {plan.name}: set desiredState of that one. Nothing was changed"
            )

    async def _whole(self, plan: Plan) -> None:
        states = await self.world.storage.states(plan.handles)
        for disk in plan.disks:
            state = states[disk.handle]
            there = state.side(plan.primary)
            if used := state.used_on(outside=plan.primary):
                raise Refused(
                    f"Volume {disk.handle} is in use on {', '.join(used)}: bring {self.work.machine} home to {plan.primary} first."
                    " Nothing was changed"
                )
            if state.exists and (state.side(plan.dr).unknown or there.unknown):
                raise Unsettled(
                    f"Nobody can tell whether volume {disk.handle} is in use: the DRBD Operators of {plan.primary} and {plan.dr} must both answer."
                    " Nothing was changed"
                )
            if state.exists and there.disk is not Disk.UP_TO_DATE:
                raise Refused(
                    f"Claim {disk.claim} does not hold every write: its replica on {plan.primary} is {there.disk}. Wait until it is in sync:"
                    f" kubectl get drbdvolume {disk.handle} -n {self.work.namespace}. Nothing was changed"
                )
