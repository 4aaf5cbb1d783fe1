"""The runner tells what it does as an ordered story: forward, and back."""

import asyncio
from typing import Any

import pytest

from siterecovery.workflow.flow import Flow, for_each, sequence, together
from siterecovery.workflow.journal import MemoryJournal, State
from siterecovery.workflow.lease import Hold, Lease
from siterecovery.workflow.runner import LANE, End, Result, Runner
from siterecovery.workflow.step import Call, Fenced, OnFailure, Outcome, Refused, Step, Unsettled, Waiting
from support.virtual import InlineWorkers, VirtualClock


class Desk:
    """What happened, in order, and what the world should do next."""

    def __init__(self) -> None:
        self.story: list[str] = []
        self.trouble: dict[str, list[Exception | None]] = {}

    def do(self, what: str) -> None:
        self.story.append(what)
        queue = self.trouble.get(what)
        error = queue.pop(0) if queue else None
        if error is not None:
            raise error


class Told(Step):
    def __init__(self, desk: Desk, name: str, **options: Any) -> None:
        self.desk, self.name = desk, name
        for key, value in options.items():
            setattr(self, key, value)

    def do(self, call: Call) -> Outcome:
        self.desk.do(f"do {self.name}")
        return Outcome(self.name.upper())

    def look(self, call: Call) -> Outcome | None:
        self.desk.do(f"look {self.name}")
        return None

    def undo(self, call: Call) -> None:
        self.desk.do(f"undo {self.name}")


class Office:
    """One journal, owners one after another."""

    def __init__(self) -> None:
        self.journal, self.clock, self.epoch = MemoryJournal(), VirtualClock(), 0
        self.events: list[str] = []

    async def run(self, flow: Flow, *, cancelled: Any = lambda: None, drain: float = 0.0) -> Result:
        self.epoch += 1
        self.journal.fence("op", self.epoch)
        runner = Runner(self.journal, self.clock, InlineWorkers(), listener=self.hear)
        hold = Hold(Lease("op", f"owner-{self.epoch}", self.epoch, 1e9, drain), self.clock.monotonic)
        return await runner.run(flow, hold, cancelled=cancelled)

    def hear(self, event: str, operation: str, step: str, **details: Any) -> None:
        self.events.append(f"{event} {step}")


def flow_of(body: Any, **options: Any) -> Flow:
    return Flow("test", body, (), **options)


def test_a_sequence_is_done_in_order() -> None:
    """Steps of a sequence are done one after another, and their values are kept."""
    desk, office = Desk(), Office()
    result = asyncio.run(office.run(flow_of(sequence(Told(desk, "a"), Told(desk, "b")))))
    assert (result.end, desk.story) == (End.COMPLETED, ["do a", "do b"])
    assert result.values == {"a": "A", "b": "B"}


def test_a_failure_takes_everything_back_youngest_first() -> None:
    """What failed is undone too: nobody knows how far it came."""
    desk, office = Desk(), Office()
    desk.trouble["do c"] = [Refused("no room")]
    result = asyncio.run(office.run(flow_of(sequence(Told(desk, "a"), Told(desk, "b"), Told(desk, "c")))))
    assert (result.end, result.error) == (End.UNDONE, "no room")
    assert desk.story == ["do a", "do b", "do c", "undo c", "undo b", "undo a"]


def test_unsettled_calls_are_looked_at_before_they_are_repeated() -> None:
    """A lost answer is no reason to create a thing twice."""
    desk, office = Desk(), Office()
    desk.trouble["do a"] = [Unsettled("timed out")]
    result = asyncio.run(office.run(flow_of(sequence(Told(desk, "a")))))
    assert (result.end, desk.story) == (End.COMPLETED, ["do a", "look a", "do a"])


