"""The controller is killed at every step of a test failover and of its clean-up, on the way and while undoing: another one goes on, and the group
runs on as if nothing had been. The points come from the flows themselves. One group on a light world."""

import pytest

from crashes.death import Death, points
from kubernetes.failover import killing
from kubernetes.failover.fleet import Fleet
from kubernetes.failover.mortal import MortalController
from support.kubernetes.checking import assert_true_world
from support.kubernetes.fixtures import fresh_namespace

# Nobody closes what a killed controller had open.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
TEST, CLEANUP = killing.flow("test"), killing.flow("cleanup")


@pytest.fixture(scope="module")
def fleet(ready_light_world, light_group_controllers):
    made = Fleet(ready_light_world, fresh_namespace(ready_light_world))
    made.muster(["pg-d"])
    yield made
    made.disband()


def drill(fleet, kind, point=None, fail_at=None):
    if point is not None:
        return killing.play(fleet, "pg-d", "cluster2", point, fail_at, type=kind)
    with MortalController(fleet.planes, Death(None)):
        return fleet.failover("pg-d", "cluster2", type=kind).until_ended()


def check(fleet, copies):
    """The group runs at home on its own disk; its copy runs on the other side, or nothing of it is left."""
    assert fleet.running_on("pg-d-vm1") == ["cluster1"]
    assert fleet.running_on("pg-d-vm1-drill") == copies
    with MortalController(fleet.planes, Death(None)):
        assert_true_world(fleet.planes, fleet.namespace)


@pytest.mark.parametrize("point", points(TEST, undoing=False), ids=str)
def test_a_test_killed_on_the_way(fleet, point):
    """Whoever comes next brings the test to its end: the copy runs once, and its clean-up leaves nothing."""
    tested = drill(fleet, "test", point)

    assert tested.phase == "Succeeded", tested.status
    check(fleet, ["cluster2"])
    assert drill(fleet, "cleanup").phase == "Succeeded"
    check(fleet, [])


@pytest.mark.parametrize("point", points(TEST, undoing=True), ids=str)
def test_a_test_killed_while_undoing(fleet, point):
    """Whoever comes next removes what the test has made."""
    tested = drill(fleet, "test", point, fail_at=TEST.commit)

    assert tested.phase == "Failed", tested.status
    assert "was removed again" in tested.message
    check(fleet, [])


@pytest.mark.parametrize("point", points(CLEANUP, undoing=False), ids=str)
def test_a_cleanup_killed_on_the_way(fleet, point):
    """Whoever comes next removes the rest."""
    assert drill(fleet, "test").phase == "Succeeded"

    cleaned = drill(fleet, "cleanup", point)

    assert cleaned.phase == "Succeeded", cleaned.status
    check(fleet, [])
