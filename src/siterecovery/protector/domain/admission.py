"""May this operation begin? Pure rules over one picture of the group; the API asks them before it looks around, and again in the transaction
that accepts the operation.

What is a matter of state is a conflict and is raised at once, in the documented order: is it held, is it asked at the right site, does the
group's state allow it. What a person can supply is an unmet precondition, and all of them are told together.
"""

import dataclasses
from collections.abc import Mapping, Sequence

from siterecovery.protector.domain.errors import Conflict, RemoteSiteUnreachable, Unmet
from siterecovery.protector.domain.member import CopyState, Member, Volume, VolumeCopy
from siterecovery.protector.domain.operation import Operation
from siterecovery.protector.domain.policy import Policy
from siterecovery.protector.domain.protection_group import ProtectionGroup
from siterecovery.protector.domain.states import (
    ALLOWED,
    FORCED_FAILOVER_FROM,
    TERMINAL,
    GroupStatus,
    OperationType,
    PolicyStatus,
    SyncStatus,
)

CANNOT_MODIFY = "Cannot modify protection group — remote site unreachable"
SYNC_REQUIRED = "Remote site unreachable — metadata sync required"
NOT_FAILED_OVER = "Protection Group is not in failed_over state"
NOT_COMPLETED = "Operation not in completed state"

_SYNC_FORCE = "Run protection-group sync-force on the site where the group is active, then retry."

MOVES = frozenset({OperationType.FAILOVER, OperationType.FAILBACK})
REBUILDS = MOVES | {OperationType.TEST_FAILOVER}
"""These create servers on the target: they need members, a policy, mappings and quota there."""
NEED_POLICY = REBUILDS | {OperationType.SYNC_VOLUMES}
ANYWHERE = frozenset({OperationType.TEST_CLEANUP})
"""Either site may do it: the active test is part of the metadata document."""
WITHOUT_PEER = frozenset({OperationType.TEST_CLEANUP})
PASSING: Mapping[OperationType, GroupStatus] = {
    OperationType.FAILOVER: GroupStatus.FAILING_OVER,
    OperationType.FAILBACK: GroupStatus.FAILING_BACK,
    OperationType.DELETE_GROUP: GroupStatus.DELETING,
}
"""The status an accepted operation gives the group; the others leave it as it is."""


@dataclasses.dataclass(frozen=True)
class Ask:
    """What is asked. `test_operation_id` names the drill that a test_cleanup is meant for."""

    type: OperationType
    force: bool = False
    reverse_replication: bool = False
    test_operation_id: str | None = None

    @property
    def forced_move(self) -> bool:
        return self.force and self.type in MOVES


@dataclasses.dataclass(frozen=True)
class Picture:
    """What this site's database knows of the group. `site_names` by id; `mapped` says that an admin has mapped the project to the peer's."""

    group: ProtectionGroup
    this_site_id: str
    members: Sequence[Member] = ()
    volumes: Sequence[Volume] = ()
    copies: Sequence[VolumeCopy] = ()
    policy: Policy | None = None
    operations: Sequence[Operation] = ()
    site_names: Mapping[str, str] = dataclasses.field(default_factory=dict)
    mapped: bool = True

    @property
    def active_here(self) -> bool:
        return self.group.current_primary_site_id == self.this_site_id

    @property
    def other_site_id(self) -> str:
        return self.group.other_site(self.this_site_id)

    def site_name(self, site_id: str) -> str:
        return self.site_names.get(site_id, site_id)


@dataclasses.dataclass(frozen=True)
class PeerRecord:
    """The peer's answer. `known`: it has a record of the group."""

    known: bool
    epoch: int = 0
    version: int = 0


@dataclasses.dataclass(frozen=True)
class Peer:
    """What was learnt of the peer: `asked` is False where the sites' Protectors do not talk to one another (client relay)."""

    record: PeerRecord | None = None
    asked: bool = True

    @property
    def unreachable(self) -> bool:
        return self.asked and self.record is None


