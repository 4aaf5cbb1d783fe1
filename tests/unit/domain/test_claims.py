"""The rules of two sites and one group, each as a table of what it answers."""

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siterecovery.protector.domain import claims
from siterecovery.protector.domain.epoch import Claim, Generation, next_epoch
from siterecovery.protector.domain.errors import Conflict
from siterecovery.protector.domain.protection_group import ProtectionGroup
from siterecovery.protector.domain.states import ClaimState, GroupStatus

OPEN, COMMITTED, REVOKED = ClaimState.OPEN, ClaimState.COMMITTED, ClaimState.REVOKED
FIRST = Generation(0, None, "a", None)


def group(**fields: Any) -> ProtectionGroup:
    plain: dict[str, Any] = {"lineage": (FIRST,), "status": GroupStatus.ACTIVE, "metadata_version": 5}
    plain |= {"current_primary_site_id": "a", "project_id": "p1"}
    sites: dict[str, Any] = {"primary_site_id": "a", "secondary_site_id": "b"}
    return ProtectionGroup("g1", "name", volume_type="t", secondary_volume_type="t", **sites, **{**plain, **fields})


def claimed(target: str, row: ProtectionGroup, operation: str = "op-1", **changed: Any) -> ProtectionGroup:
    asked: dict[str, Any] = {"base_epoch": row.failover_epoch, "newest_known": 0, **changed}
    return claims.claim(row, target_site_id=target, operation_id=operation, **asked)


def generation(epoch: int, operation: str | None = "op-1", site: str = "b") -> Generation:
    return Generation(epoch, 0, site, operation)


def moved(epoch: int, operation: str = "op-1") -> ProtectionGroup:
    """A row in which `operation` has committed `epoch`."""
    return group(
        failover_epoch=epoch,
        lineage=(FIRST, generation(epoch, operation)),
        claim=Claim(epoch, operation, COMMITTED),
        current_primary_site_id="b",
    )


@pytest.mark.parametrize(
    ("row", "target", "newest", "number"),
    [
        (group(), "b", 0, 1),
        (group(), "a", 0, 2),
        (group(), "b", 4, 5),
        (group(), "b", 5, 7),
        (group(claim=Claim(3, "op-0", REVOKED)), "b", 0, 5),
        (group(claim=Claim(3, "op-0", OPEN)), "b", 0, 5),
        (group(claim=Claim(fence=6)), "b", 0, 7),
        (moved(1, "op-0"), "a", 0, 2),
    ],
)
def test_a_claim_is_above_everything_known(row: ProtectionGroup, target: str, newest: int, number: int) -> None:
    """CLAIM, SITE_NUMBERS: even for the primary, odd for the other, above epochs, claims and fences; a used number never comes again."""
    after = claimed(target, row, newest_known=newest)
    assert after.claim == Claim(number, "op-1", OPEN, row.claim.fence)
    assert dataclasses.replace(after, claim=row.claim) == row


def test_the_same_operation_gets_the_same_claim() -> None:
    """A claim whose answer was lost is answered again."""
    once = claimed("b", group())
    assert claimed("b", once, newest_known=99) == once


@pytest.mark.parametrize(
    ("row", "changed", "code"),
    [
        (group(claim=Claim(1, "op-1", REVOKED)), {}, "claim.closed"),
        (group(claim=Claim(1, "op-1", COMMITTED)), {}, "claim.closed"),
        (group(failover_epoch=2), {"base_epoch": 0}, "claim.stale"),
        (group(), {"base_epoch": 2}, "claim.stale"),
        (group(hold_operation_id="op-0"), {}, "protection_group.busy"),
    ],
)
def test_a_claim_is_refused(row: ProtectionGroup, changed: dict[str, Any], code: str) -> None:
    """A closed claim does not open again, a moved group is not claimed from its old epoch, a held one only by force."""
    with pytest.raises(Conflict) as refused:
        claimed("b", row, **changed)
    assert refused.value.code == code


@pytest.mark.parametrize("row", [group(remote_hold="op-0"), group(hold_operation_id="op-1")])
def test_a_hold_that_does_not_refuse(row: ProtectionGroup) -> None:
    """Neither the peer's hold nor one's own refuses a claim: who may begin is a matter of admission."""
    assert claimed("b", row).claim.state is OPEN


