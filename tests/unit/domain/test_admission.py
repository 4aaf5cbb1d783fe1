"""Admission as a table: state × operation, and each rule of the two-site protocol that concerns the door."""

import dataclasses
from typing import Any

import pytest

from siterecovery.protector.domain import admission
from siterecovery.protector.domain.admission import Ask, Peer, PeerRecord, Picture
from siterecovery.protector.domain.errors import Conflict, RemoteSiteUnreachable
from siterecovery.protector.domain.member import CopyState, Member, Rebuild, VolumeCopy
from siterecovery.protector.domain.operation import Operation
from siterecovery.protector.domain.policy import Policy
from siterecovery.protector.domain.protection_group import ProtectionGroup
from siterecovery.protector.domain.secret import Secret
from siterecovery.protector.domain.states import (
    GroupStatus,
    MemberStatus,
    OperationStatus,
    OperationType,
    PolicyStatus,
    SyncStatus,
)

G, T = GroupStatus, OperationType
GROUP = ProtectionGroup(
    "g",
    "web",
    "p",
    "a",
    "b",
    "a",
    "gold",
    "gold",
    status=G.ACTIVE,
    metadata_version=3,
    remote_sync_status=SyncStatus.SYNCED,
)
MEMBER = Member("m", "g", "i", "web-1", MemberStatus.PROTECTED, Rebuild("f", "m1"))
POLICY = Policy("g", "https://a", Secret("x"), "https://b", Secret("y"), "pg", status=PolicyStatus.ACTIVE)
SAME = Peer(PeerRecord(True, 0, 3))
DOWN = Peer()
AWAY = (G.FAILED_OVER, G.FAILED_OVER_PARTIAL, G.FAILING_BACK)


def picture(at: str = "a", **changes: Any) -> Picture:
    """What site `at` knows; groups that have failed over are active on b."""
    given = {
        name: changes.pop(name) for name in ("members", "policy", "copies", "operations", "mapped") if name in changes
    }
    status = changes.get("status", G.ACTIVE)
    changes.setdefault("current_primary_site_id", "b" if status in AWAY else "a")
    filled: dict[str, Any] = {"members": [MEMBER], "policy": POLICY} | given
    return Picture(dataclasses.replace(GROUP, **changes), at, site_names={"a": "site-a", "b": "site-b"}, **filled)


PLANNED_STATES: dict[OperationType, set[GroupStatus]] = {
    T.FAILOVER: {G.ACTIVE},
    T.FAILBACK: {G.FAILED_OVER, G.FAILED_OVER_PARTIAL},
    T.TEST_FAILOVER: {G.ACTIVE},
    T.SYNC_VOLUMES: {G.ACTIVE, G.FAILED_OVER},
    T.ADD_MEMBER: {G.ACTIVE},
    T.REMOVE_MEMBER: {G.ACTIVE, G.FAILED_OVER},
    T.APPLY_POLICY: {G.ACTIVE},
    T.DELETE_GROUP: {G.ACTIVE, G.FAILED_OVER, G.ERROR},
    T.SYNC_FORCE: {G.ACTIVE, G.FAILED_OVER, G.FAILED_OVER_PARTIAL, G.ERROR},
}


@pytest.mark.parametrize("status", list(G))
@pytest.mark.parametrize("type", list(PLANNED_STATES))
def test_each_operation_is_accepted_in_its_states_only(type: OperationType, status: GroupStatus) -> None:
    """At the site where the group is active, in sync and complete, the group's state alone decides."""
    at = "b" if status in AWAY else "a"
    ask = Ask(type, reverse_replication=True)
    if status in PLANNED_STATES[type]:
        assert admission.admit(ask, picture(at, status=status), SAME) == []
    else:
        with pytest.raises(Conflict) as raised:
            admission.admit(ask, picture(at, status=status), SAME)
        assert raised.value.code == "protection_group.wrong_state"
        assert status.sentence in raised.value.remedy


