"""The protocol holds with all its rules, and each rule is needed: taken out, the property it protects breaks in the scenario named for it."""

import pytest

from .model import Model
from .rules import RULES, Rules
from .scenarios import IN_CI, SCENARIOS, WITHOUT
from .search import Search, cycle, walks
from .state import Budget


@pytest.mark.parametrize("name", IN_CI)
def test_nothing_breaks_with_all_rules(name: str) -> None:
    """Every interleaving of the scenario was visited, and no property breaks in any."""
    scenario = SCENARIOS[name]
    result = Search(Model(Rules(), scenario.budget, retain=scenario.retain)).run()
    assert result.broken is None, result.text()
    assert result.complete
    assert result.cut == 0


@pytest.mark.parametrize("rule", RULES)
def test_without_the_rule_its_property_breaks(rule: str) -> None:
    """The rule is necessary: without it the search finds the disaster it is there for."""
    where = WITHOUT[rule]
    scenario = SCENARIOS[where.scenario]
    model = Model(Rules().without(rule, *where.also), scenario.budget, retain=scenario.retain)
    result = Search(model, aside=where.aside).run()
    print(f"without {rule}: {result.text()}")
    assert result.broken == where.breaks.name


@pytest.mark.parametrize("rule", [rule for rule, where in WITHOUT.items() if where.also])
def test_the_companion_alone_breaks_nothing_there(rule: str) -> None:
    """Where two rules had to go, the one under test makes the difference: with only its companion gone the scenario holds."""
    where = WITHOUT[rule]
    scenario = SCENARIOS[where.scenario]
    result = Search(Model(Rules().without(*where.also), scenario.budget, retain=scenario.retain)).run()
    assert result.broken is None, result.text()


def test_a_walk_replays_from_its_seed() -> None:
    """The printed seed leads to the same broken property, by the same moves."""
    model = Model(Rules().without("LOCK"), Budget(planned_A=1, takeovers=1, failures=1, writes=1, tenant=1))
    first, second = (walks(model, seed=7, seconds=20) for _ in range(2))
    assert first.broken is not None
    assert (second.broken, second.trace) == (first.broken, first.trace)


def test_going_round_for_ever_is_found() -> None:
    """A cycle of the protocol's own moves counts as stuck, a diamond of them does not."""
    assert cycle({1: (2, 3), 2: (4,), 3: (4,), 4: ()}) is None
    assert cycle({1: (2,), 2: (3,), 3: (2,)}) in (2, 3)
