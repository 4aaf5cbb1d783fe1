"""The group on one cluster: its `desiredState` is patched, then `currentState` is waited for. No step touches a VM: the group's own controller does.

What counts as stopped is proven by live reads (`at_rest`) before authority moves."""

import asyncio
from collections.abc import Callable
from typing import Any

from siterecovery.kubevirt.clusters import base
from siterecovery.kubevirt.crds.failover import FailoverType
from siterecovery.kubevirt.crds.protection_group import CurrentState, DesiredState
from siterecovery.kubevirt.domain.names import FAILOVER_CONTROLLER
from siterecovery.kubevirt.domain.resources import PROTECTION_GROUPS, Object
from siterecovery.kubevirt.steps import reading, taints
from siterecovery.kubevirt.steps.base import GroupTopic, MoveStep, Scene, World, is_idle, located
from siterecovery.kubevirt.steps.sight import not_up, sight
from siterecovery.kubevirt.steps.storage import handles
from siterecovery.kubevirt.storage.base import NotPromotable
from siterecovery.workflow.step import Answer, Call, Outcome, Retry, Unsettled, Waiting

_PATIENT = Retry(attempts=30, first=0.5, longest=5.0)


async def set_desired(world: Scene, cluster: str, wanted: DesiredState) -> int:
    """The generation from which on the copy there wants it. Conditional on what was read: a late call of somebody frozen changes nothing."""
    found = await reading.copy(world, cluster)
    if found["spec"].get("desiredState", DesiredState.RUNNING) != wanted:
        metadata = found["metadata"]
        patch = {
            "metadata": {"resourceVersion": metadata["resourceVersion"]},
            "spec": {"desiredState": wanted.value},
        }
        found = await world.clusters.get(cluster).patch(
            PROTECTION_GROUPS, metadata["name"], metadata["namespace"], patch, manager=FAILOVER_CONTROLLER
        )
    return int(found["metadata"]["generation"])


def reached(group: Object | None, generation: int, wanted: CurrentState) -> bool:
    """The controller has seen that generation, and every VM follows."""
    status = (group or {}).get("status") or {}
    return (status.get("observedGeneration") or 0) >= generation and status.get("currentState") == wanted


def stopped(
    world: World, call: Call, cluster: str, seconds: float, then: Callable[[Any], Answer] | None = None
) -> Waiting:
    """Has the group there stopped, and waits until its controller says so; then goes on with `then`. It is not proof enough to move authority."""
    call.check()
    generation = world.ask(set_desired(world, cluster, DesiredState.STOPPED))

    def until(group: Object | None) -> Outcome | None:
        _unchanged(world, group, cluster, DesiredState.STOPPED)
        return Outcome({"generation": generation}) if reached(group, generation, CurrentState.STOPPED) else None

    return Waiting(GroupTopic(world, cluster), world.move.group, until, then, _late(world, cluster, "stop", seconds))


def _unchanged(world: World, group: Object | None, cluster: str, wanted: DesiredState) -> None:
    if group is not None and group["spec"].get("desiredState", DesiredState.RUNNING) != wanted:
        raise Unsettled(
            f"Somebody has set desiredState of {world.move.group} on {cluster} to {group['spec'].get('desiredState')} in the middle of its"
            f" failover, which needs {wanted.value} there: stop whatever applies it (GitOps?)"
        )


async def at_rest(world: Scene, cluster: str) -> None:
    """Raises Unsettled unless every member there is proven stopped, and then no disk is open any more."""
    group = await reading.copy(world, cluster)
    looked, disks = await asyncio.gather(reading.look(world, cluster, group), reading.volumes(world, cluster, group))
    if running := sight(looked).not_halted:
        raise Unsettled(
            f"{', '.join(running[:5])} of {world.move.group} are not proven stopped on {cluster}, though its controller says so"
        )
    if disks.handles:
        found = await world.storage.release(disks.handles, world.site(cluster))
        if not found.done:
            held = ", ".join(f"{volume} on {node}" for volume, node in [*found.held, *found.unknown][:5])
            raise Unsettled(f"Disks of {world.move.group} are not seen released on {cluster}: {held}")


def _late(world: World, cluster: str, verb: str, seconds: float) -> str:
    move = world.move
    return (
        f"{move.group} did not {verb} on {cluster} within {seconds:.0f} s. See which VM does not follow: kubectl describe protectiongroup"
        f" {move.group} -n {move.namespace} and kubectl get vmi -n {move.namespace} on {cluster}; then the log of protection-group-controller there"
    )


class StopSource(MoveStep):
    """The group's VMs go down here: from now until `start_target` nobody has them."""

    retry = _PATIENT

    def act(self, call: Call) -> Answer:
        if self.move.type is FailoverType.UNPLANNED:
            return self._if_it_answers(call)
        return stopped(self.world, call, self.move.source, self.timeout)

    def _if_it_answers(self, call: Call) -> Answer:
        """A source that is down is not waited for; one that answers is told, so that nothing starts there later."""
        call.check()
        try:
            self.world.ask(set_desired(self.world, self.move.source, DesiredState.STOPPED))
        except (base.Unknown, base.BadAccess) as error:
            text = f"{self.move.source} was not told to stop {self.move.group}: {error}. It is a debt now"
            self.world.story.tell("SourceNotAsked", text, "Warning")
            return Outcome({"away": True})
        return Outcome({"away": False})

    def undo(self, call: Call) -> Answer | None:
        """Runs again what ran before; what was stopped by a person stays so."""
        wanted = located(call).get("desired")
        if is_idle(call) or wanted != DesiredState.RUNNING or self.move.type is FailoverType.UNPLANNED:
            return Outcome()
        call.check()
        generation = self.world.ask(set_desired(self.world, self.move.source, DesiredState.RUNNING))

        def until(group: Object | None) -> Outcome | None:
            return Outcome() if reached(group, generation, CurrentState.RUNNING) else None

        late = _late(self.world, self.move.source, "start again", self.undo_timeout)
        return Waiting(GroupTopic(self.world, self.move.source), self.move.group, until, late=late)


