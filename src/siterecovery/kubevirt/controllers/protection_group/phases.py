"""The phases of one pass, in order. Each looks at the world and leaves what it has found or done in the scope; none trusts a flag of an earlier
pass."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from siterecovery.kubevirt.clusters import authority as copies
from siterecovery.kubevirt.clusters import base, virtual_machines
from siterecovery.kubevirt.controllers.protection_group.cache import Peers
from siterecovery.kubevirt.controllers.protection_group.promises import Clusters
from siterecovery.kubevirt.controllers.protection_group.scope import MemberView, Scope
from siterecovery.kubevirt.crds.protection_group import DesiredState, ProtectionGroup
from siterecovery.kubevirt.domain import ordering
from siterecovery.kubevirt.domain import virtual_machine as vms
from siterecovery.kubevirt.domain.authority import NOBODY, Authority, Claim, Verdict, claim_of, decide
from siterecovery.kubevirt.domain.names import GROUP_LABEL, OWED_STOP
from siterecovery.kubevirt.domain.resources import PROTECTION_GROUPS, Object
from siterecovery.kubevirt.domain.virtual_machine import Power

LIVE_LIMIT = 5.0
"""Seconds another cluster has to answer when its copy is read live."""
_AT_ONCE = 16
_IN_TRANSITION = 2.0
_SOON = 0.3


class Placement:
    """Where this cluster stands in a group: its names there, and the other copies."""

    def __init__(self, clusters: Clusters, group: ProtectionGroup) -> None:
        self._clusters = clusters
        names = group.spec.clusters
        self._names = (names.primary, names.dr)
        self.here = next((name for name in self._names if clusters.same(name, clusters.local.name)), "")
        self.other = next((name for name in self._names if name != self.here), "")
        self.quorum = names.quorum
        self.elsewhere = [name for name in (self.other, names.quorum) if name]

    def named(self, claim: Claim) -> Claim:
        """With the name the group's spec uses: copies may carry an alias."""
        known = next((name for name in self._names if self._clusters.same(name, claim.active)), claim.active)
        return Claim(claim.epoch, known) if claim != NOBODY else claim

    def judge(self, own: Claim, others: Mapping[str, Claim | None]) -> Authority:
        read = {name: self.named(claim) if claim is not None else None for name, claim in others.items()}
        return decide(self.here, self._names[0], self.named(own), read)

    def remembered(self, wire: Mapping[str, Any], peers: Peers) -> Authority:
        """By the copies as they were last heard of."""
        others: dict[str, Claim | None] = {}
        key = (wire["metadata"]["namespace"], wire["metadata"]["name"])
        for name in self.elsewhere:
            try:
                canonical = self._clusters.resolve(name)
                peers.follow(canonical, self._clusters.get(name))
            except base.ClusterError:  # an unknown cluster is one whose copy cannot be read: the condition says which
                others[name] = None
                continue
            readable, copy = peers.copy(canonical, key)
            others[name] = claim_of(copy) if readable else None
        return self.judge(claim_of(wire), others)

    async def live(self, wire: Mapping[str, Any]) -> Authority:
        """By reads made now."""
        metadata = wire["metadata"]
        answers = await asyncio.gather(
            *(self._read(name, metadata["namespace"], metadata["name"]) for name in self.elsewhere)
        )
        return self.judge(claim_of(wire), dict(zip(self.elsewhere, answers, strict=True)))

    async def _read(self, name: str, namespace: str, group: str) -> Claim | None:
        try:
            async with asyncio.timeout(LIVE_LIMIT):
                return await copies.read(self._clusters.get(name), namespace, group)
        except (base.ClusterError, TimeoutError):  # unread, whatever the reason: `Authority.silent` names it
            return None


def check_spec(scope: Scope) -> None:
    """What servers without CEL let through, and members that are another group's: those are not touched."""
    scope.problems += scope.group.spec.broken(at="spec")
    taken = {member.name: label for member in scope.members if (label := _taken_by(member, scope.group.metadata.name))}
    scope.problems += [
        f"{name} is a member of group {label}: take it out of one of the two" for name, label in taken.items()
    ]
    scope.members = [member for member in scope.members if member.name not in taken]


def _taken_by(member: MemberView, group: str) -> str | None:
    label = ((member.vm or {}).get("metadata", {}).get("labels") or {}).get(GROUP_LABEL)
    return str(label) if label and label != group else None


