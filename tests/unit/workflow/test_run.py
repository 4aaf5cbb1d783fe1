"""What a run does at its corners: turning, settling, stopping, handing over, and hearing that a write was refused."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from siterecovery.workflow.flow import Flow, Phase, attempt, for_each, sequence, together
from siterecovery.workflow.journal import State, Write
from siterecovery.workflow.record import Record
from siterecovery.workflow.runner import End, Result
from siterecovery.workflow.step import (
    Answer,
    Call,
    Fenced,
    HandedOver,
    OnFailure,
    Outcome,
    Refused,
    Retry,
    Unsettled,
    Waiting,
)
from support.workflow.loop import run_virtually
from support.workflow.office import Desk, Office, Told


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def office(desk: Desk) -> Office:
    return Office(desk)


async def after(seconds: float, act: Callable[[], Any]) -> None:
    await asyncio.sleep(seconds)
    act()


async def both(run: Awaitable[Result], event: Awaitable[None]) -> Result | BaseException:
    answers = await asyncio.gather(run, event, return_exceptions=True)
    answer: Result | BaseException = answers[0]
    return answer


# ---------------------------------------------------------------------------------------------------- turning


def won(desk: Desk, **options: Any) -> Flow:
    """A flow whose commit answers nothing at first although it was applied; its turn says so."""
    desk.trouble["do commit"] = [Refused("lost answer")]
    body = sequence(Told(desk, "a"), Told(desk, "commit"), Told(desk, "end"))
    return Flow("f", body, (), turn=Told(desk, "turn", value="forward"), commit="commit", **options)


def test_the_turns_answer_outlives_its_owner(desk: Desk, office: Office) -> None:
    """Killed between the answer and the flow's turning forward, the next owner goes forward: what has won is not taken back."""
    flow = won(desk)
    journal = office.journal
    commit = journal.commit

    def until_turned(writes: Sequence[Write]) -> Sequence[Exception | None]:
        if any(entry.step == "#undo" and entry.state is State.DONE for write in writes for entry in write.entries):
            raise KeyboardInterrupt
        return commit(writes)

    journal.commit = until_turned  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        run_virtually(office.run(flow))
    journal.commit = commit  # type: ignore[method-assign]
    result = run_virtually(office.run(flow))
    assert result.end is End.COMPLETED
    assert not any(line.startswith("undo") for line in desk.story)


def test_what_has_won_cannot_be_stopped(desk: Desk, office: Office) -> None:
    """A person's wish to stop comes too late once the turn has said that the commit was applied."""
    cancelled = {"by": "dana"}
    flow = won(desk)
    result = run_virtually(office.run(flow, cancelled=lambda: cancelled["by"] if "do commit" in desk.story else None))
    assert (result.end, result.error) == (End.COMPLETED, None)
    assert desk.story[-1] == "do end"


def test_a_turn_that_cannot_be_asked_ends_it_at_once(desk: Desk, office: Office) -> None:
    """Nothing is undone and nobody asks five times over: a person must look, and hears why."""
    flow = won(desk)
    desk.trouble["do turn"] = [Refused("no such site")] * 50
    result = run_virtually(office.run(flow))
    assert (result.end, result.error) == (End.STUCK, "lost answer")
    assert desk.story.count("do turn") == 5
    assert ("turn", "no such site") in [(entry.step, entry.error) for entry in result.failures]
    assert not any(line.startswith("undo") for line in desk.story)


def test_a_flow_that_has_won_and_cannot_finish_ends(desk: Desk, office: Office) -> None:
    """A commit that is refused again and again is turned forward a few times, then a person must look."""
    flow = won(desk)
    desk.trouble["do commit"] = [Refused("lost answer")] * 50
    result = run_virtually(office.run(flow))
    assert (result.end, result.error) == (End.STUCK, "lost answer")
    assert [entry.step for entry in result.failures] == ["commit"]