@pytest.mark.parametrize(
    ("row", "answer", "state"),
    [
        (group(claim=Claim(1, "op-1", OPEN)), "revoked", REVOKED),
        (group(claim=Claim(1, "op-1", REVOKED)), "revoked", REVOKED),
        (group(claim=Claim(3, "op-2", OPEN)), "revoked", OPEN),
        (group(), "revoked", ClaimState.NONE),
        (moved(1), "committed", COMMITTED),
        (dataclasses.replace(moved(1), claim=Claim(4, "op-2", OPEN)), "committed", OPEN),
        (
            dataclasses.replace(moved(1), failover_epoch=4, lineage=(FIRST, generation(1), generation(4, "op-2", "a"))),
            "committed",
            COMMITTED,
        ),
    ],
)
def test_an_undo_asks_first(row: ProtectionGroup, answer: str, state: ClaimState) -> None:
    """REVOKE: an open claim is closed, another's is left alone; what has committed stays so, also when others claimed or moved since."""
    after, told = claims.revoke(row, "op-1")
    assert (told, after.claim.state) == (answer, state)


def test_a_commit_makes_the_move_true() -> None:
    """TARGET_COMMITS: epoch, lineage, active site and status change together, and the version grows."""
    row = claimed("b", group(error_message="old"))
    after = claims.commit(
        row, operation_id="op-1", generation=generation(1, None), status=GroupStatus.FAILED_OVER, now="NOW"
    )
    assert (after.failover_epoch, after.current_primary_site_id, after.status) == (1, "b", GroupStatus.FAILED_OVER)
    assert (after.metadata_version, after.error_message, after.failover_count) == (6, None, 1)
    assert after.generation == generation(1, "op-1")
    assert claims.is_committed(after, "op-1", 1)


@pytest.mark.parametrize(
    "row",
    [
        group(),
        group(claim=Claim(1, "op-2", OPEN)),
        group(claim=Claim(1, "op-1", REVOKED)),
        group(claim=Claim(3, "op-1", OPEN)),
        group(claim=Claim(1, "op-1", OPEN), failover_epoch=1),
        group(claim=Claim(1, "op-1", OPEN), failover_epoch=2),
    ],
)
def test_a_commit_without_its_claim_is_refused(row: ProtectionGroup) -> None:
    """A claim that is superseded, revoked, another's, or below the group's epoch commits nothing."""
    with pytest.raises(Conflict) as refused:
        claims.commit(row, operation_id="op-1", generation=generation(1), status=GroupStatus.FAILED_OVER, now="NOW")
    assert refused.value.code == "claim.lost"


@pytest.mark.parametrize(("told", "kept"), [("op-1", "op-1"), ("op-other", None), (None, None)])
def test_a_commit_ends_the_hold_of_what_it_has_overtaken(told: str | None, kept: str | None) -> None:
    """The active site's operation that was told here can no longer commit: nobody else would release its hold. The move's own goes at its end."""
    row = claimed("b", group(remote_hold=told))
    after = claims.commit(
        row, operation_id="op-1", generation=generation(1, None), status=GroupStatus.FAILED_OVER, now="NOW"
    )
    assert after.remote_hold == kept


@pytest.mark.parametrize("row", [moved(1), dataclasses.replace(moved(1), claim=Claim(4, "op-2", OPEN))])
def test_a_repeated_commit_changes_nothing(row: ProtectionGroup) -> None:
    """The answer to a commit may be lost: asked again, the row stays as it is."""
    again = claims.commit(
        row, operation_id="op-1", generation=generation(1), status=GroupStatus.FAILED_OVER, now="LATER"
    )
    assert again == row


@pytest.mark.parametrize(
    ("row", "epoch", "fenced"),
    [
        (group(), 1, True),
        (group(claim=Claim(fence=3)), 5, True),
        (group(claim=Claim(fence=3)), 3, False),
        (group(claim=Claim(fence=3)), 1, False),
        (moved(3), 3, False),
        (moved(3), 2, False),
    ],
)
def test_a_fence_only_grows(row: ProtectionGroup, epoch: int, fenced: bool) -> None:
    """FORCE_FENCES: a higher one is set and shown as an error; one that is not above fence and epoch changes nothing."""
    after = claims.fence(row, epoch)
    if not fenced:
        assert after == row
        return
    assert (after.claim.fence, after.status) == (epoch, GroupStatus.ERROR)
    assert str(epoch) in (after.error_message or "")


