"""What people see follows the journal, entry by entry, and a new owner sees the same."""

from siterecovery.workflow.flow import Flow, Item, Node, Phase, for_each, sequence
from siterecovery.workflow.journal import Entry, State
from siterecovery.workflow.record import UNDO, Record, given_up
from siterecovery.workflow.step import Step


class Named(Step):
    def __init__(self, name: str) -> None:
        self.name = name


def members() -> Node:
    return for_each([1, 2], lambda n: sequence(Named(f"copy/{n}"), Named(f"make/{n}")), name=str)


FLOW = Flow("f", sequence(members(), Named("end"), Named("unseen")), (Phase("copy", 3), Phase("make"), Phase("end")))


def noted(record: Record, *steps: tuple[str, State], error: str | None = None) -> list[bool]:
    return [record.note(Entry(step, state, error=error)) for step, state in steps]


def test_phases_are_completed_when_all_their_steps_are_done() -> None:
    """Progress is weighted, goes up with each step, and never says 100 before the end."""
    record = Record(FLOW)
    assert (record.current, record.progress) == (None, 0)
    noted(record, ("copy/1", State.STARTED), ("copy/1", State.DONE), ("make/1", State.STARTED))
    assert (record.current, record.progress, record.completed) == ("copy", 30, [])
    noted(record, ("copy/2", State.DONE))
    assert (record.current, record.progress, record.completed) == ("make", 60, ["copy"])
    noted(record, ("make/1", State.DONE), ("make/2", State.DONE), ("end", State.DONE))
    assert (record.current, record.progress, record.completed) == (None, 99, ["copy", "make", "end"])


def test_only_what_people_see_is_news() -> None:
    """An entry that changes nothing visible needs no write of its own to the record."""
    record = Record(FLOW)
    assert noted(record, ("copy/1", State.STARTED), ("copy/2", State.STARTED)) == [True, False]
    assert noted(record, ("unseen", State.STARTED), ("unseen", State.FAILED), (UNDO, State.STARTED)) == [
        False,
        True,
        False,
    ]


def test_a_failure_keeps_its_phase_open() -> None:
    """A phase with a failed step is over, and not completed."""
    record = Record(FLOW)
    noted(record, ("copy/1", State.STARTED), ("copy/1", State.DONE), ("copy/2", State.STARTED))
    noted(record, ("copy/2", State.FAILED), error="no room")
    assert (record.current, record.progress) == (None, 60)
    assert record.completed == []
    assert [(entry.step, entry.error) for entry in record.failures.values()] == [("copy/2", "no room")]


def test_a_refused_result_is_taken_back() -> None:
    """A step whose result the journal refused was seen done for a moment; its phase is not completed."""
    record = Record(FLOW)
    noted(record, ("copy/1", State.DONE), ("copy/2", State.DONE))
    assert record.completed == ["copy"]
    noted(record, ("copy/2", State.FAILED), error="the row is gone")
    assert record.completed == []


def test_what_a_given_up_item_never_begins_is_over() -> None:
    """The progress goes on to the end although a VM was given up, and no phase stays the current one for ever."""
    record = Record(FLOW)
    noted(record, ("copy/1", State.DONE), ("make/1", State.STARTED), ("make/1", State.DONE), ("copy/2", State.STARTED))
    noted(record, ("copy/2", State.FAILED), error="no room")
    assert record.current == "make"
    assert noted(record, (given_up(Item("2", Named("x"))), State.STARTED)) == [True]
    assert (record.current or "", record.progress) == ("", 80)
    assert record.completed == []
    assert noted(record, (given_up(Item("2", Named("x"))), State.DONE)) == [False]


def test_what_failed_stays_named_when_it_is_taken_back() -> None:
    """Live and for a new owner, who has the journal only; what was only undone is no failure."""
    entries = [Entry("copy/1", State.UNDONE), Entry("make/1", State.UNDONE, error="no host", resource_id="s1")]
    for record in (Record(FLOW, entries), Record(FLOW)):
        record.note(Entry("make/1", State.UNDOING, error="no host", resource_id="s1"))
        record.note(entries[1])
        assert [(entry.step, entry.error, entry.resource_id) for entry in record.failures.values()] == [
            ("make/1", "no host", "s1")
        ]


def test_what_could_be_taken_back_after_all_is_no_failure_any_more() -> None:
    """A second owner's try to undo replaces the first one's failure."""
    record = Record(FLOW, [Entry("copy/1", State.UNDO_FAILED, error="still there")])
    assert list(record.failures) == ["copy/1"]
    noted(record, ("copy/1", State.UNDOING), ("copy/1", State.UNDONE))
    assert record.failures == {}


def test_what_an_earlier_owner_completed_stays_completed() -> None:
    """The journal does not tell what was done before it was undone: the record does, unless the journal knows better."""
    entries = [Entry("copy/1", State.UNDONE), Entry("copy/2", State.UNDOING), Entry("make/1", State.STARTED)]
    assert Record(FLOW, entries, completed=["elsewhere", "copy", "make"]).completed == ["elsewhere", "copy"]


def test_what_another_flow_left_in_the_journal_is_not_looked_at() -> None:
    """A clean-up shares its operation's journal, and none of its failures."""
    record = Record(FLOW, [Entry("other/1", State.FAILED, error="long ago")])
    assert (record.failures, noted(record, ("other/2", State.FAILED))) == ({}, [False])
