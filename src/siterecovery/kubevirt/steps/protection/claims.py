"""The claims the VM uses: frontends made beside the plain ones, the VM pointed to them, and back. The plain claims are never touched."""

from siterecovery.kubevirt.clusters import base, virtual_machines
from siterecovery.kubevirt.domain import protection
from siterecovery.kubevirt.domain.names import REQUEST_LABEL
from siterecovery.kubevirt.domain.resources import (
    PERSISTENT_VOLUME_CLAIMS,
    PERSISTENT_VOLUMES,
    Object,
    Resource,
)
from siterecovery.kubevirt.steps.protection.base import (
    PATIENT,
    ProtectionStep,
    ProtectionWorld,
    change,
    find_machine,
    plan_on,
    planned,
    trusted,
)
from siterecovery.kubevirt.steps.protection.checks import forget
from siterecovery.workflow.step import Answer, Call, Outcome, Refused, Retry, Unsettled

_FEW = Retry(attempts=20, first=0.5, longest=3.0)


class CreateFrontends(ProtectionStep):
    """A volume and a claim for each replicated volume, bound to one another by hand."""

    retry = PATIENT

    def do(self, call: Call) -> Answer:
        return Outcome({"claims": self.world.ask(self._create(call))})

    async def _create(self, call: Call) -> int:
        _, plan = await trusted(self.world)
        primary, namespace = self.world.primary, self.work.namespace
        for disk in plan.disks:
            pvc = await primary.get(PERSISTENT_VOLUME_CLAIMS, disk.claim, namespace)
            call.check()
            await _ensure(primary, PERSISTENT_VOLUMES, protection.frontend_volume(pvc, disk, plan.request))
            await _ensure(primary, PERSISTENT_VOLUME_CLAIMS, protection.frontend_claim(pvc, disk, plan.request))
        claims = await made(self.world, PERSISTENT_VOLUME_CLAIMS, plan.request)
        bound = {item["metadata"]["name"] for item in claims if (item.get("status") or {}).get("phase") == "Bound"}
        if late := [disk.frontend for disk in plan.disks if disk.frontend not in bound]:
            raise Unsettled(
                f"Frontend claims {', '.join(late[:5])} are not bound yet: see kubectl describe pvc {late[0]} -n {namespace}"
            )
        return len(plan.disks)

    def undo(self, call: Call) -> Answer | None:
        self.world.ask(remove(self.world, call))
        return Outcome()


async def _ensure(cluster: base.Cluster, resource: Resource, wanted: Object) -> None:
    metadata = wanted["metadata"]
    there = await cluster.find(resource, metadata["name"], metadata.get("namespace"))
    if there is None:
        await cluster.create(resource, wanted)
    elif (there["metadata"].get("labels") or {}).get(REQUEST_LABEL) != metadata["labels"][REQUEST_LABEL]:
        raise Refused(
            f"There is another {resource.kind} {metadata['name']} on {cluster.name}: rename or delete it, and ask anew"
        )


async def made(world: ProtectionWorld, resource: Resource, request: str) -> list[Object]:
    """The frontends that a request has made, by their label. Volumes have no namespace: their claim's counts."""
    namespace = world.work.namespace
    found = await world.primary.list(
        resource, namespace if resource.namespaced else None, labels=f"{REQUEST_LABEL}={request}"
    )
    return [
        item
        for item in found.items
        if namespace in (item["metadata"].get("namespace"), (item["spec"].get("claimRef") or {}).get("namespace"))
    ]


async def remove(world: ProtectionWorld, call: Call) -> None:
    """Claims first: a volume is in use while its claim is there. Refused while the VM still points to one of them."""
    vm = await find_machine(world)
    plan = plan_on(vm) if vm is not None else None
    request = plan.request if plan is not None else world.work.uid
    for resource in (PERSISTENT_VOLUME_CLAIMS, PERSISTENT_VOLUMES):
        found = await made(world, resource, request)
        names = frozenset(item["metadata"]["name"] for item in found)
        if vm is not None and (used := protection.uses(vm, names)):
            raise Refused(f"{world.work.machine} still uses {', '.join(sorted(used))}: nothing is taken from under it")
        for item in found:
            call.check()
            await base.delete_seen(world.primary, resource, item)
        if left := await made(world, resource, request):
            names_left = ", ".join(item["metadata"]["name"] for item in left[:5])
            raise Unsettled(f"{resource.kind} {names_left} are still being removed on {world.work.primary}")


class SwitchClaims(ProtectionStep):
    """The VM uses the frontends from its next start on. While it cannot be pointed back, nothing that it uses is removed."""

    retry = _FEW
    barrier = True

    def do(self, call: Call) -> Answer:
        self.world.ask(switched(self.world, call, forth=True))
        return Outcome()

    def undo(self, call: Call) -> Answer | None:
        self.world.ask(switched(self.world, call, forth=False))
        return Outcome()


class RestoreClaims(ProtectionStep):
    """The VM uses its plain claims from its next start on."""

    retry = _FEW
    barrier = True

    def do(self, call: Call) -> Answer:
        self.world.ask(switched(self.world, call, forth=False))
        return Outcome()

    def undo(self, call: Call) -> Answer | None:
        self.world.ask(switched(self.world, call, forth=True))
        return Outcome()


async def switched(world: ProtectionWorld, call: Call, *, forth: bool) -> None:
    """Unsettled while the VM is not proven stopped: a guest keeps the disks that it has open. Nothing for a VM that is gone, or has no plan."""
    vm = await find_machine(world)
    plan = plan_on(vm) if vm is not None else None
    if vm is None or plan is None:
        if forth:
            await planned(world)
        return
    patch = (protection.onto_frontends if forth else protection.onto_originals)(vm, plan)
    if not patch:
        return
    seen = await virtual_machines.look(world.primary, world.work.namespace, [world.work.machine])
    if not seen[world.work.machine].halted:
        raise Unsettled(
            f"{world.work.machine} is not stopped on {world.work.primary}, so its disks cannot be changed: somebody has started it meanwhile"
        )
    call.check()
    await change(world, vm, patch)


class RemoveFrontends(ProtectionStep):
    retry = PATIENT

    def do(self, call: Call) -> Answer:
        self.world.ask(remove(self.world, call))
        return Outcome()


class ForgetPlan(ProtectionStep):
    """Last: until now it says what there is to remove."""

    retry = _FEW

    def do(self, call: Call) -> Answer:
        self.world.ask(forget(self.world))
        return Outcome()