@pytest.mark.parametrize(
    ("row", "operation", "epoch", "yields"),
    [
        (group(), "op-1", 1, False),
        (group(), "op-1", None, False),
        (moved(3, "op-2"), "op-1", 1, True),
        (moved(3, "op-2"), "op-1", 3, True),
        (moved(1), "op-1", 1, False),
        (dataclasses.replace(moved(1), claim=Claim()), "op-1", 1, False),
        (group(claim=Claim(fence=2)), "op-1", 1, True),
        (group(claim=Claim(fence=2)), "op-1", 3, False),
        (dataclasses.replace(moved(1), claim=Claim(1, "op-1", COMMITTED, 2)), "op-1", 1, False),
    ],
)
def test_who_must_yield(row: ProtectionGroup, operation: str, epoch: int | None, yields: bool) -> None:
    """RETURN_ASKS: a higher epoch of somebody else, or a higher fence, ends an operation; its own commit does not, on the source either."""
    assert (claims.must_yield(row, operation, epoch) is not None) is yields


@pytest.mark.parametrize(
    ("row", "epoch", "peer", "hold", "answer"),
    [
        (group(), 1, (0, Claim()), None, None),
        (group(), 1, (1, Claim(1, "op-1", COMMITTED)), None, None),
        (group(), 1, (3, Claim(3, "op-2", COMMITTED)), None, "adopt"),
        (group(), 1, (3, Claim(1, "op-1", COMMITTED)), None, "adopt"),
        (
            group(claim=Claim(4, "op-1", OPEN), hold_operation_id="op-1"),
            4,
            (3, Claim(3, "op-2", COMMITTED)),
            None,
            None,
        ),
        (
            group(claim=Claim(2, "op-1", OPEN), hold_operation_id="op-1"),
            2,
            (3, Claim(3, "op-2", COMMITTED)),
            None,
            "adopt",
        ),
        (group(), 1, (0, Claim(3, "op-2", OPEN)), "op-2", "stop"),
        (group(), None, (0, Claim(3, "op-2", OPEN)), "op-2", "stop"),
        (group(), 4, (0, Claim(3, "op-2", OPEN)), "op-2", None),
        (group(), 1, (0, Claim(3, "op-2", OPEN)), None, None),
        (group(), 1, (0, Claim(3, "op-2", REVOKED)), "op-2", None),
        (group(), 1, (0, Claim(1, "op-1", OPEN)), None, None),
    ],
)
def test_what_the_peers_row_means_for_an_operation(
    row: ProtectionGroup, epoch: int | None, peer: tuple[int, Claim], hold: str | None, answer: str | None
) -> None:
    """RETURN_ASKS: a higher epoch is adopted, a live claim above one's own ends the operation, the higher number goes on."""
    found = claims.heed(row, "op-1", epoch, peer_epoch=peer[0], peer_claim=peer[1], peer_hold=hold)
    assert found == answer


@pytest.mark.parametrize(
    ("mine", "epoch", "wins"),
    [
        (group(claim=Claim(3, "op-1", OPEN), hold_operation_id="op-1"), 2, True),
        (group(claim=Claim(3, "op-1", OPEN), hold_operation_id="op-1"), 4, False),
        (group(claim=Claim(3, "op-1", OPEN), hold_operation_id="op-2"), 2, False),
        (group(claim=Claim(3, "op-1", OPEN)), 2, False),
        (group(claim=Claim(3, "op-1", REVOKED), hold_operation_id="op-1"), 2, False),
    ],
)
def test_who_outranks(mine: ProtectionGroup, epoch: int, wins: bool) -> None:
    """Only an operation of this site that holds the group under a live claim above the peer's epoch goes before it."""
    assert claims.outranks(mine, epoch) is wins


def test_a_newer_record_of_the_same_epoch_leaves_claim_and_holds() -> None:
    """A metadata change of the peer does not end what runs here."""
    mine = group(claim=Claim(1, "op-1", OPEN), hold_operation_id="op-1", remote_hold="op-2", created_at="THEN")
    after = claims.adopt(mine, group(project_id="theirs", metadata_version=6, description="new"))
    assert (after.metadata_version, after.description, after.project_id) == (6, "new", "p1")
    assert (after.claim, after.hold_operation_id, after.remote_hold) == (mine.claim, "op-1", "op-2")
    assert after.created_at == "THEN"


def test_ones_own_move_does_not_let_go() -> None:
    """A push of the target may be faster than the answer to the commit: the operation goes on, so it holds the group until it has ended."""
    mine = group(hold_operation_id="op-1")
    assert claims.adopt(mine, moved(3, "op-1")).hold_operation_id == "op-1"


