"""Questions asked side by side."""

import threading

import pytest

from siterecovery.workflow.abreast import abreast
from siterecovery.workflow.ownership import owned, still_owned
from siterecovery.workflow.step import Fenced


def test_the_answers_come_in_the_questions_order() -> None:
    """Whoever answers first: the order is that of the questions; none and one are fine."""
    second_is_done = threading.Event()

    def first() -> str:
        assert second_is_done.wait(10)
        return "first"

    def second() -> str:
        second_is_done.set()
        return "second"

    assert abreast(first, second) == ["first", "second"]
    assert abreast(lambda: "one") == ["one"]
    assert abreast() == []


def test_the_first_failure_in_order_is_told() -> None:
    """A refusal does not depend on who was quicker, and everybody has ended by then."""
    ended = []

    def fail(name: str) -> None:
        ended.append(name)
        raise ValueError(name)

    with pytest.raises(ValueError, match="one"):
        abreast(lambda: ended.append("zero"), lambda: fail("one"), lambda: fail("two"))
    assert sorted(ended) == ["one", "two", "zero"]


def test_who_has_lost_the_lease_asks_nothing_side_by_side_either() -> None:
    """The owner's check is asked in the other threads too."""

    def lost() -> None:
        raise Fenced("the lease is lost")

    with pytest.raises(Fenced):
        owned(lost, lambda: abreast(still_owned, still_owned))
