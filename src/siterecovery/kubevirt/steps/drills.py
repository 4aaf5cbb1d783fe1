"""A test failover: the standby side's stopped copies of the VMs are started once more, on copies of their disks, while the group runs and replicates.

Everything is found again by its label or by its name, which is the original's with a suffix; so each step can be repeated, and a clean-up needs no
record of what a test has made."""

import asyncio
import dataclasses
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from siterecovery.kubevirt.clusters import base, virtual_machines
from siterecovery.kubevirt.domain import disks, drills
from siterecovery.kubevirt.domain.names import FAILOVER_CONTROLLER
from siterecovery.kubevirt.domain.resources import (
    PERSISTENT_VOLUME_CLAIMS,
    PERSISTENT_VOLUMES,
    VIRTUAL_MACHINES,
    Object,
    Resource,
)
from siterecovery.kubevirt.domain.virtual_machine import ALWAYS, HALTED, Observed, Power
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
            await _delete(world.target, resource, item)
        left = await made(world, resource)
        if left:
            names = ", ".join(item["metadata"]["name"] for item in left[:5])
            raise Unsettled(f"{resource.kind} {names} of the test are still being removed on {world.move.target}")


async def _delete(cluster: base.Cluster, resource: Resource, obj: Object) -> None:
    metadata = obj["metadata"]
    try:
        await cluster.delete(resource, metadata["name"], metadata.get("namespace"), uid=metadata["uid"])
    except (base.NotFound, base.Conflict):
        return  # gone, or not the one that was seen


@dataclasses.dataclass(frozen=True)
class _DrillTopic:
    """What the copies do, under the group's name."""

    world: World

    @property
    def key(self) -> Hashable:
        return "drill", self.world.move.uid

    def read(self, subjects: frozenset[str]) -> Mapping[str, Mapping[str, Observed]]:
        return dict.fromkeys(subjects, self.world.ask(self._look()))

    async def _look(self) -> Mapping[str, Observed]:
        names = [vm["metadata"]["name"] for vm in await made(self.world, VIRTUAL_MACHINES)]
        return await virtual_machines.look(self.world.target, self.world.move.namespace, names)


class StartCopies(MoveStep):
    retry = _PATIENT

    def act(self, call: Call) -> Answer:
        call.check()
        self.world.ask(self._start())
        late = (
            f"The test of {self.move.group} did not start on {self.move.shown} within {self.timeout:.0f} s: see kubectl get vmi"
            f" -n {self.move.namespace} -l {drills.selector(self.move.group)}"
        )
        return Waiting(_DrillTopic(self.world), self.move.group, _all_up, late=late)

    async def _start(self) -> None:
        for vm in await made(self.world, VIRTUAL_MACHINES):
            metadata = vm["metadata"]
            if vm["spec"].get("runStrategy") == HALTED:
                patch = {
                    "metadata": {"resourceVersion": metadata["resourceVersion"]},
                    "spec": {"runStrategy": ALWAYS},
                }
                await self.world.target.patch(
                    VIRTUAL_MACHINES, metadata["name"], metadata["namespace"], patch, manager=FAILOVER_CONTROLLER
                )

    def undo(self, call: Call) -> Answer | None:
        """Deleting the copies, which comes next, stops them."""
        return None


def _all_up(seen: Any) -> Outcome | None:
    states: Mapping[str, Observed] = seen or {}
    if all(found.power is Power.RUNNING for found in states.values()):
        return Outcome({"running": len(states)})
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