class StartTarget(MoveStep):
    """Taints that the agent puts back are taken away again for as long as VMs are not up, within the step's time. So is quorum: a source that has
    just died is missed by the storage some seconds later, after its disks looked as if they could be opened without force."""

    retry = Retry(attempts=100_000, first=0.5, longest=2.0)

    def act(self, call: Call) -> Answer:
        self.world.ask(taints.removed(self.world))
        call.check()
        if self.move.type is FailoverType.UNPLANNED:
            self.world.ask(self._force())
        generation = self.world.ask(set_desired(self.world, self.move.target, DesiredState.RUNNING))
        topic = TargetTopic(self.world, self.move.target)
        until = self._until(generation)
        return Waiting(topic, self.move.group, until, late=_late(self.world, self.move.target, "start", self.timeout))

    def _until(self, generation: int) -> Callable[[Any], Outcome | None]:
        def until(seen: tuple[Object, list[str], str] | None) -> Outcome | None:
            group, tainted, closed = seen or (None, [], "")
            if reached(group, generation, CurrentState.RUNNING):
                return Outcome({"generation": generation})
            _unchanged(self.world, group, self.move.target, DesiredState.RUNNING)
            if tainted:
                raise Unsettled(self._put_back(tainted))
            if closed:
                raise Unsettled(f"{self.move.group} cannot be opened on {self.move.target}: {closed}")
            return None

        return until

    async def _force(self) -> None:
        """Nothing where it has taken effect already."""
        volumes = await handles(self.world)
        try:
            if volumes:
                await self.world.storage.prepare_forced(volumes, self.world.site(self.move.target))
        except NotPromotable as error:
            raise Unsettled(f"{self.move.group} cannot be opened on {self.move.target}: {error}") from error

    def _put_back(self, tainted: list[str]) -> str:
        return (
            f"Quorum taints ({', '.join(self.world.settings.taints)}) are put back on {', '.join(tainted[:5])} of {self.move.target} as fast as they"
            f" are removed, so {self.move.group} is not scheduled. The agent that sets them (such as the Piraeus HA controller) still sees lost"
            " quorum: mend the storage's connections, or stop the agent's taints (--disable-node-taints)"
        )

    def undo(self, call: Call) -> Answer | None:
        """Whether it worked is proven before authority is handed back."""
        if is_idle(call):
            return None
        return stopped(self.world, call, self.move.target, self.undo_timeout)


class TargetTopic(GroupTopic):
    """The group's copy, the nodes that carry quorum taints, and why its disks cannot be opened (any more) without force; empty when they can.

    Planned moves to one target are looked at together; the disks of an unplanned one are its own."""

    @property
    def key(self) -> tuple[str, str, str, str]:
        move = self.world.move
        alone = move.uid if move.type is FailoverType.UNPLANNED else ""
        return "target", self.cluster, move.namespace, alone

    def read(self, subjects: frozenset[str]) -> dict[str, Any]:
        tainted = self.world.ask(taints.tainted_nodes(self.world))
        closed = self.world.ask(self._closed()) if self.world.move.type is FailoverType.UNPLANNED else ""
        return {name: (group, tainted, closed) for name, group in super().read(subjects).items()}

    async def _closed(self) -> str:
        volumes = await handles(self.world)
        try:
            if volumes:
                await self.world.storage.promote(volumes, self.world.site(self.world.move.target), forced=True)
        except NotPromotable as error:
            return str(error)
        return ""


class VerifyTarget(MoveStep):
    """The commit: from here on nothing is taken back. So it believes live reads only."""

    retry = _PATIENT

    def act(self, call: Call) -> Answer:
        return Outcome({"running": self.world.ask(self._verify())})

    async def _verify(self) -> int:
        move = self.move
        there = await reading.copy(self.world, move.target)
        if self.world.claim_of(there).active != move.target:
            raise Unsettled(
                f"{move.target} has lost its authority over {move.group} to {self.world.claim_of(there).active}"
            )
        seen = await reading.look(self.world, move.target, there)
        late = not_up(seen, await reading.excluded(self.world, move.target))
        if late:
            raise Unsettled(f"{', '.join(late[:5])} of {move.group} do not run on {move.target}")
        if move.type is FailoverType.PLANNED:
            await self._nowhere_else()
        return len(seen)

    async def _nowhere_else(self) -> None:
        source = self.move.source
        try:
            left = sight(await reading.look(self.world, source, await reading.copy(self.world, source)))
        except (base.Unknown, base.BadAccess):
            return  # it was seen stopped without authority before; a source that went away since is no reason to stop the target
        if left.running:
            raise Unsettled(f"split-brain: {', '.join(left.running[:5])} of {self.move.group} run on {source} as well")