def test_a_stop_that_meets_the_commit_undoes_nothing(desk: Desk, office: Office) -> None:
    """Also without a turn: asked to stop while the commit is under way, the flow goes on to its end."""
    desk.takes["do commit"] = 5.0
    body = sequence(Told(desk, "a"), Told(desk, "commit"), Told(desk, "end"))
    flow = Flow("f", body, (), commit="commit")
    result = run_virtually(office.run(flow, cancelled=lambda: "dana" if "do commit" in desk.story else None))
    assert result.end is End.COMPLETED
    assert desk.story == ["do a", "do commit", "do end"]


# ---------------------------------------------------------------------------------------------------- after the commit


def test_an_item_after_the_commit_is_not_undone(desk: Desk, office: Office) -> None:
    """Its failure is recorded and the rest of it is given up; what it has done stays."""
    desk.trouble["do keep/b"] = [Refused("no")]
    item = for_each(["x"], lambda _: sequence(Told(desk, "keep/a"), Told(desk, "keep/b"), Told(desk, "c")), name=str)
    flow = Flow("f", sequence(Told(desk, "commit"), item, Told(desk, "end")), (), commit="commit")
    result = run_virtually(office.run(flow))
    assert (result.end, [entry.step for entry in result.failures]) == (End.COMPLETED, ["keep/b"])
    assert desk.story == ["do commit", "do keep/a", "do keep/b", "do end"]


def test_a_flow_that_is_not_reversible_minds_only_itself(desk: Desk, office: Office) -> None:
    """Neither its operation's decision to go back nor a person's wish stops it; what fails is recorded, and nothing is undone."""
    desk.trouble["do b"] = [Refused("no")]
    run_virtually(office.run(Flow("f", sequence(Told(desk, "a"), Told(desk, "b")), ())))
    assert office.states()["#undo"] == "started"
    desk.story.clear()
    desk.trouble["do clean/1"] = [Refused("busy")]
    body = together(attempt(Told(desk, "clean/1")), attempt(Told(desk, "clean/2")), limit=1)
    result = run_virtually(office.run(Flow("g", body, (), reversible=False), cancelled=lambda: "dana"))
    assert (result.end, result.error) == (End.COMPLETED, None)
    assert [(entry.step, entry.error) for entry in result.failures] == [("clean/1", "busy")]
    assert desk.story == ["do clean/1", "do clean/2"]


# ---------------------------------------------------------------------------------------------------- settling


def test_a_stopped_operation_is_settled_all_the_same(desk: Desk, office: Office) -> None:
    """That a person stopped it must neither keep the last look from happening nor break the run."""
    flow = Flow("f", sequence(Told(desk, "a"), Told(desk, "b")), (), settle_undone=Told(desk, "settle"))
    desk.trouble["undo a"] = [Refused("not now")]
    office.epoch = 1
    result = run_virtually(office.run(flow, drain=20.0, cancelled=lambda: "dana" if "do a" in desk.story else None))
    assert (result.end, result.error) == (End.UNDONE, "Cancelled by dana")
    assert desk.story == ["do a", "undo a", "undo a", "do settle"]


def test_a_stop_during_the_last_look_comes_too_late(desk: Desk, office: Office) -> None:
    """A flow without a commit that is through is settled, whoever asks to stop meanwhile."""
    flow = Flow("f", sequence(Told(desk, "a")), (), settle=Told(desk, "settle"))
    office.epoch = 1
    result = run_virtually(
        office.run(flow, drain=20.0, cancelled=lambda: "dana" if office.states().get("a") == "done" else None)
    )
    assert (result.end, desk.story) == (End.COMPLETED, ["do a", "do settle"])


def test_the_drain_counts_from_the_take_over(desk: Desk, office: Office) -> None:
    """A run that takes longer than late calls can need does not wait once more at its end."""
    desk.takes["do a"] = 300.0
    flow = Flow("f", sequence(Told(desk, "a")), (), settle=Told(desk, "settle"))
    office.epoch = 1

    async def work() -> float:
        await office.run(flow, drain=90.0)
        return office.monotonic()

    assert 300 <= run_virtually(work()) < 302