@pytest.mark.parametrize("type", [t for t in PLANNED_STATES if t is not T.SYNC_FORCE])
def test_planned_operations_have_one_door(type: OperationType) -> None:
    """ONE_DOOR: the other site refuses them, and names the site to ask."""
    status = next(iter(PLANNED_STATES[type] - {G.ERROR}))
    elsewhere = "a" if status in AWAY else "b"
    with pytest.raises(Conflict) as raised:
        admission.admit(Ask(type), picture(elsewhere, status=status), SAME)
    assert raised.value.code == "not_active_here"
    assert ("site-b" if status in AWAY else "site-a") in raised.value.detail


FORCED_TARGETS = [
    (G.ACTIVE, "b"),
    (G.FAILING_OVER, "b"),
    (G.FAILED_OVER, "a"),
    (G.FAILING_BACK, "a"),
    (G.FAILED_OVER_PARTIAL, "b"),
]


@pytest.mark.parametrize(("status", "target"), FORCED_TARGETS)
def test_a_forced_failover_is_accepted_only_by_its_target(status: GroupStatus, target: str) -> None:
    """With the peer dead, in every state a dead peer may have left; in a partial one the target is where the others run."""
    ask = Ask(T.FAILOVER, force=True)
    held = picture(target, status=status, remote_hold="op-of-the-dead", remote_sync_status=SyncStatus.UNREACHABLE)
    assert admission.admit(ask, held, DOWN) == []
    assert admission.direction(ask, held)[1] == target
    with pytest.raises(Conflict) as raised:
        admission.admit(ask, picture("a" if target == "b" else "b", status=status), DOWN)
    assert raised.value.code == "protection_group.ask_target"


@pytest.mark.parametrize("status", [G.CREATING, G.DELETING, G.ERROR])
def test_force_does_not_open_every_state(status: GroupStatus) -> None:
    """A group that is being made or removed, or needs a person, is not moved by force either."""
    with pytest.raises(Conflict, match="not in"):
        admission.admit(Ask(T.FAILOVER, force=True), picture("b", status=status), DOWN)


def test_a_forced_failback_may_run_on_either_site_but_needs_its_target() -> None:
    """At the target it works with the peer down; at the active site the dead peer is the target, so it cannot."""
    ask = Ask(T.FAILBACK, force=True, reverse_replication=True)
    assert admission.admit(ask, picture("a", status=G.FAILED_OVER), DOWN) == []
    assert admission.admit(ask, picture("b", status=G.FAILED_OVER), SAME) == []
    with pytest.raises(RemoteSiteUnreachable):
        admission.admit(ask, picture("b", status=G.FAILED_OVER), DOWN)


def test_failback_says_the_documented_sentence() -> None:
    """The product's documents print it: verbatim, whole."""
    with pytest.raises(Conflict) as raised:
        admission.admit(Ask(T.FAILBACK), picture(), SAME)
    assert raised.value.detail == "Protection Group is not in failed_over state"


@pytest.mark.parametrize("type", [t for t in PLANNED_STATES if t is not T.FAILBACK])
def test_a_dead_peer_refuses_changes(type: OperationType) -> None:
    """503 with the documented sentence."""
    with pytest.raises(RemoteSiteUnreachable) as raised:
        admission.admit(Ask(type), picture(), DOWN)
    assert raised.value.detail == "Cannot modify protection group — remote site unreachable"


def test_test_cleanup_works_without_the_peer_and_on_either_site() -> None:
    """The active test is in the metadata document, so whoever is left can clean up."""
    for at in "ab":
        shown = picture(at, active_test_operation_id="t", remote_sync_status=SyncStatus.UNREACHABLE)
        assert admission.admit(Ask(T.TEST_CLEANUP), shown, DOWN) == []
        assert admission.admit(Ask(T.TEST_CLEANUP, test_operation_id="t"), shown, DOWN) == []
        with pytest.raises(Conflict, match="active test is operation t"):
            admission.admit(Ask(T.TEST_CLEANUP, test_operation_id="u"), shown, DOWN)
    with pytest.raises(Conflict, match="No test failover is active"):
        admission.admit(Ask(T.TEST_CLEANUP), picture(), SAME)


