"""What the group's controller tells: `currentState`, one row a member, conditions. Pure, but for the write at the end.

A write shows as a line in `kubectl get -w`, so one is made when something a person cares for has changed, and now and then as a sign of life."""

import dataclasses
import datetime
from collections.abc import Mapping, Sequence

from siterecovery.kubevirt.clusters import base
from siterecovery.kubevirt.controllers.protection_group.scope import MemberView, Scope
from siterecovery.kubevirt.crds.conditions import Condition, Truth, find, stamped
from siterecovery.kubevirt.crds.protection_group import (
    CurrentState,
    DesiredState,
    MemberPhase,
    MemberStatus,
    Status,
    VolumeStatus,
)
from siterecovery.kubevirt.domain import times
from siterecovery.kubevirt.domain.authority import Verdict
from siterecovery.kubevirt.domain.names import GROUP_CONTROLLER, GROUP_LABEL
from siterecovery.kubevirt.domain.resources import PROTECTION_GROUPS
from siterecovery.kubevirt.domain.virtual_machine import Power

READY, REPLICATED, FENCED, FAILOVER_READY = "Ready", "Replicated", "Fenced", "FailoverReady"
CONVERGING = "Converging"
"""Of Ready: on the way to what is desired."""
_SHORT = 256
_NAMED = 5
"""So many members or volumes are named in a message; the rows name them all."""


@dataclasses.dataclass(frozen=True)
class Copies:
    """How far the copies on the other cluster are. `complete` is None before the first attempt."""

    complete: bool | None = None
    message: str = "the copies on the other cluster were not looked at yet"
    note: str = ""
    """What people should know though everything is there."""


def current_state(members: Sequence[MemberView], desired: DesiredState) -> CurrentState:
    counted = [member for member in members if member.counts]
    powers = {_settled(member, desired) for member in counted}
    if Power.UNKNOWN in powers:
        return CurrentState.UNKNOWN
    if not powers:
        return CurrentState(desired.value)
    if powers == {Power.RUNNING}:
        return CurrentState.RUNNING
    return CurrentState.STOPPED if powers == {Power.STOPPED} else CurrentState.MIXED


def _settled(member: MemberView, desired: DesiredState) -> Power:
    """When it shall be stopped only Halted counts: a VM at Manual could still be started by anybody."""
    if desired is DesiredState.STOPPED and member.power is Power.STOPPED and not member.observed.halted:
        return Power.STOPPING
    return member.power


def published(state: CurrentState, before: CurrentState | None, members: Sequence[MemberView]) -> CurrentState:
    """`mixed` is seen at least once while a group of two or more changes, also when it was too fast to be caught in between."""
    ends = {CurrentState.RUNNING, CurrentState.STOPPED}
    if before in ends and state in ends and before is not state and sum(member.counts for member in members) > 1:
        return CurrentState.MIXED
    return state


_PHASES = {
    Power.RUNNING: MemberPhase.RUNNING,
    Power.STARTING: MemberPhase.STARTING,
    Power.STOPPING: MemberPhase.STOPPING,
    Power.STOPPED: MemberPhase.STOPPED,
    Power.COMPLETED: MemberPhase.COMPLETED,
    Power.UNKNOWN: MemberPhase.UNKNOWN,
}


def row(member: MemberView) -> MemberStatus:
    phase = _PHASES[member.power]
    if member.vm is None and member.power is Power.STOPPED:
        phase = MemberPhase.MISSING
    elif member.foreign or member.excluded:
        phase = MemberPhase.EXCLUDED
    elif member.waits:
        phase = MemberPhase.WAITING
    message = member.waits or ("" if member.told else member.observed.reason)
    return MemberStatus(
        name=member.name,
        phase=phase,
        node=member.observed.node,
        held=member.held or None,
        message=message[:_SHORT] or None,
        volumes=[_volume(member, claim, handle) for claim, handle in member.volumes.items()] or None,
    )


def _volume(member: MemberView, claim: str, handle: str | None) -> VolumeStatus:
    view = member.views.get(handle or "")
    if view is None:
        return VolumeStatus(name=claim, volume_handle=handle)
    return VolumeStatus(
        name=claim,
        volume_handle=handle,
        role=view.role,
        disk_state=view.disk_state,
        connection=view.connection,
        quorum=view.fenced,
    )