def test_a_new_owner_looks_first_and_skips_what_is_done() -> None:
    """Killed between call and record: the next owner asks the world."""
    desk, office = Desk(), Office()
    desk.trouble["do b"] = [KeyboardInterrupt()]  # type: ignore[list-item]
    flow = flow_of(sequence(Told(desk, "a"), Told(desk, "b")))
    with pytest.raises(KeyboardInterrupt):
        asyncio.run(office.run(flow))
    result = asyncio.run(office.run(flow))
    assert result.end is End.COMPLETED
    assert desk.story == ["do a", "do b", "look b", "do b"]


def test_a_new_owner_goes_on_undoing() -> None:
    """The decision to go back outlives the owner who took it."""
    desk, office = Desk(), Office()
    desk.trouble["do b"] = [Refused("no")]
    desk.trouble["undo a"] = [KeyboardInterrupt()]  # type: ignore[list-item]
    flow = flow_of(sequence(Told(desk, "a"), Told(desk, "b")))
    with pytest.raises(KeyboardInterrupt):
        asyncio.run(office.run(flow))
    result = asyncio.run(office.run(flow))
    assert (result.end, result.error) == (End.UNDONE, "no")
    assert desk.story == ["do a", "do b", "undo b", "undo a", "undo a"]


def test_a_recorded_failure_gives_up_its_item_only() -> None:
    """The item's own work is taken back, the others go on, and the record names it."""
    desk, office = Desk(), Office()
    desk.trouble["do make/2"] = [Refused("no valid host")]
    body = for_each(
        [1, 2, 3],
        lambda n: sequence(
            Told(desk, f"copy/{n}"),
            Told(desk, f"make/{n}", on_failure=OnFailure.RECORD),
            Told(desk, f"attach/{n}"),
        ),
        name=str,
        limit=1,
    )
    result = asyncio.run(office.run(flow_of(sequence(body, Told(desk, "end")))))
    assert result.end is End.COMPLETED
    assert [(entry.step, entry.error) for entry in result.failures] == [("make/2", "no valid host")]
    assert desk.story[3:6] == ["do copy/2", "do make/2", "undo make/2"]
    assert "do attach/2" not in desk.story
    assert desk.story[-4:] == ["do copy/3", "do make/3", "do attach/3", "do end"]


def test_after_the_commit_nothing_is_taken_back() -> None:
    """Once the commit step is done a failure is recorded, however fatal it would have been before."""
    desk, office = Desk(), Office()
    desk.trouble["do tidy"] = [Refused("gone")]
    flow = flow_of(sequence(Told(desk, "move"), Told(desk, "commit"), Told(desk, "tidy")), commit="commit")
    result = asyncio.run(office.run(flow))
    assert (result.end, [entry.step for entry in result.failures]) == (End.COMPLETED, ["tidy"])
    assert not any(line.startswith("undo") for line in desk.story)


def test_a_barrier_that_does_not_fall_keeps_what_is_behind_it() -> None:
    """Better both stopped than two copies: nothing earlier than a failed barrier is undone."""
    desk, office = Desk(), Office()
    desk.trouble["do boot"] = [Refused("no")]
    desk.trouble["undo boot"] = [Refused("still there")] * 9
    flow = flow_of(sequence(Told(desk, "stop"), Told(desk, "boot", barrier=True)))
    result = asyncio.run(office.run(flow))
    assert result.end is End.STUCK
    assert "undo stop" not in desk.story
    assert [(e.step, e.state, e.error) for e in result.failures] == [("boot", State.UNDO_FAILED, "still there")]


class Turn(Told):
    def do(self, call: Call) -> Outcome:
        super().do(call)
        return Outcome("forward" if len([line for line in self.desk.story if line == "do turn"]) == 1 else "undo")