async def settle_authority(scope: Scope, cluster: base.Cluster, placement: Placement) -> None:
    """Takes over a newer claim; makes the first one, on the primary, when everybody was asked now and nobody has any."""
    if scope.authority.behind:
        claim = scope.authority.claim
        scope.wire = await copies.write(cluster, scope.wire, claim)
        scope.events.append(("AuthorityChanged", f"active on {claim.active} since epoch {claim.epoch}", "Normal"))
    elif scope.authority.verdict is Verdict.UNCLAIMED:
        now = await placement.live(scope.wire)
        if now.verdict is Verdict.UNCLAIMED:
            scope.wire = await copies.write(cluster, scope.wire, Claim(1, scope.here))
            scope.events.append(("AuthorityClaimed", f"active on {scope.here}, epoch 1", "Normal"))
            now = await placement.live(scope.wire)
        scope.authority = now


async def enrol(scope: Scope, cluster: base.Cluster) -> None:
    """Records what each new member is set to, and what a person has set one to since. Only where the group is at home: on the other cluster its VMs
    are the copies that were made for it, and what else has such a name is somebody else's."""
    home = (
        scope.authority.verdict in (Verdict.UNCLAIMED, Verdict.UNKNOWN)
        and scope.here == scope.group.spec.clusters.primary
    )
    if scope.authority.verdict is Verdict.HERE or home:
        for member in scope.members:
            member.meant = _run_to_record(member, scope.desired) or ""

        async def record(member: MemberView, vm: Object) -> None:
            member.vm = await virtual_machines.enrol(cluster, vm, scope.group.metadata.name, member.meant)

        await _each(scope, [member.name for member in scope.members if member.meant], record)
    for member in scope.members:
        label = ((member.vm or {}).get("metadata", {}).get("labels") or {}).get(GROUP_LABEL)
        member.foreign = member.vm is not None and label != scope.group.metadata.name and not member.meant


def _run_to_record(member: MemberView, desired: DesiredState) -> str | None:
    """None: what is recorded is right. A VM that is halted when a running group takes it stays halted; in a stopped group nobody can tell whether it
    was meant to, and it will be started like KubeVirt itself would: as Always."""
    if member.vm is None or member.held:
        return None
    labelled = GROUP_LABEL in (member.vm["metadata"].get("labels") or {})
    known, run = vms.recorded(member.vm), vms.run_of(member.vm)
    if known is None and member.halted_now and desired is DesiredState.STOPPED:
        return "running=true" if run.startswith("running=") else vms.ALWAYS
    if known is None or (not member.halted_now and known != run):
        return run
    return None if labelled else known


async def dismiss_former(scope: Scope, cluster: base.Cluster, labelled: Sequence[Object]) -> None:
    """VMs that were taken out of the group: nothing of ours stays on them, and they go on as they are. What fails here concerns no member."""
    names = {member.name for member in scope.members}
    for vm in labelled:
        if vm["metadata"]["name"] not in names:
            try:
                await virtual_machines.dismiss(cluster, vm)
            except base.ClusterError as error:
                scope.error = str(error)
                scope.look_again(_SOON if isinstance(error, base.Conflict) else _IN_TRANSITION)


async def hold(scope: Scope, cluster: base.Cluster) -> None:
    """A VM whose disks have no quorum stands at Manual while it runs; one whose disks have it again goes back to what it was set to. With a held one
    it is noted under which epoch it has run."""
    epoch = scope.authority.claim.epoch

    async def change(member: MemberView, vm: Object) -> None:
        runs = member.power is Power.RUNNING
        if not member.wrongly_set():
            member.vm = await virtual_machines.note(cluster, vm, epoch)
        elif member.held:
            member.vm = await virtual_machines.let_go(cluster, vm)
            scope.events.append(("LetGo", f"{member.name}: its quorum is back", "Normal"))
        else:
            member.vm = await virtual_machines.hold(cluster, vm, epoch=epoch if runs else None)
            scope.events.append(("Held", f"{member.name}: no quorum, so only this controller starts it", "Warning"))

    names = [member.name for member in scope.members if member.wrongly_set() or _to_note(member, epoch)]
    await _each(scope, names, change)


def _to_note(member: MemberView, epoch: int) -> bool:
    running = member.vm is not None and not member.foreign and member.held and member.power is Power.RUNNING
    return running and vms.started_under(member.vm or {}) != epoch


async def drive(scope: Scope, cluster: base.Cluster, placement: Placement) -> None:
    """Stopping is always obeyed, and done unasked where another cluster is active. Starting needs the authority, read now."""
    verdict = scope.authority.verdict
    if scope.desired is DesiredState.STOPPED or verdict is Verdict.ELSEWHERE:
        await _stop(scope, cluster)
    elif verdict is Verdict.HERE:
        await _start(scope, cluster, placement)


