"""The controller is killed at every step of a planned failover, on the way and while undoing: another one goes on, and it ends as if nothing had
happened. The points come from the flow itself, so that a new step is among them by itself.

One group goes to and fro on real clusters; each case starts where the last one ended."""

import pytest

from crashes.death import points
from kubernetes.failover import killing
from kubernetes.failover.world import Stage
from siterecovery.kubevirt.flows import failover as flows
from support.kubernetes.fixtures import lent_namespace

# Nobody closes what a killed controller had open.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
FLOW = killing.flow()
VMS = ("pg-k-vm1", "pg-k-vm2")


@pytest.fixture(scope="module")
def ground(ready_planes, group_controllers):
    with lent_namespace(ready_planes) as namespace:  # nothing of it is left in the way of other files' tests
        stage = Stage(ready_planes, namespace)
        stage.group("pg-k")
        yield stage


def place(stage):
    """Where the group is, when it is quiet."""
    (one,) = {name for vm in VMS for name in stage.running_on(vm)}
    return one


def play(stage, point, fail_at=None):
    """A Failover whose first controller dies at the point, ended by a second one; also the cluster it left and the one it went to."""
    source = place(stage)
    target = "cluster2" if source == "cluster1" else "cluster1"
    failover = killing.play(stage, "pg-k", target, point, fail_at)
    return failover, source, target


def check(stage, where):
    """One running copy of each VM, one Primary for each disk, states that tell it, and no lock left."""
    for vm in VMS:
        assert stage.running_on(vm) == [where]
        (primary,) = stage.disks[vm].primaries()
        assert primary.startswith(where)
    for cluster in stage.planes.clusters:
        copy = cluster.api.get(
            f"/apis/siterecovery.trilio.io/v1alpha1/namespaces/{stage.namespace}/protectiongroups/pg-k"
        )
        assert copy["status"]["activeCluster"] == where
        assert copy["spec"]["desiredState"] == ("running" if cluster.name == where else "stopped")
        assert not stage.lease("pg-k", cluster)
    assert not stage.lease("pg-k")


@pytest.mark.parametrize("point", points(FLOW, undoing=False), ids=str)
def test_killed_on_the_way(ground, point):
    """Whoever comes next brings the move to its end, and nothing is there twice."""
    failover, _, target = play(ground, point)

    assert failover.phase == "Succeeded", failover.status
    assert set(failover.states().values()) == {"done"}
    check(ground, target)


@pytest.mark.parametrize("point", points(FLOW, undoing=True), ids=str)
def test_killed_while_undoing(ground, point):
    """Whoever comes next takes the move back to its beginning: the group runs where it ran, under a higher epoch."""
    failover, source, _ = play(ground, point, fail_at=flows.COMMIT)

    assert failover.phase == "Failed", failover.status
    assert "The move was taken back" in failover.message
    assert "undo_failed" not in failover.states().values()
    check(ground, source)