def test_a_flow_that_has_won_is_turned_forward() -> None:
    """Undo asks first; the answer that the commit was applied makes the flow go on instead."""
    desk, office = Desk(), Office()
    desk.trouble["do commit"] = [Refused("lost answer")]
    flow = flow_of(
        sequence(Told(desk, "a"), Told(desk, "commit"), Told(desk, "end")), turn=Turn(desk, "turn"), commit="commit"
    )
    result = asyncio.run(office.run(flow))
    assert result.end is End.COMPLETED
    assert desk.story == ["do a", "do commit", "do turn", "look commit", "do commit", "do end"]


def test_a_person_can_stop_it() -> None:
    """A cancelled operation goes back and says who asked."""
    desk, office = Desk(), Office()
    asked: list[str] = []
    flow = flow_of(sequence(Told(desk, "a"), Told(desk, "b")))

    def cancelled() -> str | None:
        return "dana" if "do a" in desk.story else None

    result = asyncio.run(office.run(flow, cancelled=cancelled))
    assert (result.end, result.error, asked) == (End.UNDONE, "Cancelled by dana", [])
    assert desk.story == ["do a", "undo a"]


def test_a_fenced_owner_writes_and_calls_nothing_more() -> None:
    """An owner that was frozen past its lease and woken finds its first journal write refused."""
    desk, office = Desk(), Office()

    class Frozen(Told):
        def do(self, call: Call) -> Outcome:
            office.journal.fence("op", 99)
            return super().do(call)

    flow = flow_of(sequence(Frozen(desk, "a"), Told(desk, "b")))
    with pytest.raises(Fenced):
        asyncio.run(office.run(flow))
    assert desk.story == ["do a"]
    assert office.journal.load("op")["a"].state is State.STARTED


class Boots:
    """A list of servers that boot in ten seconds; counts how often it is read."""

    key = "servers"

    def __init__(self, clock: VirtualClock) -> None:
        self.clock, self.reads = clock, 0

    def read(self, subjects: frozenset[str]) -> dict[str, str]:
        self.reads += 1
        return {subject: "ACTIVE" if self.clock.monotonic() >= 10 else "BUILD" for subject in subjects}


def test_many_waiters_share_one_poller() -> None:
    """A thousand servers booting cost one list call an interval, not a thousand."""
    office = Office()
    boots = Boots(office.clock)

    class Boot(Told):
        def do(self, call: Call) -> Any:
            return Waiting(boots, self.name, lambda seen: Outcome(seen) if seen == "ACTIVE" else None)

    flow = flow_of(together(*(Boot(Desk(), f"boot/{n}") for n in range(1000))))
    result = asyncio.run(office.run(flow))
    assert result.end is End.COMPLETED
    assert boots.reads < 80
    assert 10 <= office.clock.monotonic() < 11.5


def test_what_comes_late_is_settled_after_the_drain() -> None:
    """An operation that was taken over ends only when no call of its first owner can arrive any more, and looks once more then."""
    desk, office = Desk(), Office()
    flow = flow_of(sequence(Told(desk, "a")), settle=Told(desk, "settle"))
    asyncio.run(office.run(flow))
    assert "do settle" not in desk.story
    before = office.clock.monotonic()
    asyncio.run(office.run(flow, drain=90))
    assert desk.story[-1] == "do settle"
    assert office.clock.monotonic() - before >= 90


def test_a_full_lane_keeps_nobody_else_waiting() -> None:
    """Steps that queue for one array have a few workers among them, in their order; a step of another lane, or of none, goes past them."""
    desk, office = Desk(), Office()
    crowd = [Told(desk, f"copy/{n}") for n in range(3 * LANE)]
    for step in crowd:
        step.lane = ("array", "a")
    other, free = Told(desk, "other"), Told(desk, "free")
    other.lane = ("array", "b")
    asyncio.run(office.run(flow_of(together(*crowd, other, free))))
    first = desk.story[: LANE + 2]
    assert set(first) == {*(f"do copy/{n}" for n in range(LANE)), "do other", "do free"}
    assert [told for told in desk.story if "copy" in told] == [f"do copy/{n}" for n in range(3 * LANE)]
