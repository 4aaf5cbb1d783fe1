"""Whatever dies, freezes, is lost or comes late: every effect exactly once, every record true, every run ends."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from support.workflow import faults, sweep
from support.workflow.plans import Plan, plans
from support.workflow.sql import sqlite_backends
from support.workflow.trial import MemoryBackend, violations_of

MANY = int(os.environ.get("WORKFLOW_EXAMPLES", "600"))
SOME = max(60, MANY // 6)
QUIET = settings(deadline=None, print_blob=True, suppress_health_check=list(HealthCheck))


@settings(QUIET, max_examples=MANY)
@given(plan=plans, misfortunes=st.lists(faults.faults, max_size=6), latencies=faults.latencies)
def test_exactly_once_on_the_memory_journal(
    plan: Plan, misfortunes: list[faults.Fault], latencies: list[float]
) -> None:
    """Any flow under any schedule of crashes, freezes, late calls, lost answers, outages and hand-overs keeps every promise."""
    trial = violations_of(plan, faults.Schedule(misfortunes, latencies), MemoryBackend)
    note("\n".join(trial.world.story))
    assert trial.violations == []


@pytest.mark.parametrize("name", sweep.PLANS)
def test_any_single_fault_anywhere(name: str) -> None:
    """Each kind of fault at each call, commit and poll of a telling flow keeps every promise."""
    for fault, trial in sweep.single_faults(sweep.PLANS[name]):
        assert trial.violations == [], "\n".join([str(fault), *trial.world.story])


def test_exactly_once_on_the_sql_journal(tmp_path: Path) -> None:
    """The same on the SQL journal and its leases: one SQLite file, two engines, the database's clock."""
    with sqlite_backends(tmp_path) as backend:

        @settings(QUIET, max_examples=SOME)
        @given(plan=plans, misfortunes=st.lists(faults.faults, max_size=6), latencies=faults.latencies)
        def promised(plan: Plan, misfortunes: list[faults.Fault], latencies: list[float]) -> None:
            trial = violations_of(plan, faults.Schedule(misfortunes, latencies), backend)
            note("\n".join(trial.world.story))
            assert trial.violations == []

        promised()
