"""Quorum taints on the target's nodes: when they may be taken away, and taking them away while an agent puts them back."""

import asyncio

from siterecovery.kubevirt.clusters import nodes
from siterecovery.kubevirt.clusters.leases import LockHeld
from siterecovery.kubevirt.clusters.nodes import NodeTaint
from siterecovery.kubevirt.domain import refusals
from siterecovery.kubevirt.domain.resources import (
    FAILOVERS,
    PROTECTION_GROUPS,
    VIRTUAL_MACHINE_INSTANCES,
    VIRTUAL_MACHINES,
    Object,
)
from siterecovery.kubevirt.steps.base import MoveStep, World
from siterecovery.kubevirt.steps.sight import Removal, earlier, occupants, removal
from siterecovery.workflow.step import Answer, Call, Outcome, Refused, Retry, Unsettled

_MOST_KEPT = 400
"""Characters of what was removed that a journal row keeps: on a large cluster the agent that set the taints sets them again anyway."""


async def checked(world: World) -> None:
    """Raises Refused when there are taints and somebody else would be hit by their removal. Without taints nobody is in the way."""
    there = bool(await nodes.tainted(world.target, world.settings.taints))
    removals = await _removals(world)
    if there or Removal.UNDER_WAY in removals:
        async with _Held(world):
            await _check(world)
    elif Removal.JUST_OVER in removals:
        raise Unsettled(
            f"Another failover has removed taints on {world.move.target} a moment ago: they may be put back"
        )


async def _removals(world: World) -> set[Removal]:
    """Of other failovers to the same target."""
    now, own = world.clock.now(), world.move.uid
    failovers = (await world.home.list(FAILOVERS)).items
    return {removal(it, now) for it in failovers if it["metadata"]["uid"] != own and _same_target(world, it)}


async def tainted_nodes(world: World) -> list[str]:
    found = await nodes.tainted(world.target, world.settings.taints)
    return sorted({taint.node for taint in found})


async def removed(world: World) -> list[NodeTaint]:
    """The taints that were taken away, after another look at who else is there: both under the target's Lease."""
    if not await nodes.tainted(world.target, world.settings.taints):
        return []
    async with _Held(world):
        if not world.move.force:
            await _check(world)
        return await nodes.remove_taints(world.target, world.settings.taints)


class _Held:
    """The target's Lease for as long as a look and a removal take. Somebody else's is waited for by trying again."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._lock = world.locks.target()

    async def __aenter__(self) -> None:
        try:
            await self._lock.acquire()
        except LockHeld as error:
            target = self._world.move.target
            raise Unsettled(
                f"Another failover looks at the taints of {target} at this moment ({error.holder})"
            ) from error

    async def __aexit__(self, *_: object) -> None:
        await self._lock.release()


async def _check(world: World) -> None:
    groups = await in_the_way(world)
    if groups:
        raise Refused(refusals.unsafe(world.move.shown, groups))


async def in_the_way(world: World) -> list[str]:
    """Other groups with live VMs on the target, and those that are being moved there."""
    move, target = world.move, world.target
    groups, instances, machines, failovers, own = await asyncio.gather(
        target.list(PROTECTION_GROUPS),
        target.list(VIRTUAL_MACHINE_INSTANCES),
        target.list(VIRTUAL_MACHINES),
        world.home.list(FAILOVERS),
        world.home.get(FAILOVERS, move.name, move.namespace),
    )
    there = occupants((move.namespace, move.group), groups.items, instances.items, machines.items)
    coming = [_group(found, move.namespace) for found in earlier(own, failovers.items) if _same_target(world, found)]
    return list(dict.fromkeys([*there, *coming]))


def _same_target(world: World, failover: Object) -> bool:
    return world.clusters.same(failover["spec"]["targetCluster"], world.move.target)


def _group(failover: Object, namespace: str) -> str:
    group, there = failover["spec"]["protectionGroup"], failover["metadata"]["namespace"]
    return str(group) if there == namespace else f"{there}/{group}"


class RemoveQuorumTaints(MoveStep):
    """Node-wide: it changes where other groups' VMs may be scheduled. The agent that set them may put them back, so `start_target` looks again."""

    retry = Retry(attempts=20, first=0.5, longest=3.0)

    def act(self, call: Call) -> Answer:
        mode = " (force mode)" if self.move.force else ""
        taken = self.world.ask(removed(self.world))
        if taken:
            names = ", ".join(sorted({taint.node for taint in taken})[:10])
            self.world.story.tell("TaintsRemoved", f"Removed quorum taints on {self.move.shown}{mode}: nodes {names}")
        before = call.last(self.name) or {}
        return Outcome(_kept(before.get("taints") or [], taken))

    def undo(self, call: Call) -> Answer | None:
        kept = [NodeTaint(*found) for found in (call.last(self.name) or {}).get("taints") or ()]
        self.world.ask(nodes.restore_taints(self.world.target, kept))
        return Outcome()


def _kept(before: list[list[str]], taken: list[NodeTaint]) -> dict[str, object]:
    told = [*before]
    for taint in taken:
        row = [taint.node, taint.key, taint.effect, taint.value]
        if row not in told and len(str([*told, row])) <= _MOST_KEPT:
            told.append(row)
    return {"taints": told, "removed": len(taken)}
