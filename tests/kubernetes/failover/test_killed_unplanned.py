"""The controller is killed at every step of an unplanned failover, on the way and while undoing. The points come from the flow itself.

A lost site is the dear part, so a dozen groups share one: a wave loses the site where all of them live, moves each without it with a death of its
own, and gives the site back; the next wave loses the other one. On a light world."""

import pytest

from crashes.death import Death, Moment, points
from kubernetes.failover import killing
from kubernetes.failover.fleet import Fleet
from kubernetes.failover.mortal import MortalController
from siterecovery.kubevirt.flows import failover as flows
from support.kubernetes.checking import assert_true_world
from support.kubernetes.fixtures import fresh_namespace

# Nobody closes what a killed controller had open.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
FLOW = killing.flow("unplanned")
ON_THE_WAY = points(FLOW, undoing=False)
BARRIER = "raise_epoch"
NAMES = [f"pg-{number}" for number in range(len(list(FLOW.steps())))]


def _undone():
    """Without its source no authority is handed back: the way back ends at the barrier, before it."""
    found = points(FLOW, undoing=True)
    after = [step.name for step in FLOW.steps()]
    after = after[after.index(BARRIER) :]
    return [p for p in found if p.step in after and (p.step != BARRIER or p.moment is Moment.BEFORE_CALL)]


@pytest.fixture(scope="module")
def fleet(ready_light_world, light_group_controllers):
    made = Fleet(ready_light_world, fresh_namespace(ready_light_world))
    made.muster(NAMES)
    yield made
    made.disband()


def wave(fleet, chosen, check, fail_at=None):
    """Each group with its point; `check` is told each point and Failover while the site is still away: when it is back KubeVirt starts there what was
    set to run, until the group's controller has read who has the authority. The cluster that the groups went to."""
    lost = next(cluster for cluster in fleet.planes.clusters if cluster.name == fleet.active(NAMES[0]))
    target = next(cluster.name for cluster in fleet.planes.clusters if cluster is not lost)
    fleet.planes.power_off(lost)
    try:
        for group, point in zip(NAMES, chosen, strict=False):
            failover = killing.play(fleet, group, target, point, fail_at, type="unplanned", confirmSourceDown=True)
            check(point, failover, fleet.running_on(f"{group}-vm1"), target)
    finally:
        fleet.planes.power_on(lost)
    return target


def settle(fleet, groups, target):
    """The site is back: debts are paid, and who was left behind follows as planned, so that all live in one place again."""
    with MortalController(fleet.planes, Death(None)):
        fleet.rest(NAMES)
        assert_true_world(fleet.planes, fleet.namespace)
        for group in groups:
            fleet.failover(group, target).succeeded()
        assert_true_world(fleet.planes, fleet.namespace)


@pytest.mark.parametrize("moment", Moment, ids=str)
def test_killed_on_the_way(fleet, moment):
    """Whoever comes next brings the move to its end, and nothing is there twice, also when the lost site is back."""

    def check(point, failover, places, target):
        assert failover.phase == "Succeeded", (str(point), failover.status)
        assert set(failover.states().values()) == {"done"}, (str(point), failover.status)
        assert places == [target], str(point)

    chosen = [point for point in ON_THE_WAY if point.moment is moment]
    target = wave(fleet, chosen, check)
    settle(fleet, NAMES[len(chosen) :], target)


def test_killed_while_undoing(fleet):
    """Whoever comes next takes back what can be taken back without the source: the group stays stopped, says so, and can be moved afterwards."""

    def check(point, failover, places, _):
        assert failover.phase == "Failed", (str(point), failover.status)
        assert "is better stopped than running twice" in failover.message, (str(point), failover.message)
        assert places == [], str(point)

    settle(fleet, NAMES, wave(fleet, _undone(), check, fail_at=flows.COMMIT))
