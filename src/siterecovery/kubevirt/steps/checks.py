"""What is looked at before anything is touched. None of these steps changes anything, so a refusal leaves both clusters as they were."""

import asyncio
from collections.abc import Iterable

from siterecovery.kubevirt.clusters import base
from siterecovery.kubevirt.crds.conditions import Truth, find
from siterecovery.kubevirt.crds.failover import FailoverType
from siterecovery.kubevirt.crds.protection_group import CurrentState, DesiredState, Location, ProtectionGroup
from siterecovery.kubevirt.domain.names import GROUP_LABEL
from siterecovery.kubevirt.domain.resources import Object
from siterecovery.kubevirt.steps import reading, taints
from siterecovery.kubevirt.steps.base import MoveStep, World, located
from siterecovery.kubevirt.steps.sight import Sight, location, sight
from siterecovery.kubevirt.storage.base import Reason
from siterecovery.workflow.step import Answer, Call, Outcome, Refused, Retry, Unsettled

_FEW = Retry(attempts=3, first=1.0)


class LocateVirtualMachines(MoveStep):
    """Where the group runs, by its instances and launchers: no status is believed."""

    retry = _FEW

    def do(self, call: Call) -> Answer:
        found: dict[str, object] = self.world.ask(self._locate())
        return Outcome(found)

    async def _locate(self) -> dict[str, object]:
        move = self.move
        (there, on_target), (here, on_source) = await asyncio.gather(self._target(), self._source())
        if move.type is FailoverType.PLANNED:
            _known(self.world, on_source, on_target)
        elif move.type is FailoverType.UNPLANNED and on_source is not None and on_source.running:
            raise Refused(_planned(self.world, on_source))
        where = location(move.source, move.target, on_source, on_target)
        newest = max((self.world.claim_of(obj) for obj in (there, here) if obj), key=lambda claim: claim.epoch)
        running = (there.get("status") or {}).get("currentState") == CurrentState.RUNNING
        already = where == move.target and newest.active == move.target and running
        desired = ((here or {}).get("spec") or {}).get("desiredState") or DesiredState.RUNNING.value
        return {"location": where, "already": already, "desired": desired, "away": here is None, "epoch": newest.epoch}

    async def _target(self) -> tuple[Object, Sight]:
        there = await reading.copy(self.world, self.move.target)
        return there, sight(await reading.look(self.world, self.move.target, there))

    async def _source(self) -> tuple[Object | None, Sight | None]:
        """(copy, what runs there); nothing of both when it does not answer, which only an unplanned failover may bear."""
        try:
            here = await reading.copy(self.world, self.move.source)
            return here, sight(await reading.look(self.world, self.move.source, here))
        except (base.Unknown, base.BadAccess) as error:
            if self.move.type is FailoverType.PLANNED:
                raise Unsettled(_unplanned(self.world, str(error))) from error
            return None, None


def _known(world: World, on_source: Sight | None, on_target: Sight) -> None:
    """Raises when nobody can tell whether a member runs."""
    for cluster, seen in ((world.move.source, on_source), (world.move.target, on_target)):
        if seen is not None and seen.unknown:
            raise Unsettled(
                f"Nobody knows whether {', '.join(seen.unknown[:5])} of {world.move.group} run on {cluster} (location: unknown):"
                f" {'; '.join(seen.reasons[:3])}. Bring the node back, or make sure that it is off and delete its Node, then try again."
                " Nothing was changed"
            )


def _unplanned(world: World, why: str) -> str:
    move = world.move
    return (
        f"{move.source}, where {move.group} may be running, cannot be reached ({why}). Nothing was changed. If that cluster is really down and"
        f" stays down, fail over without it: pgctl failover {move.group} --to {move.shown} --type unplanned --confirm-source-down"
        f" --namespace {move.namespace}"
    )


def _planned(world: World, on_source: Sight) -> str:
    move = world.move
    return (
        f"{move.source} answers, and {', '.join(on_source.running[:5])} of {move.group} run there: an unplanned failover would start a second copy."
        f" Nothing was changed. Move the group as planned: pgctl failover {move.group} --to {move.shown} --namespace {move.namespace}"
    )


class CheckSplitBrain(MoveStep):
    """M: no flag overrides this. Two running copies each have written what the other lacks."""

    def act(self, call: Call) -> Answer:
        if located(call).get("location") == Location.BOTH:
            raise Refused(split_brain(self.world, "its virtual machines run on both clusters (location: both)"))
        away = bool(located(call).get("away"))
        names = [name for name in self.move.kept_on if not (away and name == self.move.source)]
        copies = self.world.ask(reading.copies(self.world, names, must=(self.move.source, self.move.target))).found
        self._authority(copies.values())
        self.world.ask(self._storage(copies[self.move.target]))
        return Outcome()

    def _authority(self, copies: Iterable[Object]) -> None:
        claims = {self.world.claim_of(found) for found in copies}
        highest = max(claim.epoch for claim in claims)
        active = {claim.active for claim in claims if claim.epoch == highest and highest}
        if len(active) > 1:
            why = f"its copies name {' and '.join(sorted(active))} as active under the same epoch {highest} (location: both)"
            raise Refused(split_brain(self.world, why))

    async def _storage(self, there: Object) -> None:
        handles = (await reading.volumes(self.world, self.move.target, there)).handles
        found = await self.world.storage.split_brains(handles) if handles else ()
        if found:
            why = "its disks have parted: " + "; ".join(brain.message for brain in found[:5])
            raise Refused(split_brain(self.world, why))


