"""Every kind of fault at every single interaction of a few telling flows: nothing is left to chance here."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from support.workflow.faults import FATAL, FROZEN, LONGEST_CALL, Fault, Schedule
from support.workflow.plans import Alone, Drawn, Many, One, Plan, named
from support.workflow.trial import Backend, MemoryBackend, Trial, violations_of

KINDS = (*FATAL, *FROZEN, "late", "lost request", "lost answer", "journal away", "leave", "cancel")
LATENCIES = (0.3, 0.1)


def _create(**options: Any) -> One:
    return One("create", options.pop("phase", "a"), **options)


def _remove(**options: Any) -> One:
    return One("remove", "b", **options)


def _each(*children: Drawn) -> Many:
    return Many("each", children)


WHOLE = named(Plan((Many("together", (_create(), _remove())), _create(phase="c"))))
TAKEN_BACK = named(Plan((_create(), Many("together", (_create(), _remove())), _create(trouble="fails late"))))
WON = named(Plan((_create(),), commit=True, turn=True, commit_trouble="change refused"))
GIVEN_UP = named(
    Plan(
        (_each(_create(phase="b"), Many("sequence", (_create(), _create(record=True, trouble="fails late")))),),
        commit=True,
        turn=True,
        after=(Alone(_create(phase="c", record=True, trouble="refuses")),),
    )
)
HELD_UP = named(
    Plan((_create(), _create(barrier=True, stuck=True), _create(trouble="refuses")), commit=True, turn=True)
)
PAIR = named(Plan((Many("together", (_create(), _create())),)))
PLANS = {"whole": WHOLE, "taken back": TAKEN_BACK, "won": WON, "given up": GIVEN_UP, "held up": HELD_UP}


def single_faults(
    plan: Plan,
    kinds: Sequence[str] = KINDS,
    backend: Callable[[], Backend] = MemoryBackend,
    latencies: Sequence[float] = LATENCIES,
    **options: Any,
) -> Iterator[tuple[Fault, Trial]]:
    """One trial for each kind of fault at each interaction that the plan comes to. Who freezes wakes up when another owner has ended it."""
    for kind in kinds:
        for place in itertools.count():
            fault = Fault(place, kind, seconds=36.0 if kind in FROZEN else 12.0, delay=LONGEST_CALL)
            schedule = Schedule([fault], latencies)
            trial = violations_of(plan, schedule, backend, **options)
            if not schedule.spent:
                break
            yield fault, trial
