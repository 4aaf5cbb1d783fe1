"""Where two steps meet: the end of one and the beginning of the next are one write, and what that means when it is refused or an owner dies."""

from typing import Any

import pytest

from siterecovery.workflow.flow import Flow, Phase, attempt, sequence
from siterecovery.workflow.record import Record
from siterecovery.workflow.runner import End
from siterecovery.workflow.step import Fenced
from support.workflow.loop import run_virtually
from support.workflow.office import Desk, Office, Told


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def office(desk: Desk) -> Office:
    return Office(desk)


def test_what_a_refused_write_announced_is_not_said(desk: Desk, office: Office) -> None:
    """The step after a refused result has not begun: neither the journal nor what people see says so, and nothing of it is taken back."""
    shown: list[str | None] = []

    def recorder(operation: str, record: Record, *, undoing: bool) -> tuple[Any, ...]:
        current = record.current
        return (lambda: shown.append(current),)

    def refuse() -> None:
        raise LookupError("the group is gone")

    body = sequence(Told(desk, "a"), Told(desk, "b", changes=(refuse,)), Told(desk, "c"))
    result = run_virtually(office.run(Flow("f", body, (Phase("a"), Phase("b"), Phase("c"))), recorder=recorder))
    assert result.end is End.UNDONE
    assert desk.story == ["do a", "do b", "undo b", "undo a"]
    assert "c" not in office.states()
    assert "c" not in shown


def test_two_steps_share_one_commit(desk: Desk, office: Office) -> None:
    """That a step is done and that the next one begins is one write, also across the borders of sequences and items."""
    body = sequence(Told(desk, "a"), sequence(Told(desk, "b"), Told(desk, "c")), attempt(Told(desk, "d")), sequence())
    run_virtually(office.run(Flow("f", body, ())))
    said = [[f"{entry.step} {entry.state}" for entry in write.entries] for write in office.writes]
    assert said == [
        ["a started"],
        ["a done", "b started"],
        ["b done", "c started"],
        ["c done", "d started"],
        ["d done"],
    ]


def test_what_a_dead_owner_announced_is_asked_first(desk: Desk, office: Office) -> None:
    """The next owner cannot know whether an announced step was called: it looks before it does it."""
    desk.takes["do a"] = 1.0
    flow = Flow("f", sequence(Told(desk, "a"), Told(desk, "b")), ())
    office.dies_after = "b"
    with pytest.raises(Fenced):
        run_virtually(office.run(flow))
    assert office.states() == {"a": "done", "b": "started"}
    office.dies_after = None
    assert run_virtually(office.run(flow)).end is End.COMPLETED
    assert desk.story == ["do a", "look b", "do b"]


def test_whoever_is_asked_to_stop_announces_nothing(desk: Desk, office: Office) -> None:
    """The step after the one that was under way does not begin, so that there is nothing of it to take back."""
    desk.takes["do a"] = 1.0
    flow = Flow("f", sequence(Told(desk, "a"), Told(desk, "b")), ())
    result = run_virtually(office.run(flow, cancelled=lambda: "dana" if desk.story else None))
    assert result.end is End.UNDONE
    assert "b" not in office.states()
