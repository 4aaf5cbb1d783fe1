"""Who starts and who stops next."""

from hypothesis import given
from hypothesis import strategies as st

from siterecovery.kubevirt.domain.ordering import Standing, effective, to_start, to_stop


def member(name, priority=3, needs=(), passed=False, moving=False):
    return Standing(name, priority, tuple(needs), passed, moving or passed)


def test_a_better_priority_goes_first():
    """Only the best priority that is not up yet is told to start; the worst one that is not down yet to stop."""
    members = [member("a", 1), member("b", 2), member("c", 2)]
    assert (to_start(members), to_stop(members)) == (["a"], ["b", "c"])


def test_those_who_wait_follow_when_the_others_are_up():
    """Once the first are where they shall be, the next are told."""
    assert to_start([member("a", 1, passed=True), member("b", 2), member("c", 2)]) == ["b", "c"]
    assert to_stop([member("a", 1), member("b", 2, passed=True)]) == ["a"]


def test_one_on_its_way_is_waited_for_and_not_told_again():
    """A member that is starting is not told twice, and those behind it wait."""
    assert to_start([member("a", 1, moving=True), member("b", 2)]) == []


def test_a_dependency_is_stronger_than_a_priority():
    """What an important member depends on starts before it, whatever its own priority says, and stops after it."""
    members = [member("web", 1, ["db"]), member("db", 5), member("log", 4)]
    assert effective(members) == {"web": 1, "db": 1, "log": 4}
    assert (to_start(members), to_stop(members)) == (["db"], ["log"])
    down = [member("web", 1, ["db"]), member("db", 5), member("log", 4, passed=True)]
    assert to_stop(down) == ["web"]


def test_one_that_came_too_late_is_still_told():
    """A member nobody waits for any longer is told all the same."""
    assert to_start([Standing("a", 1, (), passed=True, moving=False), member("b", 2)]) == ["a", "b"]


@st.composite
def groups(draw):
    """Members that depend on earlier ones only, so in no circle."""
    count = draw(st.integers(1, 8))
    return [
        member(
            f"v{n}", draw(st.integers(1, 5)), draw(st.sets(st.sampled_from([f"v{m}" for m in range(n)]))) if n else ()
        )
        for n in range(count)
    ]


@given(groups(), st.booleans())
def test_everybody_comes_to_his_turn_in_order(members, starting):
    """Whatever the priorities and dependencies, all are told after a finite number of rounds, each after (before) what it depends on."""
    left, order = {m.name: m for m in members}, []
    while left:
        now = [Standing(m.name, m.priority, m.depends_on, m.name not in left, m.name not in left) for m in members]
        told = (to_start if starting else to_stop)(now)
        assert told, f"nobody is told while {sorted(left)} wait"
        order += told
        for name in told:
            left.pop(name)
    for m in members:
        for other in m.depends_on:
            assert (order.index(other) < order.index(m.name)) is starting