@pytest.mark.parametrize("type", [T.TEST_FAILOVER, T.FAILOVER, T.DELETE_GROUP])
def test_an_active_test_refuses_a_second_one_and_a_planned_failover(type: OperationType) -> None:
    """409, which the command line shows as exit code 4; an unplanned failover goes on and cleans the test up itself."""
    with pytest.raises(Conflict) as raised:
        admission.admit(Ask(type), picture(active_test_operation_id="t"), SAME)
    assert raised.value.code == "test.active"
    assert admission.admit(Ask(T.FAILOVER, force=True), picture("b", active_test_operation_id="t"), DOWN) == []


def test_a_held_group_refuses_a_second_operation_by_name() -> None:
    """409 names the operation and its type, forced or not: what holds it runs here."""
    running = Operation("op-1", "g", "p", T.SYNC_VOLUMES)
    for at, ask in (("a", Ask(T.FAILOVER)), ("b", Ask(T.FAILOVER, force=True)), ("a", Ask(T.TEST_CLEANUP))):
        with pytest.raises(Conflict) as raised:
            admission.admit(ask, picture(at, hold_operation_id="op-1", operations=[running]), SAME)
        assert raised.value.code == "protection_group.busy"
        assert "op-1 (sync_volumes)" in raised.value.detail


def test_a_hold_of_the_peer_refuses_what_is_planned_only() -> None:
    """FORCE_OVERRIDES: what a dead peer has told never stands in the way of a forced failover."""
    with pytest.raises(Conflict, match="op-2"):
        admission.admit(Ask(T.FAILOVER), picture(remote_hold="op-2"), SAME)
    assert admission.admit(Ask(T.FAILOVER, force=True), picture("b", remote_hold="op-2"), DOWN) == []


UNREACHABLE = {"remote_sync_status": SyncStatus.UNREACHABLE}


@pytest.mark.parametrize("type", [t for t in PLANNED_STATES if t not in (T.SYNC_FORCE, T.FAILBACK)])
def test_after_the_peer_was_lost_only_a_sync_goes_on(type: OperationType) -> None:
    """While remote sync is UNREACHABLE changes are refused, also when the peer answers again: it must be settled with first."""
    codes = [item.code for item in admission.admit(Ask(type), picture(**UNREACHABLE), SAME)]
    assert codes == ["metadata.out_of_sync"]
    assert admission.admit(Ask(T.SYNC_FORCE, force=True), picture(**UNREACHABLE), SAME) == []


@pytest.mark.parametrize("record", [PeerRecord(True, 0, 2), PeerRecord(True, 0, 4), PeerRecord(False)])
def test_moves_need_equal_metadata(record: PeerRecord) -> None:
    """412 with both versions; other operations push the newer document themselves."""
    found = admission.admit(Ask(T.FAILOVER), picture(), Peer(record))
    assert [item.code for item in found] == ["metadata.out_of_sync"]
    assert "version 3 of epoch 0" in found[0].detail
    assert admission.admit(Ask(T.ADD_MEMBER), picture(), Peer(record)) == []


def test_a_peer_with_a_later_epoch_refuses_everything() -> None:
    """This site has missed a move: nothing it believes about the group may be acted on, not even by force."""
    later = Peer(PeerRecord(True, 2, 1))
    for at, ask in (("a", Ask(T.FAILOVER)), ("b", Ask(T.FAILOVER, force=True)), ("a", Ask(T.ADD_MEMBER))):
        with pytest.raises(Conflict) as raised:
            admission.admit(ask, picture(at), later)
        assert raised.value.code == "protection_group.superseded"


def test_all_unmet_preconditions_come_together() -> None:
    """One answer names everything that a person has to supply, each with its remedy."""
    shown = picture(members=[], policy=None, mapped=False)
    found = admission.admit(Ask(T.FAILOVER), shown, Peer(PeerRecord(True, 0, 1)))
    assert [item.code for item in found] == [
        "metadata.out_of_sync",
        "policy.missing",
        "members.missing",
        "tenant_mapping.missing",
    ]
    assert all(item.remedy for item in found)


