"""The ledger of a world: only ever added to, in order, told by the simulators themselves."""

from __future__ import annotations

from .conftest import Stage


def test_the_workload_is_in_the_history_from_volumes_to_guests(stage: Stage) -> None:
    """Five volumes and three servers were created, and three guests started, each with what its disks held."""
    assert len(stage.history("volume", "created")) == 5
    created = stage.history("server", "created")
    assert {event["name"] for event in created} == {"web-server-1", "web-server-2", "db-server"}
    started = stage.history("guest", "started")
    assert {event["id"] for event in started} == {event["id"] for event in created}
    assert len({event["detail"]["identity"] for event in started}) == 3
    assert sum(len(event["detail"]["volumes"]) for event in started) == 5


def test_the_history_is_ordered_and_can_be_read_on(stage: Stage) -> None:
    """`since` leaves out what is known; numbers follow one another and time never goes back."""
    events = stage.control("GET", "/history")
    assert [event["seq"] for event in events] == list(range(len(events)))
    assert [event["time"] for event in events] == sorted(event["time"] for event in events)
    stage.control("POST", "/sites/site-b/down")
    (news,) = stage.control("GET", f"/history?since={len(events)}")
    assert (news["kind"], news["detail"]["down"]) == ("faults", ["site-b"])