def direction(ask: Ask, picture: Picture) -> tuple[str, str]:
    """(source, target) site ids. What moves and copies nothing happens where the group is active."""
    group = picture.group
    active, other = group.current_primary_site_id, group.other_site(group.current_primary_site_id)
    if ask.type in (OperationType.TEST_FAILOVER, OperationType.TEST_CLEANUP, OperationType.SYNC_VOLUMES):
        return active, other
    if ask.type in MOVES:
        return (other, active) if _retries_missing(ask, group) else (active, other)
    return active, active


def check_conflicts(ask: Ask, picture: Picture) -> None:
    """Raises Conflict (409) when the group's state does not allow the operation at this site now."""
    _check_hold(ask, picture)
    _check_site(ask, picture)
    _check_status(ask, picture.group)
    _check_test(ask, picture.group)


def check_peer(ask: Ask, picture: Picture, peer: Peer) -> None:
    """Raises RemoteSiteUnreachable (503) when the peer must answer and does not, Conflict when it knows a later epoch than this site."""
    if peer.record is not None and peer.record.known and peer.record.epoch > picture.group.failover_epoch:
        raise Conflict(
            f"The other site knows epoch {peer.record.epoch} of the group, this site only {picture.group.failover_epoch}.",
            code="protection_group.superseded",
            remedy="Run protection-group sync-force on the site where the group is active, then look where that is.",
        )
    if ask.type in WITHOUT_PEER:
        return
    if ask.forced_move and not (ask.type is OperationType.FAILBACK and picture.active_here):
        return
    if peer.unreachable:
        raise RemoteSiteUnreachable(
            CANNOT_MODIFY,
            remedy="Check that protector-api answers on the other site. Only in a real outage: failover with force on the other site.",
        )


def unmet(ask: Ask, picture: Picture, peer: Peer) -> list[Unmet]:
    """All preconditions that this picture shows to be unmet."""
    return [
        *_unmet_sync(ask, picture, peer),
        *_unmet_policy(ask, picture),
        *_unmet_members(ask, picture),
        *_unmet_return(ask, picture),
        *unmet_mapping(picture.mapped, picture.site_name(picture.other_site_id), forced=ask.forced_move),
    ]


def admit(ask: Ask, picture: Picture, peer: Peer) -> list[Unmet]:
    """All unmet preconditions, none when the operation may begin. Raises Conflict and RemoteSiteUnreachable."""
    check_conflicts(ask, picture)
    check_peer(ask, picture, peer)
    return unmet(ask, picture, peer)


def check_change(picture: Picture) -> None:
    """A change of the metadata alone (name, mappings): where the group is active, while it rests."""
    _check_hold(Ask(OperationType.SYNC_FORCE), picture)
    _check_site(Ask(OperationType.SYNC_FORCE), picture)
    _check_status(Ask(OperationType.SYNC_FORCE), picture.group)


def admit_change(picture: Picture, peer: Peer) -> list[Unmet]:
    """As `admit`, for a change of the metadata alone."""
    check_change(picture)
    check_peer(Ask(OperationType.SYNC_FORCE), picture, peer)
    return _unmet_reachable(picture.group)


def check_reset(picture: Picture) -> None:
    """An administrator's way out of `error`, on either site; an operation that still runs is left alone."""
    hold = picture.group.hold_operation_id
    if any(operation.id == hold for operation in picture.operations):
        raise busy(str(hold), picture.operations)
    _check_status(Ask(OperationType.RESET), picture.group)


def warnings(ask: Ask, picture: Picture, peer: Peer) -> tuple[str, ...]:
    """What the answer to an accepted operation must say."""
    if not ask.forced_move:
        return ()
    source = picture.site_name(direction(ask, picture)[0])
    said = [f"Forced: what was written on {source} after the recovery point is lost."]
    if peer.record is not None:
        said.append("The other site answers: a planned operation would lose nothing; force risks diverging metadata.")
    elif ask.type is OperationType.FAILOVER:
        said.append(
            f"Copies of the VMs may still run on {source} until the link is back; they are then stopped first. "
            "Remote sync is UNREACHABLE until protection-group sync-force has run."
        )
    return tuple(said)


def rebuildable(members: Sequence[Member]) -> list[Member]:
    """The members an operation is about: a failed add has nothing to rebuild from and stays out."""
    return [member for member in members if member.rebuild is not None]