def split_brain(world: World, why: str) -> str:
    """`location: both` and the commands, as people look for them."""
    group, namespace = world.move.group, world.move.namespace
    return (
        f"split-brain detected for {group}: {why}. This is a safety stop that force does not override. Decide which cluster keeps its"
        f" data. On the other one: kubectl patch protectiongroup {group} -n {namespace} --type=merge"
        """ -p '{"spec":{"desiredState":"stopped"}}' , then check that no VMI is left: """
        f"kubectl get vmi -n {namespace} . Then create the Failover anew"
    )


class CheckConcurrentSafety(MoveStep):
    """J: quorum taints are not taken from under another group. `force` overrides this check, and this one only."""

    retry = Retry(attempts=20, first=0.5, longest=3.0)

    def act(self, call: Call) -> Answer:
        if self.move.force:
            self.world.story.tell(
                "ForceMode",
                "Force mode enabled - safety checks bypassed: this can disrupt other Protection Groups",
                "Warning",
            )
            return Outcome({"forced": True})
        self.world.ask(taints.checked(self.world))
        return Outcome()


class CheckReplication(MoveStep):
    """The target's disks hold every write: the promise that a planned move loses nothing rests on this, and on the order of the steps after it.

    And there is something to start on them. What is looked at now binds every move: a VM without a copy, a claim without a volume, a stranger with a
    member's name. Of the group's own word (condition FailoverReady) only CopiesIncomplete binds, since nobody else knows what the mirror could not
    write, and only where the cluster that says it takes part: an unplanned move is made without the source's word. `force` overrides nothing here."""

    retry = Retry(attempts=10, first=1.0, longest=5.0)

    def act(self, call: Call) -> Answer:
        return Outcome({"volumes": self.world.ask(self._check())})

    async def _check(self) -> int:
        move = self.move
        there = await reading.copy(self.world, move.target)
        strangers, disks = await asyncio.gather(
            reading.foreign(self.world, move.target, there), reading.volumes(self.world, move.target, there)
        )
        await self._copies(strangers)
        if disks.missing:
            raise Refused(
                f"{move.group} is not ready to run on {move.target}: {_some(disks.missing)}."
                f" See kubectl describe protectiongroup {move.group} -n {move.namespace} on the cluster where it runs"
            )
        if disks.handles:
            reasons = await self._reasons(disks.handles)
            if reasons:
                kind = Unsettled if any(reason.unknown for reason in reasons) else Refused
                raise kind(f"{move.group} is not ready to run on {move.target}: {_some([r.message for r in reasons])}")
        return len(disks.handles)

    async def _copies(self, strangers: list[str]) -> None:
        move = self.move
        if strangers:
            names = ", ".join(strangers[:5])
            raise Refused(
                f"On {move.target} there are virtual machines with names of {move.group}'s members which nobody has made this group's: {names}."
                f" They are left alone, so {move.group} could not start there. Delete them, or label them {GROUP_LABEL}={move.group}, then create the"
                " Failover anew. Nothing was changed"
            )
        if move.type is FailoverType.UNPLANNED:
            return
        said = ProtectionGroup.parse(await reading.copy(self.world, move.source)).status.conditions or []
        ready = find(said, "FailoverReady")
        if ready is not None and ready.status is Truth.FALSE and ready.reason == "CopiesIncomplete":
            raise Refused(
                f"The copies of {move.group} on {move.target} are incomplete: {ready.message}. Mend that, wait until condition FailoverReady of the"
                f" group on {move.source} is True (kubectl describe protectiongroup {move.group} -n {move.namespace}), then create the Failover anew."
                " Nothing was changed"
            )

    async def _reasons(self, handles: tuple[str, ...]) -> tuple[Reason, ...]:
        site = self.world.site(self.move.target)
        if self.move.type is FailoverType.UNPLANNED:
            return (await self.world.storage.ready_to_promote(handles, site, forced=True)).reasons
        return (await self.world.storage.sync(handles, site)).waiting


def _some(sentences: tuple[str, ...] | list[str], most: int = 5) -> str:
    more = len(sentences) - most
    return "; ".join(sentences[:most]) + (f"; and {more} more" if more > 0 else "")
