"""Random schedules on light worlds: real API servers, disks, LINSTOR and controllers, with KubeVirt and its machines played.

    KUBERNETES_SCHEDULES=200 .venv/bin/pytest -q -s tests/kubernetes/failover/test_random.py
    KUBERNETES_SEED=4711,4712 .venv/bin/pytest -q -s tests/kubernetes/failover/test_random.py   these rounds again

Each round plays `GROUPS` schedules at once and prints its seed first."""

import os
import time

import pytest

from kubernetes.failover.fleet import elapsed
from kubernetes.failover.schedules import Play, drawn
from support.kubernetes.fixtures import fresh_namespace

# Nobody closes what a killed controller had open.
pytestmark = [
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.timeout(420, func_only=True),
]
GROUPS = 10
SCHEDULES = int(os.environ.get("KUBERNETES_SCHEDULES", "200"))
FIRST = 20261121
AGAIN = os.environ.get("KUBERNETES_SEED", "")
SEEDS = [int(seed) for seed in AGAIN.split(",") if seed] or range(FIRST, FIRST + SCHEDULES // GROUPS)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_random_round(ready_light_world, light_group_controllers, seed):
    """Whatever is asked and whatever goes wrong: no VM and no disk is there twice, nothing is lost or left, every Failover ends and tells the
    truth, and each group can still be moved."""
    round_ = drawn(seed, GROUPS)
    print(f"\n{round_}")
    began = time.monotonic()
    namespace = fresh_namespace(ready_light_world)
    play = Play(ready_light_world, namespace, round_)

    deaths = play.run()

    play.fleet.disband()
    print(f"  {elapsed(began)}, {deaths} controllers died")
