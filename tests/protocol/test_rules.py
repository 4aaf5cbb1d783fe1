"""Each rule holds its story together: with it nothing breaks, without its one function its property does."""

from collections.abc import Callable

import pytest

from siterecovery.protector.domain.states import GroupStatus

from . import stories
from .conftest import Make
from .ground import A, B
from .play import Play
from .rules import RULES


@pytest.mark.parametrize("name", RULES)
def test_the_story_holds(name: str, make: Make) -> None:
    """With all rules nothing breaks, on the way or at rest."""
    play = make(**RULES[name].how)
    RULES[name].story(play)
    assert play.broken() == set(), play.story()


@pytest.mark.parametrize("name", RULES)
def test_without_the_rule_it_breaks(name: str, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rule's one function, replaced by one that does not keep it: the property it is there for breaks."""
    play = make(**RULES[name].how)
    RULES[name].without(monkeypatch)
    RULES[name].story(play)
    assert RULES[name].breaks in play.broken(), play.story()


def test_a_forced_failover_without_a_recovery_point_stops_nothing(make: Make) -> None:
    """Both sites live and nothing was ever replicated: it is refused before the source is fenced, and the VM runs on."""
    play = make()
    play.ground.write(A, "w1")
    operation = play.ask(B, force=True)
    assert play.settled()
    assert "No complete recovery point" in str(play.operation(B, operation.id).error_message)
    assert [guest.home for guest in play.ground.running()] == [A]
    assert play.group(A).status is GroupStatus.ACTIVE
    assert play.broken() == set(), play.story()


@pytest.mark.parametrize("story", [stories.force_fences_late])
def test_more_stories(story: Callable[[Play], None], make: Make) -> None:
    """What building the rules has shown besides."""
    play = make()
    story(play)
    assert play.broken() == set(), play.story()