@pytest.mark.parametrize(
    ("status", "count", "when"), [(GroupStatus.FAILED_OVER, 1, "NOW"), (GroupStatus.ACTIVE, 0, None)]
)
def test_the_source_learns(status: GroupStatus, count: int, when: str | None) -> None:
    """Epoch, lineage, active site, status and version become what the target has committed; a second time, or too late, nothing changes."""
    told = dataclasses.replace(generation(3), committed_at="NOW")
    row = claims.learn(group(hold_operation_id="op-1"), told, status=status, version=9)
    assert (row.failover_epoch, row.metadata_version, row.current_primary_site_id, row.status) == (3, 9, "b", status)
    assert (row.lineage[-1], row.failover_count, row.last_failover_at, row.hold_operation_id) == (
        told,
        count,
        when,
        "op-1",
    )
    assert claims.learn(row, told, status=status, version=12) is row
    assert claims.learn(moved(5), told, status=status, version=12) == moved(5)


@pytest.mark.parametrize("number", [1, 3, 5])
def test_a_higher_epoch_revokes_and_lets_go(number: int) -> None:
    """RETURN_ASKS: whatever was claimed here is closed, also under a higher number, and nothing holds the group any more; the fence stays known."""
    mine = group(claim=Claim(number, "op-1", OPEN, 2), hold_operation_id="op-1", remote_hold="op-2")
    after = claims.adopt(mine, moved(3, "op-3"))
    assert after.claim == Claim(number, "op-1", REVOKED, 2)
    assert (after.hold_operation_id, after.remote_hold) == (None, None)
    assert after.failover_epoch == 3


def test_the_peers_newest_hold_replaces_an_older_one() -> None:
    """ONE_DOOR: one operation at a time holds the group over there; a release that comes late does not take the next one's hold away."""
    held = claims.hold(claims.hold(group(), "op-1"), "op-2")
    assert held.remote_hold == "op-2"
    assert claims.release(held, "op-1").remote_hold == "op-2"
    assert claims.release(held, "op-2").remote_hold is None
    with pytest.raises(Conflict):
        claims.hold(group(hold_operation_id="op-9"), "op-1")


class TwoDatabases:
    """Both sites' rows, their knowledge of one another as old as it likes."""

    def __init__(self) -> None:
        self.rows = {"a": group(), "b": group()}
        self.minted: list[int] = []

    def act(self, number: int, site: str, verb: str) -> None:
        other, operation = "ab"[site == "a"], f"op-{number}"
        row = self.rows[site]
        if verb == "claim":
            self.rows[site] = claimed(site, row, operation)
            self.minted.append(self.rows[site].claim.epoch)
        elif verb == "commit" and row.claim.state is OPEN:
            assert row.claim.operation_id is not None
            done = generation(row.claim.epoch, row.claim.operation_id, site)
            self.rows[site] = claims.commit(
                row, operation_id=row.claim.operation_id, generation=done, status=GroupStatus.ACTIVE, now=""
            )
        elif verb == "revoke" and row.claim.operation_id is not None:
            self.rows[site] = claims.revoke(row, row.claim.operation_id)[0]
        elif verb == "fence":
            self.rows[other] = claims.fence(self.rows[other], row.claim.epoch)
        elif verb == "adopt" and claims.newer(row, self.rows[other].failover_epoch, self.rows[other].metadata_version):
            self.rows[site] = claims.adopt(row, self.rows[other])


VERBS = st.tuples(st.sampled_from("ab"), st.sampled_from(["claim", "commit", "revoke", "fence", "adopt"]))


@given(st.lists(VERBS, max_size=40))
def test_two_databases_never_mint_the_same_number(schedule: list[tuple[str, str]]) -> None:
    """SITE_NUMBERS: in whatever order two sites claim, commit, revoke, fence and learn, no number is claimed twice, and epochs never fall."""
    world, before = TwoDatabases(), {"a": 0, "b": 0}
    for number, (site, verb) in enumerate(schedule):
        world.act(number, site, verb)
        for name, row in world.rows.items():
            assert row.failover_epoch >= before[name]
            before[name] = row.failover_epoch
    assert len(set(world.minted)) == len(world.minted)


@given(st.integers(0, 10**9), st.booleans())
def test_the_next_number_is_the_smallest_of_its_parity(newest: int, for_primary: bool) -> None:
    """The next epoch is one or two above the newest known, even for the primary."""
    found = next_epoch(newest, for_primary=for_primary)
    assert newest < found <= newest + 2
    assert found % 2 == (0 if for_primary else 1)
