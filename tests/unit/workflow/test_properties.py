"""Whatever dies, freezes, is lost or comes late: every effect exactly once, every record true, every run ends."""

import os

from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from support.workflow import faults
from support.workflow.plans import Plan, plans
from support.workflow.trial import MemoryBackend, violations_of

MANY = int(os.environ.get("WORKFLOW_EXAMPLES", "1500"))
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