def test_whoever_leaves_does_not_wait_for_late_calls(desk: Desk, office: Office) -> None:
    """A shutdown in the middle of the drain hands over at once; the next owner waits for the rest."""
    flow = Flow("f", sequence(Told(desk, "a")), (), settle=Told(desk, "settle"))
    office.epoch = 1

    async def work() -> tuple[Any, float]:
        return await both(office.run(flow, drain=500.0), after(10.0, lambda: leave(office))), office.monotonic()

    answer, hour = run_virtually(work())
    assert isinstance(answer, HandedOver)
    assert hour < 13
    assert "do settle" not in desk.story


def test_a_last_look_that_fails_is_said(desk: Desk, office: Office) -> None:
    """The run ends as it would, and its failures name what could not be put right."""
    flow = Flow("f", sequence(Told(desk, "a")), (), settle=Told(desk, "settle"))
    desk.trouble["do settle"] = [Refused("no access")]
    office.epoch = 1
    result = run_virtually(office.run(flow))
    assert (result.end, [(entry.step, entry.error) for entry in result.failures]) == (
        End.COMPLETED,
        [("settle", "no access")],
    )
    assert "unsettled settle" in office.events


def leave(office: Office) -> None:
    assert office.hold is not None
    office.hold.leaving = True


# ---------------------------------------------------------------------------------------------------- leases


def test_a_lapse_is_no_persons_wish(desk: Desk, office: Office) -> None:
    """A lease that lapsed and was renewed late fences the run: it does not go back as if somebody had stopped it."""
    desk.takes["do a"] = 20.0
    flow = Flow("f", sequence(Told(desk, "a"), Told(desk, "b")), ())

    def renew() -> None:
        assert office.hold is not None
        office.hold.renewed(office.monotonic())

    answer = run_virtually(both(office.run(flow, ttl=10.0), after(15.0, renew)))
    assert isinstance(answer, Fenced)
    assert office.states() == {"a": "started"}


def test_an_undo_is_handed_over_when_its_last_branch_is_through(desk: Desk, office: Office) -> None:
    """The lease is given back when nothing of this owner is under way any more; the next one goes on undoing."""
    desk.trouble["do end"] = [Refused("no")]
    desk.takes["undo slow"] = 50.0
    desk.trouble["undo quick"] = [Unsettled("busy") for _ in range(3)]
    flow = Flow("f", sequence(together(Told(desk, "quick"), Told(desk, "slow")), Told(desk, "end")), ())

    async def work() -> tuple[Any, int, float]:
        answer = await both(office.run(flow), after(0.7, lambda: leave(office)))
        return answer, desk.under_way, office.monotonic()

    answer, under_way, hour = run_virtually(work())
    assert isinstance(answer, HandedOver)
    assert (under_way, hour > 50, office.states()["slow"]) == (0, True, "undone")
    result = run_virtually(office.run(flow))
    assert result.end is End.UNDONE
    assert desk.story.count("undo slow") == 1


def test_nothing_is_begun_by_whoever_leaves(desk: Desk, office: Office) -> None:
    """What is under way is finished and recorded; what comes after it is the next owner's."""
    desk.takes["do a"] = 5.0
    flow = Flow("f", sequence(Told(desk, "a"), Told(desk, "b")), ())
    answer = run_virtually(both(office.run(flow), after(1.0, lambda: leave(office))))
    assert isinstance(answer, HandedOver)
    assert (office.states(), desk.story) == ({"a": "done"}, ["do a"])
    assert run_virtually(office.run(flow)).end is End.COMPLETED
    assert desk.story == ["do a", "do b"]


def test_whoever_leaves_before_it_began_hands_over(desk: Desk, office: Office) -> None:
    """Also while the journal is away and nothing is known yet."""
    office.away_until = 100.0
    flow = Flow("f", sequence(Told(desk, "a")), ())
    answer = run_virtually(both(office.run(flow), after(5.0, lambda: leave(office))))
    assert isinstance(answer, HandedOver)
    assert desk.story == []


# ---------------------------------------------------------------------------------------------------- journal


