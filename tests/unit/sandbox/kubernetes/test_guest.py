"""A guest ends when it would in reality, and two copies of a VM are two guests."""

import pytest

from sandbox.clock import Clock
from sandbox.history import History
from sandbox.kubernetes.agent.guests import ENDED, Guest, Guests
from sandbox.kubernetes.agent.machines import Machines, Times


def guest(uid: str = "1", node: str = "node1") -> Guest:
    return Guest("shop/web", uid, f"pod-{uid}", node)


@pytest.mark.parametrize(
    ("deed", "takes", "expected"), [("recover", 3, 3), ("hang", 3, 30), ("recover", 60, 30), ("stick", 3, 3)]
)
def test_shutdown_takes_its_time_but_no_longer_than_the_grace_period(deed: str, takes: float, expected: float) -> None:
    """A hanging guest, and one that needs longer than its grace period, is killed when that is over."""
    one = guest()
    one.do(deed)
    assert one.shutdown_left(takes, grace=30) == pytest.approx(expected, abs=0.5)


def test_guest_that_cannot_write_does_not_shut_down() -> None:
    """What waits for its disk is killed at the end of its grace period."""
    one = guest()
    one.blocked = "no quorum"
    assert one.shutdown_left(0, grace=30) == pytest.approx(30, abs=0.5)


def test_unknown_deed_is_refused() -> None:
    """What no guest can do is told with what one can."""
    with pytest.raises(ValueError, match="crash, poweroff, hang"):
        guest().do("dance")


def test_two_copies_are_two_guests() -> None:
    """A VM that runs twice is seen twice, and an ended run does not count."""
    guests = Guests()
    guests.by_uid = {"1": guest("1"), "2": guest("2", "node2"), "3": guest("3")}
    guests.by_uid["3"].state = ENDED
    assert [(one.uid, one.node) for one in guests.of("shop/web")] == [("1", "node1"), ("2", "node2")]


def test_lost_node_loses_what_ran() -> None:
    """The guests of a node without power are gone and remembered as lost; those of the others are untouched."""
    guests = Guests()
    guests.by_uid = {"1": guest("1"), "2": guest("2", "node2")}
    guests.lose("node1")
    assert (list(guests.by_uid), guests.lost) == (["2"], {"1"})


def test_times_change_all_or_none() -> None:
    """A time that makes no sense leaves the others as they were."""
    times = Times()
    with pytest.raises(ValueError, match="boot is given in seconds"):
        times.change({"stop": 5, "boot": -1})
    assert times == Times()


def test_asked_for_boot_failures_happen_so_often() -> None:
    """Each boot failure that was asked for happens once."""
    machines = Machines(["node1"])
    machines.boot_failures["shop/web"] = 2
    assert [machines.fails_boot("shop/web") for _ in range(3)] == [True, True, False]


def test_what_executes_is_written_down() -> None:
    """A guest's beginning and its end are told once each, with its node and what it had last written; one that never ran leaves no word."""
    history = History(Clock(lambda: 5.0))
    guests = Guests(history.of("cluster1"))
    one, other = guest("1"), guest("2")
    guests.by_uid = {"1": one, "2": other}
    guests.begin(one)
    one.disks = {"pvc-1": 7}
    guests.lose("node1")
    guests.cease(one, "again")

    told = [(event["event"], event["name"], event["site"], event["detail"]["disks"]) for event in history.as_json()]

    assert told == [("started", "shop/web", "cluster1", {}), ("stopped", "shop/web", "cluster1", {"pvc-1": 7})]
