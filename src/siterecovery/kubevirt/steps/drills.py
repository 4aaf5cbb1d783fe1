"""A test failover: the standby side's stopped copies of the VMs are started once more, on copies of their disks, while the group runs and replicates.

Everything is found again by its label or by its name, which is the original's with a suffix; so each step can be repeated, and a clean-up needs no
record of what a test has made."""

import asyncio
import dataclasses
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from siterecovery.kubevirt.clusters import base, virtual_machines
from siterecovery.kubevirt.crds.protection_group import Member, ProtectionGroup, ReadinessKind
from siterecovery.kubevirt.domain import disks, drills, ordering
from siterecovery.kubevirt.domain import virtual_machine as vms
from siterecovery.kubevirt.domain.names import FAILOVER_CONTROLLER
from siterecovery.kubevirt.domain.resources import (
    PERSISTENT_VOLUME_CLAIMS,
    PERSISTENT_VOLUMES,
    VIRTUAL_MACHINES,
    Object,
    Resource,
)
from siterecovery.kubevirt.domain.virtual_machine import ALWAYS, HALTED, MANUAL, Observed, Power
from siterecovery.kubevirt.steps import reading
from siterecovery.kubevirt.steps.base import MoveStep, World, located
from siterecovery.workflow.step import Answer, Call, Outcome, Refused, Retry, Unsettled, Waiting

_PATIENT = Retry(attempts=60, first=0.5, longest=5.0)


async def copied(world: World) -> dict[str, str]:
    """Volume → handle of its copy, for every volume of the group."""
    group = await reading.copy(world, world.move.target)
    return {
        volume: drills.name_of(volume) for volume in (await reading.volumes(world, world.move.target, group)).handles
    }


async def made(world: World, resource: Resource) -> Sequence[Object]:
    """What a test of this group has left on the target."""
    namespace = world.move.namespace if resource.namespaced else None
    found = await world.target.list(resource, namespace, labels=drills.selector(world.move.group))
    return [item for item in found.items if _ours(item, world.move.namespace)]


def _ours(item: Object, namespace: str) -> bool:
    """Volumes have no namespace of their own: their claim's counts."""
    bound = (item.get("spec") or {}).get("claimRef") or {}
    return item["metadata"].get("namespace") == namespace or bound.get("namespace") == namespace


class CheckStandby(MoveStep):
    """A test runs where the group does not, and one at a time."""

    def do(self, call: Call) -> Answer:
        move = self.move
        if located(call).get("location") == move.target:
            raise Refused(f"{move.group} runs on {move.shown}: test it on the other cluster, {move.source}")
        if self.world.ask(made(self.world, VIRTUAL_MACHINES)):
            raise Refused(
                f"A test of {move.group} is still there on {move.shown}. Remove it first: pgctl cleanup {move.group} --namespace {move.namespace}"
            )
        return Outcome()


class CopyVolumes(MoveStep):
    """All of one instant. Replication of the originals goes on."""

    retry = _PATIENT

    def act(self, call: Call) -> Answer:
        handles = self.world.ask(copied(self.world))
        if handles:
            call.check()
            self.world.ask(self.world.storage.copy(handles, self.world.site(self.move.target)))
        return Outcome({"volumes": len(handles)})

    def undo(self, call: Call) -> Answer | None:
        self.world.ask(remove_volumes(self.world))
        return Outcome()


async def remove_volumes(world: World) -> None:
    for handle in (await copied(world)).values():
        await world.storage.remove_copy(handle)


