"""Flows are put together like runbooks, and refuse what the journal could not tell apart."""

import pytest

from siterecovery.workflow.flow import Flow, Item, Sequence, Together, attempt, for_each, items_of, sequence, together
from siterecovery.workflow.step import Retry, Step


class Named(Step):
    def __init__(self, name: str) -> None:
        self.name = name


def test_steps_come_in_the_order_of_the_runbook() -> None:
    """Sequences, parallel branches, items and attempts are walked in the order in which they are written."""
    pair = for_each([1, 2], lambda n: sequence(Named(f"copy/{n}"), Named(f"make/{n}")), name=str, limit=1)
    flow = Flow("f", sequence(Named("a"), together(Named("b"), attempt(Named("c"))), pair), ())
    assert [step.name for step in flow.steps()] == ["a", "b", "c", "copy/1", "make/1", "copy/2", "make/2"]
    assert [item.name for item in items_of(flow.body)] == ["c", "1", "2"]
    assert pair.limit == 1


def test_an_attempt_is_an_item_of_its_own() -> None:
    """Its failure concerns nobody else: it is the border of a recorded failure, under the step's name."""
    step = Named("a")
    assert attempt(step) == Item("a", step)


def test_a_phase_is_the_first_part_of_the_name() -> None:
    """`make/vm1/ports` belongs to `make`, and a name without a stroke to itself."""
    assert [Named(name).phase for name in ("make/vm1/ports", "make")] == ["make", "make"]


def test_names_that_come_twice_are_refused() -> None:
    """Two steps or two items of one name would share a journal entry; the message names them."""
    with pytest.raises(ValueError, match=r"flow f: steps must have unique names, these do not: \['a'\]"):
        Flow("f", sequence(Named("a"), Named("b"), Named("a")), ())
    twins = together(Item("x", Named("a")), Item("x", Named("b")), Item("y", Named("c")))
    with pytest.raises(ValueError, match=r"flow f: items must have unique names, these do not: \['x'\]"):
        Flow("f", sequence(twins), ())


def test_an_item_inside_an_item_needs_its_own_name() -> None:
    """An inner border that was given up must not be taken for the outer one."""
    with pytest.raises(ValueError, match="items must have unique names"):
        Flow("f", Item("x", sequence(Item("x", Named("a")))), ())


def test_a_commit_step_that_is_not_there_is_refused() -> None:
    """A flow whose point of no return can never come is a mistake."""
    with pytest.raises(ValueError, match="its commit step done is not in it"):
        Flow("f", Named("a"), (), commit="done")


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_that_lets_nothing_begin_is_refused(limit: int) -> None:
    """Zero is no way to say "without limit"."""
    with pytest.raises(ValueError, match="would let nothing begin"):
        together(Named("a"), limit=limit)


def test_nothing_is_a_flow_too() -> None:
    """An operation without members has an empty sequence and empty branches."""
    assert list(Flow("f", sequence(Sequence(()), Together(())), ()).steps()) == []


def test_pauses_grow_up_to_the_longest_however_often_it_is_tried() -> None:
    """The thousandth pause is as long as the longest one: no number is too large to be computed."""
    retry = Retry(first=0.5, factor=2.0, longest=15.0)
    assert [retry.pause(attempt) for attempt in (1, 2, 3, 6, 10_000)] == [0.5, 1.0, 2.0, 15.0, 15.0]