def check_cleanup(operation: Operation, picture: Picture | None, peer: Peer, *, running: bool) -> None:
    """A person's cleanup of an ended operation: `running` says that one is under way already."""
    if operation.status not in TERMINAL:
        raise Conflict(
            NOT_COMPLETED,
            code="operation.not_completed",
            remedy=f"It is {operation.status}; wait until it is completed or failed.",
        )
    if running:
        raise Conflict(
            f"A cleanup of operation {operation.id} is running.",
            code="operation.cleanup_running",
            remedy="Wait until its cleanup status is completed or failed.",
        )
    if picture is not None:
        _check_hold(Ask(OperationType.CLEANUP), picture)
    if peer.unreachable:
        raise RemoteSiteUnreachable(
            SYNC_REQUIRED, remedy="Wait until the other site is back, run protection-group sync-force, then retry."
        )


def check_cancel(operation: Operation) -> None:
    if operation.status in TERMINAL:
        raise Conflict(f"Operation {operation.id} has ended: it is {operation.status}.", code="operation.ended")


def busy(operation_id: str, operations: Sequence[Operation] = ()) -> Conflict:
    kind = next((f" ({operation.type})" for operation in operations if operation.id == operation_id), "")
    return Conflict(
        f"Operation {operation_id}{kind} holds the protection group.",
        code="protection_group.busy",
        remedy="Wait until it has ended (operation show), or cancel it.",
    )


def _check_hold(ask: Ask, picture: Picture) -> None:
    """FORCE_OVERRIDES: a hold that the peer has told of, perhaps before it died, never refuses a forced move; this site's own always does."""
    group = picture.group
    if group.hold_operation_id is not None:
        raise busy(group.hold_operation_id, picture.operations)
    if group.remote_hold is not None and not ask.forced_move:
        raise busy(group.remote_hold)


def _check_site(ask: Ask, picture: Picture) -> None:
    """ONE_DOOR: planned operations and changes are accepted only by the site where the group is active, so that two sites never accept any for
    the same epoch. Forced moves are accepted by their target."""
    group = picture.group
    if ask.type in ANYWHERE:
        return
    if ask.forced_move:
        target = direction(ask, picture)[1]
        # A forced failback with both sites up accepts a loss, but is otherwise planned: the active site may run it too.
        if target == picture.this_site_id or (ask.type is OperationType.FAILBACK and picture.active_here):
            return
        raise Conflict(
            f"A forced {ask.type} is accepted only by its target, site {picture.site_name(target)}.",
            code="protection_group.ask_target",
            remedy=f"Send the request to the Protector of site {picture.site_name(target)}.",
        )
    if not picture.active_here:
        name = picture.site_name(group.current_primary_site_id)
        raise Conflict(
            f"The protection group is active on site {name}.",
            code="not_active_here",
            remedy=f"Send the request to the Protector of site {name}.",
        )


def _check_status(ask: Ask, group: ProtectionGroup) -> None:
    allowed = ALLOWED[ask.type]
    if ask.force and ask.type is OperationType.FAILOVER:
        allowed = FORCED_FAILOVER_FROM
    if group.status in allowed:
        return
    first = NOT_FAILED_OVER if ask.type is OperationType.FAILBACK else _not_in(allowed)
    raise Conflict(first, code="protection_group.wrong_state", remedy=f"It is {group.status}: {group.status.sentence}")


def _not_in(allowed: frozenset[GroupStatus]) -> str:
    return f"Protection Group is not in {' or '.join(s for s in GroupStatus if s in allowed)} state"


def _check_test(ask: Ask, group: ProtectionGroup) -> None:
    test = group.active_test_operation_id
    if ask.type is OperationType.TEST_CLEANUP:
        if test is None:
            raise Conflict(
                "No test failover is active.", code="test.not_active", remedy="There is nothing to clean up."
            )
        if ask.test_operation_id not in (None, test):
            raise Conflict(
                f"The active test is operation {test}, not {ask.test_operation_id}.",
                code="test.not_active",
                remedy="Name the active test, or none; what an ended operation left behind is removed by operation cleanup.",
            )
        return
    second_test = ask.type is OperationType.TEST_FAILOVER
    planned = ask.type is OperationType.FAILOVER and not ask.force
    if test is not None and (second_test or planned or ask.type is OperationType.DELETE_GROUP):
        raise Conflict(
            f"A test failover is active (operation {test}).",
            code="test.active",
            remedy="Run test-cleanup first.",
        )