class CreateCopies(MoveStep):
    """Volumes, claims and halted VMs, in this order: what is found is left as it is."""

    retry = _PATIENT

    def act(self, call: Call) -> Answer:
        return Outcome({"virtualMachines": self.world.ask(self._create())})

    async def _create(self) -> int:
        world, namespace, target = self.world, self.move.namespace, self.world.target
        names = await reading.members(target, await reading.copy(world, self.move.target))
        machines, claims, volumes = await asyncio.gather(
            target.list(VIRTUAL_MACHINES, namespace),
            target.list(PERSISTENT_VOLUME_CLAIMS, namespace),
            target.list(PERSISTENT_VOLUMES),
        )
        by_claim = {item["metadata"]["name"]: item for item in claims.items}
        by_volume = {item["metadata"]["name"]: item for item in volumes.items}
        members = [vm for vm in machines.items if vm["metadata"]["name"] in names]
        for vm in members:
            wanted = [by_claim[name] for name in disks.claims(vm) if name in by_claim]
            for pvc in wanted:
                await self._disk(pvc, by_volume.get((pvc.get("spec") or {}).get("volumeName") or ""))
            copies = {pvc["metadata"]["name"]: drills.name_of(pvc["metadata"]["name"]) for pvc in wanted}
            await _ensure(target, VIRTUAL_MACHINES, drills.virtual_machine(vm, self.move.group, copies))
        return len(members)

    async def _disk(self, pvc: Object, pv: Object | None) -> None:
        handle = disks.handle(pv)
        if pv is None or handle is None:
            raise Refused(f"claim {pvc['metadata']['name']} has no replicated volume on {self.move.target}")
        copy, group, target = drills.name_of(handle), self.move.group, self.world.target
        await _ensure(target, PERSISTENT_VOLUMES, drills.volume(pv, pvc, group, copy))
        await _ensure(target, PERSISTENT_VOLUME_CLAIMS, drills.claim(pvc, group, copy))

    def undo(self, call: Call) -> Answer | None:
        self.world.ask(delete_objects(self.world))
        return Outcome()


async def _ensure(cluster: base.Cluster, resource: Resource, obj: Object) -> None:
    try:
        await cluster.create(resource, obj)
    except base.AlreadyExists:
        return  # an earlier attempt's


async def delete_objects(world: World) -> None:
    """VMs, claims, volumes: each kind when the one before is gone, since it is in use until then. Unsettled while one is still going."""
    for resource in (VIRTUAL_MACHINES, PERSISTENT_VOLUME_CLAIMS, PERSISTENT_VOLUMES):
        for item in await made(world, resource):
            await base.delete_seen(world.target, resource, item)
        left = await made(world, resource)
        if left:
            names = ", ".join(item["metadata"]["name"] for item in left[:5])
            raise Unsettled(f"{resource.kind} {names} of the test are still being removed on {world.move.target}")


@dataclasses.dataclass(frozen=True)
class _Drilled:
    """One copy, and the member it stands for. `run`: what the original is set to when it runs."""

    member: Member
    vm: Object
    seen: Observed
    run: str

    @property
    def told(self) -> bool:
        return not vms.is_halted(self.vm)

    @property
    def out(self) -> bool:
        """Its original was halted when it became a member: a failover would leave it so."""
        return vms.strategy_of(self.run) == HALTED

    @property
    def runs(self) -> bool:
        return self.out or self.seen.power in (Power.RUNNING, Power.COMPLETED)

    @property
    def is_up(self) -> bool:
        wanted = self.member.readiness.condition
        ready = wanted is ReadinessKind.RUNNING or wanted.value in self.seen.conditions
        return self.out or self.seen.power is Power.COMPLETED or (self.seen.power is Power.RUNNING and ready)