def build(scope: Scope, copies: Copies, now: datetime.datetime) -> Status:
    """The part of the status that this controller owns."""
    before = scope.group.status
    state = published(current_state(scope.members, scope.desired), before.current_state, scope.members)
    made = [ready(scope, state), replicated(scope), fenced(scope), failover_ready(scope, copies)]
    generation, moment = scope.group.metadata.generation, times.stamp(now)
    conditions = [
        stamped(
            Condition(
                type=kind,
                status=truth,
                reason=reason,
                message=message[:4096],
                observed_generation=generation,
                last_transition_time=moment,
            ),
            before.conditions or [],
        )
        for kind, truth, reason, message in made
    ]
    return Status(
        current_state=state,
        observed_generation=generation,
        last_observed_at=moment,
        virtual_machines=[row(member) for member in scope.members],
        conditions=conditions,
    )


Said = tuple[str, Truth, str, str]


def ready(scope: Scope, state: CurrentState) -> Said:
    authority = scope.authority
    if scope.problems:
        return READY, Truth.FALSE, "InvalidSpec", "; ".join(scope.problems)
    if authority.verdict is Verdict.SPLIT:
        return READY, Truth.FALSE, "SplitBrain", split_message(scope)
    if scope.desired is DesiredState.RUNNING and authority.verdict is Verdict.ELSEWHERE:
        return READY, Truth.FALSE, "NotActiveHere", not_active_message(scope)
    if scope.desired is DesiredState.RUNNING and authority.verdict in (Verdict.UNKNOWN, Verdict.UNCLAIMED):
        return READY, Truth.FALSE, "AuthorityUnknown", unknown_message(scope)
    if foreign := [member.name for member in scope.members if member.foreign]:
        return READY, Truth.FALSE, "NotItsOwn", foreign_message(scope, foreign)
    missing = [member.name for member in scope.members if member.vm is None]
    if missing:
        return (
            READY,
            Truth.FALSE,
            "MemberMissing",
            f"no such virtual machine: {_few(missing)}: create it, or take it out",
        )
    if scope.error:
        return READY, Truth.FALSE, "Retrying", scope.error
    if state.value == scope.desired.value:
        return READY, Truth.TRUE, "AsDesired", f"its virtual machines are {state.value}"
    return READY, Truth.FALSE, CONVERGING, _converging(scope)


def not_active_message(scope: Scope) -> str:
    active = scope.authority.claim.active
    return (
        f"the group is active on {active} (epoch {scope.authority.claim.epoch}): nothing is started on {scope.here}."
        f" To move it here, create a Failover with targetCluster: {scope.here}"
    )


def foreign_message(scope: Scope, names: Sequence[str]) -> str:
    return (
        f"on {scope.here} there are virtual machines of these names which nobody has made this group's, so they are left alone: {_few(names)}."
        f" Delete them, or label them {GROUP_LABEL}={scope.group.metadata.name}"
    )


def unknown_message(scope: Scope) -> str:
    silent = ", ".join(scope.authority.silent)
    if silent:
        return f"nothing is started before the copy of the group on {silent} could be read once: make it reachable"
    primary = scope.group.spec.clusters.primary
    return f"no cluster holds the group yet: {primary} takes it first, as soon as its controller runs there"


def split_message(scope: Scope) -> str:
    return (
        f"split-brain: two clusters claim the group under epoch {scope.authority.claim.epoch}, so nothing is started or stopped by itself."
        " Stop it on one side (kubectl patch protectiongroup … desiredState: stopped), make sure that no VMI is left there, then create a Failover"
    )


def _converging(scope: Scope) -> str:
    slow = [f"{member.name} ({member.waits or member.observed.reason or member.power})" for member in _open(scope)]
    return f"on the way to {scope.desired.value}: {_few(slow) or 'almost there'}"


def _open(scope: Scope) -> list[MemberView]:
    wanted = Power.RUNNING if scope.desired is DesiredState.RUNNING else Power.STOPPED
    return [member for member in scope.members if member.counts and member.power is not wanted]


def replicated(scope: Scope) -> Said:
    plain = [claim for member in scope.members for claim, handle in member.volumes.items() if not handle]
    views = {handle: view for member in scope.members for handle, view in member.views.items()}
    absent = [handle for handle, view in views.items() if not view.exists]
    if plain or absent:
        return REPLICATED, Truth.FALSE, "NotReplicated", f"no replicated volume behind {_few([*plain, *absent])}"
    if bad := [f"{handle}: {view.problem}" for handle, view in views.items() if view.problem]:
        return REPLICATED, Truth.FALSE, "RequirementsUnmet", _few(bad)
    if late := [handle for handle, view in views.items() if view.in_sync is False]:
        return REPLICATED, Truth.FALSE, "OutOfSync", f"not in sync with the other cluster: {_few(late)}"
    if unknown := [handle for handle, view in views.items() if view.in_sync is None]:
        return REPLICATED, Truth.UNKNOWN, "StorageSilent", f"nothing is known of {_few(unknown)}"
    if not views:
        return REPLICATED, Truth.UNKNOWN, "NoVolumes", "its virtual machines have no volumes of their own"
    return REPLICATED, Truth.TRUE, "InSync", f"{len(views)} volumes are in sync"


