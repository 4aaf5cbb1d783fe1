"""How much happens in which scenario, and where the absence of each rule shows."""

from typing import NamedTuple

from .rules import Property
from .state import Budget


class Scenario(NamedTuple):
    budget: Budget
    retain: bool = False


class Without(NamedTuple):
    """Where a rule's absence shows: the property that breaks, rules taken out with it, properties set aside to see the harm itself."""

    scenario: str
    breaks: Property
    also: tuple[str, ...] = ()
    aside: tuple[str, ...] = ()


SCENARIOS: dict[str, Scenario] = {
    # engines: a planned move with a take-over, a failing step, a tenant
    "freeze": Scenario(Budget(planned_A=1, takeovers=1, failures=1, writes=2)),
    "tenant": Scenario(Budget(planned_A=1, takeovers=1, failures=1, writes=2, tenant=1)),
    "freeze-again": Scenario(Budget(planned_A=2, takeovers=1, failures=1, writes=1)),
    "freeze-twice": Scenario(Budget(planned_A=2, takeovers=2, failures=1, writes=1)),
    "round-trip": Scenario(Budget(planned_A=1, planned_B=1, takeovers=1, writes=2)),
    "round-trip-retain": Scenario(Budget(planned_A=1, planned_B=1, takeovers=1, writes=2), retain=True),
    # one disaster during or after a planned move
    "cut": Scenario(Budget(planned_A=1, forced_B=1, cuts=1, writes=2)),
    "cut-freeze": Scenario(Budget(planned_A=1, forced_B=1, cuts=1, failures=1, takeovers=1, writes=1)),
    "death": Scenario(Budget(planned_A=1, forced_B=1, deaths_A=1, writes=2)),
    "death-freeze": Scenario(Budget(planned_A=1, forced_B=1, deaths_A=1, takeovers=1, writes=1)),
    "death-target": Scenario(Budget(planned_A=1, forced_A=1, deaths_B=1, takeovers=1, failures=1, writes=1)),
    "force-up": Scenario(Budget(planned_A=1, forced_B=1, takeovers=1, failures=1, writes=1)),
    "return": Scenario(Budget(forced_B=1, planned_B=1, deaths_A=1, takeovers=1, writes=2, settles=1)),
    "lossy": Scenario(Budget(planned_A=1, lossy_B=1, writes=2)),
    "home-then-dead": Scenario(Budget(planned_A=1, planned_B=1, forced_B=1, deaths_A=1, writes=2)),
    # two users, two disasters
    "two-users": Scenario(Budget(planned_A=1, planned_B=1, cuts=1, writes=1)),
    "collision": Scenario(Budget(planned_A=1, forced_A=1, forced_B=1, cuts=1)),
    "both-force": Scenario(Budget(forced_A=1, forced_B=1, cuts=1, writes=1)),
    "both-force-freeze": Scenario(Budget(forced_A=1, forced_B=1, cuts=1, takeovers=1, writes=1)),
    "double-death": Scenario(Budget(forced_A=1, forced_B=1, deaths_A=1, deaths_B=1, writes=1)),
    "cut-and-death": Scenario(Budget(planned_A=1, forced_B=1, cuts=1, deaths_A=1, writes=1)),
    # metadata
    "change": Scenario(Budget(changes=2, forced_B=1, planned_A=1, cuts=1, settles=1)),
}

WALKS: dict[str, Budget] = {
    "walk-one-cut": Budget(
        planned_A=3,
        planned_B=3,
        forced_A=1,
        forced_B=1,
        cuts=1,
        deaths_A=1,
        takeovers=2,
        failures=2,
        writes=5,
        tenant=1,
        changes=2,
    ),
    "walk-much": Budget(
        cuts=3,
        deaths_A=2,
        deaths_B=2,
        takeovers=4,
        failures=3,
        writes=8,
        tenant=2,
        planned_A=4,
        planned_B=4,
        lossy_A=1,
        lossy_B=1,
        forced_A=2,
        forced_B=2,
        changes=3,
    ),
}

IN_CI = ("freeze", "round-trip", "lossy", "two-users", "change", "both-force", "death")
"""Searched to the end on every run; the others by `python -m tests.model`."""

WITHOUT: dict[str, Without] = {
    "ONE_DOOR": Without("two-users", Property.TWO_WRITERS),
    "CLAIM": Without("death", Property.SECOND_START, aside=("TWO_WRITERS",)),
    "SITE_NUMBERS": Without("collision", Property.TWO_IN_ONE_EPOCH, aside=("TWO_WRITERS",)),
    "TARGET_COMMITS": Without("death", Property.STALE_POINT, aside=("ACTIVE_OLDER",)),
    "REVOKE": Without("freeze", Property.PLANNED_LOSS),
    "FORCE_OVERRIDES": Without("death", Property.NO_RECOVERY),
    "FORCE_FENCES": Without("force-up", Property.SECOND_START),
    "SWEEP": Without("death", Property.SECOND_START),
    "RETURN_ASKS": Without("death", Property.TWO_AT_REST),
    "LOCK": Without("cut", Property.LATE_SECOND),
    "HANDOVER": Without("cut", Property.SECOND_START),
    "UNDO_BARRIER": Without("freeze", Property.SECOND_START),
    "KEY_BY_OP": Without("freeze", Property.STUCK),
    "QUARANTINE": Without("freeze", Property.LAST_CONTENT),
    "KEEP_STALE": Without("death", Property.LAST_CONTENT),
    "KEEP_SOURCE": Without("home-then-dead", Property.POINT_LOST),
    "EPOCH_RP": Without("home-then-dead", Property.STALE_POINT),
    "NEW_OBJECTS": Without("round-trip-retain", Property.LAST_CONTENT),
    "BURN": Without("round-trip", Property.LATE_SECOND, also=("DRAIN",)),
    "WATCH_UP": Without("freeze", Property.LEFT_LOCKED, also=("DRAIN",)),
    "TAG_MONO": Without("force-up", Property.TAG_FELL),
    "DRAIN": Without("freeze-twice", Property.SECOND_START),
}
