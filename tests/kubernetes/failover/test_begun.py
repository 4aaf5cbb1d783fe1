"""A Failover that was begun ends as a move ends, whatever was done to it while no controller was there: it holds locks, and may have stopped VMs."""

import pytest

from crashes.death import Death, Moment, Point
from kubernetes.failover.fleet import Fleet
from kubernetes.failover.mortal import MortalController
from kubernetes.groups.world import HOME, secret
from sandbox.kubernetes.client import wait_until
from support.kubernetes import machines
from support.kubernetes.checking import assert_true_world
from support.kubernetes.fixtures import fresh_namespace

# Nobody closes what a killed controller had open.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture
def fleet(ready_light_world, light_group_controllers):
    made = Fleet(ready_light_world, fresh_namespace(ready_light_world))
    made.muster(["pg-a"])
    yield made
    made.disband()


def begun(fleet, step):
    """A Failover whose controller died when that step was done."""
    death = Death(Point(step, Moment.AFTER_RECORD))
    with MortalController(fleet.planes, death):
        failover = fleet.failover()
        assert death.happened.wait(60), failover.status
    return failover


@pytest.mark.parametrize("step", ["acquire_lock", "stop_source"])
def test_one_that_is_deleted_meanwhile_ends_first(fleet, step):
    """Deleted between two controllers it goes on to its end, and only then it is gone, with its lock."""
    failover = begun(fleet, step)
    fleet.planes.quorum.api.delete(failover.path)

    with MortalController(fleet.planes, Death(None)):
        wait_until("its end", 60, lambda: not machines.look(fleet.planes.quorum.api, failover.path))

        assert fleet.running_on("pg-a-vm1") == ["cluster2"]
        assert_true_world(fleet.planes, fleet.namespace)


def test_what_stands_in_its_way_does_not_end_it(fleet):
    """While nobody knows its target any more it waits and says so; when the cluster's Secret is back it succeeds, and its trail tells everything."""
    failover = begun(fleet, "stop_source")
    quorum, known = fleet.planes.quorum.api, secret(fleet.planes.clusters[1])
    quorum.delete(f"/api/v1/namespaces/{HOME}/secrets/cluster2-kubeconfig")
    try:
        with MortalController(fleet.planes, Death(None)):
            failover.until("its words", lambda: "cannot go on until this is mended" in failover.message, 60)
            assert failover.phase == "Running"
    finally:
        quorum.apply(known)

    with MortalController(fleet.planes, Death(None)):
        failover.succeeded()

        assert_true_world(fleet.planes, fleet.namespace)
