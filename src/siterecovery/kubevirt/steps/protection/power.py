"""The VM goes down while its disks change under it, and comes up as it was."""

from collections.abc import Callable

from siterecovery.kubevirt.clusters import base
from siterecovery.kubevirt.domain import virtual_machine as vms
from siterecovery.kubevirt.domain.resources import VIRTUAL_MACHINE_CALLS, Object
from siterecovery.kubevirt.domain.virtual_machine import MANUAL, Observed, Power
from siterecovery.kubevirt.steps.protection.base import (
    PATIENT,
    MachineTopic,
    ProtectionStep,
    ProtectionWorld,
    change,
    find_machine,
    is_idle,
    plan_on,
    planned,
)
from siterecovery.workflow.step import Answer, Call, Outcome, Waiting

_UP = frozenset({Power.RUNNING, Power.COMPLETED})


def halted(world: ProtectionWorld, call: Call, seconds: float) -> Answer:
    """Has it stopped, and waits until it is proven: no instance, no launcher."""

    async def halt() -> bool:
        vm = await find_machine(world)
        if vm is None:
            return False
        if not vms.is_halted(vm):
            call.check()
            await change(world, vm, vms.halted_fields(vm))
        return True

    if not world.ask(halt()):
        return Outcome()

    def until(seen: Observed | None) -> Outcome | None:
        return Outcome() if seen is not None and seen.halted else None

    return _waiting(world, until, "stop", seconds)


def restored(world: ProtectionWorld, call: Call, seconds: float) -> Answer:
    """Set to what it was; where its guest ran, waits until it runs again."""

    async def restore() -> bool:
        vm, plan = await planned(world)
        if vms.run_of(vm) != plan.run:
            call.check()
            vm = await change(world, vm, vms.run_fields(vm, plan.run))
        if plan.up and vms.strategy_of(plan.run) == MANUAL:
            await _ask_to_start(world, vm)
        return plan.up

    if not world.ask(restore()):
        return Outcome({"up": False})

    def until(seen: Observed | None) -> Outcome | None:
        return Outcome({"up": True}) if seen is not None and seen.power in _UP else None

    return _waiting(world, until, "start", seconds)


async def _ask_to_start(world: ProtectionWorld, vm: Object) -> None:
    """A Conflict says that it runs already."""
    metadata = vm["metadata"]
    try:
        await world.primary.call(VIRTUAL_MACHINE_CALLS, metadata["name"], metadata["namespace"], "start")
    except base.Conflict:
        return


def _waiting(
    world: ProtectionWorld, until: Callable[[Observed | None], Outcome | None], verb: str, seconds: float
) -> Waiting:
    work = world.work
    late = (
        f"{work.machine} did not {verb} on {work.primary} within {seconds:.0f} s: see kubectl describe vmi {work.machine} -n {work.namespace} on"
        f" {work.primary}"
    )
    return Waiting(MachineTopic(world), work.machine, until, late=late)


class StopMachine(ProtectionStep):
    """From now on nobody writes to its claims, until it is started again."""

    retry = PATIENT

    def do(self, call: Call) -> Answer:
        return Outcome() if is_idle(call) else halted(self.world, call, self.timeout)

    def undo(self, call: Call) -> Answer | None:
        vm = self.world.ask(find_machine(self.world))
        if vm is None or plan_on(vm) is None:
            return Outcome()
        return restored(self.world, call, self.undo_timeout)


class StartMachine(ProtectionStep):
    """On the disks it has now. While it cannot be seen stopped again, nothing is taken from under it."""

    retry = PATIENT
    barrier = True

    def do(self, call: Call) -> Answer:
        return Outcome() if is_idle(call) else restored(self.world, call, self.timeout)

    def undo(self, call: Call) -> Answer | None:
        return halted(self.world, call, self.undo_timeout)
