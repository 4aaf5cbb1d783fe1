"""An owner's own belief that it has the lease."""

import pytest

from siterecovery.workflow.lease import Hold, Lease
from siterecovery.workflow.step import Fenced


class Hand:
    """A clock's hand that the test moves."""

    def __init__(self) -> None:
        self.time = 100.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def hand() -> Hand:
    return Hand()


@pytest.fixture
def hold(hand: Hand) -> Hold:
    return Hold(Lease("op", "me", 3, ttl=10.0), hand)


def test_a_lease_is_held_for_as_long_as_it_lasts(hold: Hold, hand: Hand) -> None:
    """Up to its last moment, and not in the moment when it ends."""
    hand.time = 109.9
    hold.check()
    hand.time = 110.0
    assert not hold.held


def test_a_renewal_counts_from_when_it_was_asked_for(hold: Hold, hand: Hand) -> None:
    """The database may have extended the lease long before its answer came."""
    hand.time = 108.0
    hold.renewed(asked_at=102.0)
    hand.time = 111.9
    assert hold.held
    hand.time = 112.0
    assert not hold.held


def test_a_lost_lease_says_which(hold: Hold) -> None:
    """Told that it is lost, the owner stops before its next call."""
    hold.lose()
    with pytest.raises(Fenced, match=r"operation op \(epoch 3\) is lost"):
        hold.check()


def test_what_was_seen_to_be_lost_stays_lost(hold: Hold, hand: Hand) -> None:
    """A renewal that comes through after the lease ran out does not bring back a run that has begun to stop."""
    hand.time = 111.0
    assert not hold.held
    hold.renewed(asked_at=111.0)
    assert not hold.held


def test_a_lapse_that_nobody_saw_is_none(hold: Hold, hand: Hand) -> None:
    """The database says that the lease is still held, and nothing has stopped meanwhile."""
    hand.time = 111.0
    hold.renewed(asked_at=110.5)
    assert hold.held


@pytest.mark.parametrize(("epoch", "taken_over"), [(1, False), (2, True)])
def test_whoever_comes_second_takes_over(epoch: int, taken_over: bool) -> None:
    """Only the first owner knows that nobody has sent anything before."""
    assert Lease("op", "me", epoch, 10.0).taken_over is taken_over