def _retries_missing(ask: Ask, group: ProtectionGroup) -> bool:
    return ask.type is OperationType.FAILOVER and ask.force and group.status is GroupStatus.FAILED_OVER_PARTIAL


def _unmet_sync(ask: Ask, picture: Picture, peer: Peer) -> list[Unmet]:
    group = picture.group
    if ask.forced_move or ask.type in WITHOUT_PEER or ask.type is OperationType.SYNC_FORCE:
        return []
    remedy = "Run protection-group sync-force on the site where the group is active, then retry."
    if group.remote_sync_status is SyncStatus.UNREACHABLE:
        return [
            Unmet("metadata.out_of_sync", "The other site was unreachable and has not been synchronised since.", remedy)
        ]
    if ask.type not in REBUILDS or (not peer.asked and group.remote_sync_version == group.metadata_version):
        return []
    here = (group.failover_epoch, group.metadata_version)
    there = (peer.record.epoch, peer.record.version) if peer.record and peer.record.known else None
    if here == there:
        return []
    said = f"version {there[1]} of epoch {there[0]}" if there else "no version"
    return [
        Unmet(
            "metadata.out_of_sync",
            f"The metadata is OUT OF SYNC: this site has version {here[1]} of epoch {here[0]}, the other site {said}.",
            _SYNC_FORCE,
        )
    ]


def _unmet_reachable(group: ProtectionGroup) -> list[Unmet]:
    """Once the other site was unreachable, nothing but what is named in `unmet` goes on until the sites have been synchronised."""
    if group.remote_sync_status is not SyncStatus.UNREACHABLE:
        return []
    said = "The other site was unreachable and has not been synchronised since."
    return [Unmet("metadata.out_of_sync", said, _SYNC_FORCE)]


def _unmet_policy(ask: Ask, picture: Picture) -> list[Unmet]:
    if ask.type not in NEED_POLICY:
        return []
    if picture.policy is None:
        return [
            Unmet(
                "policy.missing",
                "The protection group has no replication policy.",
                "Create one: openstack dr policy create.",
            )
        ]
    if picture.policy.status is not PolicyStatus.ACTIVE and not ask.forced_move:
        reason = f": {picture.policy.error_message}" if picture.policy.error_message else "."
        detail = f"The replication policy is {picture.policy.status}{reason}"
        return [Unmet("policy.not_active", detail, "Correct what it names and create the policy again.")]
    return []


def _unmet_members(ask: Ask, picture: Picture) -> list[Unmet]:
    if ask.type not in NEED_POLICY or rebuildable(picture.members):
        return []
    return [Unmet("members.missing", "The protection group has no members.", "Add one: openstack dr member add.")]


def _unmet_return(ask: Ask, picture: Picture) -> list[Unmet]:
    if ask.type is not OperationType.FAILBACK or ask.reverse_replication:
        return []
    target = direction(ask, picture)[1]
    found = []
    if not ask.force:
        found.append(
            Unmet(
                "failback.reverse_replication_required",
                "Without reverse_replication everything written since the failover would be lost.",
                "Set reverse_replication, or force to accept the loss.",
            )
        )
    kept = (CopyState.STALE, CopyState.RETAINED, CopyState.SNAPSHOT)
    if not any(copy.site_id == target and copy.state in kept for copy in picture.copies):
        found.append(
            Unmet(
                "failback.no_copy",
                f"Site {picture.site_name(target)} holds neither retained volumes nor a snapshot to go back to.",
                "Set reverse_replication.",
            )
        )
    return found


def unmet_mapping(mapped: bool, other_site: str, *, forced: bool = False) -> list[Unmet]:
    """An admin must have said which project on the other site is this one. A forced move works without: the peer checks it when it is back."""
    if mapped or forced:
        return []
    return [
        Unmet(
            "tenant_mapping.missing",
            f"The project is not mapped to a project on site {other_site}.",
            "Ask an administrator: openstack dr tenant-mapping create.",
        )
    ]