def test_a_member_whose_adding_failed_does_not_count() -> None:
    """There is nothing to rebuild it from."""
    failed = dataclasses.replace(MEMBER, status=MemberStatus.ERROR, rebuild=None)
    assert [item.code for item in admission.admit(Ask(T.FAILOVER), picture(members=[failed]), SAME)] == [
        "members.missing"
    ]


@pytest.mark.parametrize(
    ("reverse", "force", "copies", "codes"),
    [
        (True, False, (), []),
        (False, False, (), ["failback.reverse_replication_required", "failback.no_copy"]),
        (False, False, (CopyState.SNAPSHOT,), ["failback.reverse_replication_required"]),
        (False, True, (CopyState.RETAINED,), []),
        (False, True, (CopyState.QUARANTINED,), ["failback.no_copy"]),
    ],
)
def test_failback_without_reverse_replication(
    reverse: bool, force: bool, copies: tuple[str, ...], codes: list[str]
) -> None:
    """What was written since the failover would be lost: only force accepts that, and only where there is something to go back to."""
    kept = [VolumeCopy(f"c{i}", "g", "v", "a", 0, state, "op") for i, state in enumerate(copies)]
    shown = picture("b", status=G.FAILED_OVER, copies=kept)
    ask = Ask(T.FAILBACK, force=force, reverse_replication=reverse)
    assert [item.code for item in admission.admit(ask, shown, SAME)] == codes


def test_a_forced_failover_is_told_what_it_risks() -> None:
    """With the peer dead: two copies until the link is back. With the peer up: that force was not needed."""
    ask = Ask(T.FAILOVER, force=True)
    assert any("may still run on site-a" in text for text in admission.warnings(ask, picture("b"), DOWN))
    assert any("diverging" in text for text in admission.warnings(ask, picture("b"), SAME))
    assert admission.warnings(Ask(T.FAILOVER), picture(), SAME) == ()


def test_client_relay_goes_by_what_was_acknowledged() -> None:
    """Where the Protectors do not talk, the last acknowledged version decides."""
    relayed = Peer(asked=False)
    assert admission.admit(Ask(T.FAILOVER), picture(remote_sync_version=3), relayed) == []
    assert [i.code for i in admission.admit(Ask(T.FAILOVER), picture(remote_sync_version=2), relayed)] == [
        "metadata.out_of_sync"
    ]


def test_cleanup_needs_an_ended_operation_and_both_sites() -> None:
    """Each refusal has its documented sentence."""
    running = Operation("o", "g", "p", T.FAILOVER, status=OperationStatus.RUNNING)
    ended = dataclasses.replace(running, status=OperationStatus.COMPLETED)
    with pytest.raises(Conflict) as raised:
        admission.check_cleanup(running, picture(), SAME, running=False)
    assert raised.value.detail == "Operation not in completed state"
    with pytest.raises(Conflict, match="is running"):
        admission.check_cleanup(ended, picture(), SAME, running=True)
    with pytest.raises(RemoteSiteUnreachable) as down:
        admission.check_cleanup(ended, picture(), DOWN, running=False)
    assert down.value.detail == "Remote site unreachable — metadata sync required"
    admission.check_cleanup(ended, picture(), SAME, running=False)


def test_reset_leaves_a_running_operation_alone() -> None:
    """It is the way out of `error`, after the operation has ended."""
    running = Operation("o", "g", "p", T.FAILOVER, status=OperationStatus.ROLLING_BACK)
    with pytest.raises(Conflict, match="holds"):
        admission.check_reset(picture(status=G.ERROR, hold_operation_id="o", operations=[running]))
    admission.check_reset(picture(status=G.ERROR, hold_operation_id="o"))
    with pytest.raises(Conflict, match="not in error state"):
        admission.check_reset(picture())