def test_a_journal_that_is_away_at_first_is_waited_for(desk: Desk, office: Office) -> None:
    """Before the first step as later: for as long as the lease lasts, and no longer."""
    office.away_until = 30.0
    flow = Flow("f", sequence(Told(desk, "a")), ())
    assert run_virtually(office.run(flow)).end is End.COMPLETED
    assert "journal_away" in office.events
    with pytest.raises(Fenced):
        run_virtually(office.run(flow, ttl=10.0))


def test_a_refused_result_is_a_failure_of_its_step(desk: Desk, office: Office) -> None:
    """What the domain does not accept is recorded and taken back; the run does not break, whatever the domain raised."""

    def refuse() -> None:
        raise LookupError("the group is gone")

    flow = Flow("f", sequence(Told(desk, "a"), Told(desk, "b", changes=(refuse,))), ())
    result = run_virtually(office.run(flow))
    assert (result.end, result.error) == (End.UNDONE, "LookupError: the group is gone")
    assert desk.story == ["do a", "do b", "undo b", "undo a"]


def test_a_late_write_brings_no_old_record(desk: Desk, office: Office) -> None:
    """A write that is repeated after the journal was away carries the record as it is then, not as it was at its first try."""
    seen: list[tuple[int, tuple[str, ...]]] = []

    def recorder(operation: str, record: Record, *, undoing: bool) -> tuple[Any, ...]:
        state = (record.progress, tuple(record.completed))
        return (lambda: seen.append(state),)

    def away() -> None:
        office.away_until = office.monotonic() + 0.5

    desk.takes |= {"do a": 1.0, "do b": 1.7}
    body = together(Told(desk, "a"), Told(desk, "b"))
    flow = Flow("f", body, (Phase("a"), Phase("b")))
    answer = run_virtually(both(office.run(flow, recorder=recorder), after(0.9, away)))
    assert isinstance(answer, Result)
    assert seen[-1] == (99, ("a", "b"))
    assert seen == sorted(seen)


def test_a_new_owner_keeps_what_failed(desk: Desk, office: Office) -> None:
    """A VM that was given up under the first owner is named by the second one, with its id."""
    desk.trouble["do make/1"] = [Refused("no valid host", resource_id="s1")]
    desk.trouble["do end"] = [KeyboardInterrupt()]  # type: ignore[list-item]
    item = for_each([1], lambda n: Told(desk, f"make/{n}", on_failure=OnFailure.RECORD), name=str)
    flow = Flow("f", sequence(item, Told(desk, "end")), ())
    with pytest.raises(KeyboardInterrupt):
        run_virtually(office.run(flow))
    result = run_virtually(office.run(flow))
    assert result.end is End.COMPLETED
    assert [(entry.step, entry.error, entry.resource_id) for entry in result.failures] == [
        ("make/1", "no valid host", "s1")
    ]


# ---------------------------------------------------------------------------------------------------- bounds


def test_the_limit_holds_both_ways(desk: Desk, office: Office) -> None:
    """No more at once than the flow allows, while doing and while undoing."""
    desk.takes |= {f"{what} vm/{n}": 1.0 for what in ("do", "undo") for n in range(12)}
    desk.trouble["do end"] = [Refused("no")]
    vms = for_each(range(12), lambda n: Told(desk, f"vm/{n}"), name=str, limit=3)
    result = run_virtually(office.run(Flow("f", sequence(vms, Told(desk, "end")), ())))
    assert (result.end, desk.most) == (End.UNDONE, 3)
    assert sum(line.startswith("undo vm") for line in desk.story) == 12


def test_a_steps_time_bounds_its_repetitions(desk: Desk, office: Office) -> None:
    """It is not tried again when the pause before would end after its time."""
    desk.trouble["do a"] = [Unsettled("busy") for _ in range(50)]
    step = Told(desk, "a", timeout=20.0, retry=Retry(attempts=50, first=4.0, factor=1.0))

    async def work() -> tuple[Result, float]:
        return await office.run(Flow("f", step, ())), office.monotonic()

    result, hour = run_virtually(work())
    assert (result.end, result.error) == (End.UNDONE, "busy")
    assert (desk.story.count("do a"), hour < 20) == (5, True)