async def _stop(scope: Scope, cluster: base.Cluster) -> None:
    standings = [member.stopping() for member in scope.members]
    names = ordering.to_stop(standings)
    told = set(names)
    waiting = {standing.name for standing in standings if not standing.moving and standing.name not in told}
    for member in scope.members:
        if member.name in waiting:
            member.waits = "waits for others to stop first"

    async def stop(member: MemberView, vm: Object) -> None:
        member.vm = await virtual_machines.stop(cluster, vm)
        member.told = Power.STOPPING

    for member in scope.members:
        if member.name in told and member.about_to_start:
            member.waits = "KubeVirt has not taken note of its start yet: it is stopped in a moment"
            names.remove(member.name)
            scope.look_again(_SOON)
    await _each(scope, names, stop)
    if not all(member.observed.halted for member in scope.members if not member.foreign):
        scope.look_again(_IN_TRANSITION)


async def _start(scope: Scope, cluster: base.Cluster, placement: Placement) -> None:
    standings = [member.starting() for member in scope.members]
    names = ordering.to_start(standings)
    _tell_waiting(scope, standings, names)
    if not all(standing.passed for standing in standings):
        scope.look_again(_IN_TRANSITION)
    if not names or not await _still_ours(scope, cluster, placement):
        return
    unsafe = [member for member in scope.members if member.name in names and not _may_start(member, scope)]
    for member in unsafe:
        member.waits = "held: no quorum, and neither another copy's epoch nor a DRBD connection can be seen"
        names.remove(member.name)

    async def start(member: MemberView, vm: Object) -> None:
        member.vm = await virtual_machines.start(cluster, vm, held=not member.fenced())
        member.told = Power.STARTING

    await _each(scope, names, start)


def _tell_waiting(scope: Scope, standings: Sequence[ordering.Standing], names: Sequence[str]) -> None:
    open_, told = [standing.name for standing in standings if not standing.passed], set(names)
    for member, standing in zip(scope.members, standings, strict=True):
        if not standing.moving and standing.name not in told:
            others = [name for name in open_[:4] if name != standing.name]
            member.waits = f"waits for {', '.join(others[:3])}"


async def _still_ours(scope: Scope, cluster: base.Cluster, placement: Placement) -> bool:
    """Right before something is started: the group and all other copies, read live. What has changed is left to the next pass."""
    own = await cluster.find(PROTECTION_GROUPS, scope.group.metadata.name, scope.group.metadata.namespace)
    if own is None or own["spec"].get("desiredState") != scope.wire["spec"].get("desiredState"):
        scope.look_again(_SOON)
        return False
    scope.authority = await placement.live(own)
    if not scope.authority.may_start:
        scope.look_again(_SOON)
    return scope.authority.may_start


def _may_start(member: MemberView, scope: Scope) -> bool:
    return member.fenced() or scope.authority.confirmed or member.connected() or _sworn(member, scope)


def _sworn(member: MemberView, scope: Scope) -> bool:
    """An unplanned failover has brought the group here under this epoch, and a person has confirmed that the other cluster is down: it is still owed
    its stop. That word counts for each VM until it was seen running: after a power failure here it may be the other cluster that was brought up."""
    epoch = scope.authority.claim.epoch
    owed = any(
        debt.kind == OWED_STOP and debt.cluster == scope.other and debt.epoch == epoch
        for debt in scope.group.status.debts or ()
    )
    return owed and member.vm is not None and vms.started_under(member.vm) != epoch


async def _each(scope: Scope, names: Sequence[str], do: Callable[[MemberView, Object], Awaitable[None]]) -> None:
    """All of them, some at a time. One that fails does not stop the others; it is tried again soon."""
    gate, wanted = asyncio.Semaphore(_AT_ONCE), set(names)

    async def one(member: MemberView) -> None:
        if member.vm is None:
            return
        async with gate:
            try:
                await do(member, member.vm)
            except base.Conflict:  # somebody was faster: the cache will show it in a moment
                scope.look_again(_SOON)
            except base.ClusterError as error:
                scope.error = str(error)
                scope.look_again(_IN_TRANSITION)

    await asyncio.gather(*(one(member) for member in scope.members if member.name in wanted))


async def confirm_stopped(scope: Scope, cluster: base.Cluster) -> None:
    """Before `stopped` is told for the first time it is looked at live: whoever waits for it goes on to the disks."""
    seen = await virtual_machines.look(
        cluster, scope.group.metadata.namespace, [member.name for member in scope.members]
    )
    for member in scope.members:
        member.observed = seen[member.name]
    if not all(member.observed.halted for member in scope.members if not member.foreign):
        scope.look_again(_IN_TRANSITION)