def fenced(scope: Scope) -> Said:
    views = {handle: view for member in scope.members for handle, view in member.views.items() if view.exists}
    if off := [handle for handle, view in views.items() if view.fenced is False]:
        return (
            FENCED,
            Truth.FALSE,
            "NoQuorum",
            (
                f"DRBD has no quorum for {_few(off)}: their virtual machines are held at runStrategy Manual,"
                " and are started only after the other cluster's epoch was read"
            ),
        )
    if unknown := [handle for handle, view in views.items() if view.fenced is None]:
        return FENCED, Truth.UNKNOWN, "StorageSilent", f"nothing is known of {_few(unknown)}"
    if not views:
        return FENCED, Truth.UNKNOWN, "NoVolumes", "it has no replicated volume that DRBD could keep from running twice"
    return FENCED, Truth.TRUE, "Quorum", "DRBD lets one side run only"


def failover_ready(scope: Scope, copies: Copies) -> Said:
    authority = scope.authority
    if authority.verdict is not Verdict.HERE:
        return FAILOVER_READY, Truth.UNKNOWN, "NotActiveHere", f"ask {authority.claim.active}"
    _, truth, reason, message = replicated(scope)
    if truth is not Truth.TRUE and reason != "NoVolumes":
        return FAILOVER_READY, truth, reason, message
    if scope.other in authority.silent:
        return FAILOVER_READY, Truth.UNKNOWN, "PeerUnreachable", f"{scope.other} cannot be reached"
    if copies.complete is None:
        return FAILOVER_READY, Truth.UNKNOWN, "CopiesUnknown", copies.message
    if not copies.complete:
        return FAILOVER_READY, Truth.FALSE, "CopiesIncomplete", copies.message
    more = f"; {copies.note}" if copies.note else ""
    return FAILOVER_READY, Truth.TRUE, "Ready", f"it can be moved to {scope.other}{more}"


def _few(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def worth_writing(
    new: Status, before: Status, now: datetime.datetime, *, rows_every: float, alive_every: float
) -> bool:
    """Rows alone may wait a moment, so that a thousand of them do not make a thousand writes; `alive_every` seconds without any write is too long."""
    if _headline(new) != _headline(before):
        return True
    age = _age(before, now)
    return age >= alive_every or (age >= rows_every and _rows(new) != _rows(before))


def _rows(status: Status) -> list[object]:
    """What is told of each member."""
    return [item.wire() for item in status.virtual_machines or []]


def _age(before: Status, now: datetime.datetime) -> float:
    return (now - times.read(before.last_observed_at)).total_seconds() if before.last_observed_at else float("inf")


def _headline(status: Status) -> tuple[object, ...]:
    """Without who is still on the way, which says what the rows say."""
    owned = (READY, REPLICATED, FENCED, FAILOVER_READY)
    told = [find(status.conditions or [], kind) for kind in owned]
    return (
        status.current_state,
        status.observed_generation,
        *(
            (item.status, item.reason, "" if item.reason == CONVERGING else item.message) if item else None
            for item in told
        ),
    )


async def write(cluster: base.Cluster, scope: Scope, status: Status) -> None:
    """Server-side apply: what other writers own in the status stays theirs."""
    name, namespace = scope.group.metadata.name, scope.group.metadata.namespace
    obj = PROTECTION_GROUPS.header(name, namespace) | {"status": status.wire()}
    await cluster.apply(PROTECTION_GROUPS, obj, manager=GROUP_CONTROLLER, subresource="status")


def transitions(new: Status, before: Status) -> list[tuple[str, str, str]]:
    """Events worth telling: (reason, message, type)."""
    told = []
    if new.current_state is not before.current_state:
        told.append(("StateChanged", f"{(before.current_state or 'new')} → {new.current_state}", "Normal"))
    for condition in new.conditions or []:
        old = find(before.conditions or [], condition.type)
        if (old is None or (old.reason, old.status) != (condition.reason, condition.status)) and _bad(condition):
            told.append((condition.reason, condition.message, "Warning"))
    return told


_ALARMS: Mapping[str, frozenset[str]] = {
    READY: frozenset({"InvalidSpec", "SplitBrain", "NotActiveHere", "AuthorityUnknown", "MemberMissing", "NotItsOwn"}),
    REPLICATED: frozenset({"NotReplicated", "RequirementsUnmet", "OutOfSync"}),
    FENCED: frozenset({"NoQuorum"}),
}


def _bad(condition: Condition) -> bool:
    return condition.reason in _ALARMS.get(condition.type, frozenset())