@dataclasses.dataclass(frozen=True)
class _DrillTopic:
    """The copies and what they do, under the group's name."""

    world: World

    @property
    def key(self) -> Hashable:
        return "drill", self.world.move.uid

    def read(self, subjects: frozenset[str]) -> Mapping[str, Sequence[_Drilled]]:
        return dict.fromkeys(subjects, self.world.ask(self.look()))

    async def look(self) -> Sequence[_Drilled]:
        world, namespace = self.world, self.world.move.namespace
        group = ProtectionGroup.parse(await reading.copy(world, world.move.target))
        specs = {member.name: member for member in group.spec.virtual_machines or ()}
        copies = {vm["metadata"]["name"]: vm for vm in await made(world, VIRTUAL_MACHINES)}
        originals = {vm["metadata"]["name"]: vm for vm in (await world.target.list(VIRTUAL_MACHINES, namespace)).items}
        seen = await virtual_machines.look(world.target, namespace, copies)
        return [
            _Drilled(specs.get(name) or Member(name=name), copies[copy], seen[copy], _run(originals[name]))
            for name in originals
            if (copy := drills.name_of(name)) in copies
        ]


def _run(original: Object) -> str:
    """What the copy is set to. Manual would wait for a start by hand, and nobody has said what it is where nothing is recorded."""
    run = vms.recorded(original)
    return run if run is not None and vms.strategy_of(run) != MANUAL else ALWAYS


class StartCopies(MoveStep):
    """In the order in which a failover would start the originals: by priority, dependency and readiness. A member that is not up within its own limit
    is not waited for by the others, but all must run in the end."""

    retry = _PATIENT

    def __init__(
        self, world: World, name: str, timeout: float | None = None, undo_timeout: float | None = None
    ) -> None:
        super().__init__(world, name, timeout, undo_timeout)
        self._since: dict[str, float] = {}

    def act(self, call: Call) -> Answer:
        return self._wave(call)

    def _wave(self, call: Call) -> Answer:
        """Starts those whose turn it is, then waits until it is somebody else's."""
        call.check()
        self.world.ask(self._start())
        late = (
            f"The test of {self.move.group} did not start on {self.move.shown} within {self.timeout:.0f} s: see kubectl get vmi"
            f" -n {self.move.namespace} -l {drills.selector(self.move.group)}"
        )
        return Waiting(
            _DrillTopic(self.world), self.move.group, self._until, lambda value: self._go_on(call, value), late
        )

    def _go_on(self, call: Call, value: Mapping[str, int] | None) -> Answer:
        return self._wave(call) if value is None else Outcome(value)

    def _until(self, seen: Any) -> Outcome | None:
        found: Sequence[_Drilled] = seen or ()
        if self._next(found):
            return Outcome()
        if all(each.told or each.out for each in found) and all(each.runs for each in found):
            return Outcome({"running": sum(not each.out for each in found)})
        return None

    def _next(self, found: Sequence[_Drilled]) -> list[str]:
        now = self.world.clock.monotonic()
        standings = []
        for each in found:
            since = self._since.setdefault(each.member.name, now) if each.told else now
            late = now - since > each.member.readiness.timeout_seconds
            standings.append(
                ordering.Standing(
                    each.member.name,
                    each.member.priority,
                    tuple(each.member.depends_on),
                    passed=each.is_up or late,
                    moving=each.told or each.out,
                )
            )
        return ordering.to_start(standings)

    async def _start(self) -> None:
        found = await _DrillTopic(self.world).look()
        names = self._next(found)
        for each in found:
            if each.member.name in names:
                metadata = each.vm["metadata"]
                patch = {
                    "metadata": {"resourceVersion": metadata["resourceVersion"]},
                    "spec": vms.run_fields(each.vm, each.run),
                }
                await self.world.target.patch(
                    VIRTUAL_MACHINES, metadata["name"], metadata["namespace"], patch, manager=FAILOVER_CONTROLLER
                )

    def undo(self, call: Call) -> Answer | None:
        """Deleting the copies, which comes next, stops them."""
        return None


class RemoveCopies(MoveStep):
    """Only what carries the test's label, and only storage copies that the storage knows as copies."""

    retry = _PATIENT

    def do(self, call: Call) -> Answer:
        self.world.ask(self._remove())
        return Outcome()

    async def _remove(self) -> None:
        await delete_objects(self.world)
        await remove_volumes(self.world)