def test_undo_is_patient_with_silence_and_short_with_refusals(desk: Desk, office: Office) -> None:
    """A world that does not answer is asked for as long as the step allows; one that says no five times is believed."""
    desk.trouble["do end"] = [Refused("no")]
    desk.trouble["undo silent"] = [Unsettled("no answer") for _ in range(1000)]
    desk.trouble["undo stubborn"] = [Refused("in use", resource_id="v1") for _ in range(1000)]
    pair = together(Told(desk, "silent", undo_timeout=3600.0), Told(desk, "stubborn"))
    result = run_virtually(office.run(Flow("f", sequence(pair, Told(desk, "end")), ())))
    assert result.end is End.STUCK
    assert desk.story.count("undo stubborn") == 5
    assert 200 < desk.story.count("undo silent") < 300
    left = {entry.step: (entry.state, entry.error, entry.resource_id) for entry in result.failures}
    assert left["stubborn"] == (State.UNDO_FAILED, "in use", "v1")
    assert left["silent"] == (State.UNDO_FAILED, "no answer", None)


# ---------------------------------------------------------------------------------------------------- what a step gets to know


def test_a_step_reads_what_others_have_answered(desk: Desk, office: Office) -> None:
    """Results of finished steps, last answers of undone ones, what was begun, what failed; all from the journal."""
    seen: dict[str, Any] = {}

    class Reader(Told):
        def do(self, call: Call) -> Answer:
            call.check()
            seen.update(
                key=call.key,
                result=call.result("make/1"),
                results=call.results("make"),
                last=(call.last("make/1"), call.last("never")),
                begun=(call.begun("make"), call.begun("make/2"), call.begun("mak")),
                failures=list(call.failures()),
            )
            with pytest.raises(KeyError):
                call.result("make/2")
            return Outcome()

        def undo(self, call: Call) -> Answer | None:
            seen["undone"] = call.last("make/1")
            return None

    desk.trouble["do make/2"] = [Refused("no host", resource_id="s2")]
    vms = for_each([1, 2], lambda n: Told(desk, f"make/{n}", value={"id": n}, on_failure=OnFailure.RECORD), name=str)
    run_virtually(office.run(Flow("f", sequence(vms, Reader(desk, "read")), ())))
    assert seen == {
        "key": "op/read",
        "result": {"id": 1},
        "results": {"make/1": {"id": 1}},
        "last": ({"id": 1}, None),
        "begun": (True, True, False),
        "failures": [("make/2", "no host", "s2")],
    }


class Doors:
    """A list of doors that open at their hour."""

    key = "doors"

    def read(self, subjects: frozenset[str]) -> dict[str, bool]:
        return {subject: asyncio.get_running_loop().time() >= 10.0 for subject in subjects}


def test_what_was_waited_for_may_lead_to_more(desk: Desk, office: Office) -> None:
    """`then` is called with the outcome's value, and may wait again."""

    class Chain(Told):
        def do(self, call: Call) -> Answer:
            return Waiting(Doors(), "one", self.opened, self.then)

        def opened(self, seen: bool | None) -> Outcome | None:
            return Outcome("open") if seen else None

        def then(self, value: Any) -> Answer:
            self.desk.did(f"then {value}")
            return Waiting(Doors(), "two", self.opened)

    result = run_virtually(office.run(Flow("f", Chain(desk, "a"), ())))
    assert (result.values, desk.story) == ({"a": "open"}, ["then open"])


def test_who_waits_hears_that_a_person_stops(desk: Desk, office: Office) -> None:
    """A wait of hours ends within a second or two, and what was done is taken back."""

    class Endless(Told):
        def do(self, call: Call) -> Answer:
            return Waiting(Doors(), "one", lambda seen: None)

    flow = Flow("f", sequence(Told(desk, "a"), Endless(desk, "b", timeout=7200.0)), ())

    async def work() -> tuple[Result, float]:
        return await office.run(flow, cancelled=lambda: "dana" if office.monotonic() > 60 else None), office.monotonic()

    result, hour = run_virtually(work())
    assert (result.end, result.error) == (End.UNDONE, "Cancelled by dana")
    assert hour < 63
    assert desk.story == ["do a", "undo b", "undo a"]
