"""Failovers that are refused: the documented words, and a group that is left as it was."""

import signal

import pytest

from kubernetes.failover.world import tainted
from kubernetes.groups.world import Group, make
from sandbox.kubernetes.client import wait_until
from siterecovery.kubevirt.domain import refusals
from support.kubernetes import machines

LOST_QUORUM = "drbd.linbit.com/lost-quorum"


@pytest.fixture
def quorum_lost(ready_planes, empty_target):
    """Quorum taints on cluster2, which its agent puts back every five seconds."""

    def taints(keys):
        for node in ready_planes.cluster2.nodes:
            ready_planes.storage.post(f"/drbd/taints/{node}", keys=keys)

    taints([LOST_QUORUM])
    wait_until("the taints", 20, lambda: len(tainted(ready_planes.cluster2)) == 2)
    yield
    taints(None)
    wait_until("the end of the taints", 20, lambda: not tainted(ready_planes.cluster2))


def test_a_second_failover_of_a_group_names_the_holder(controller, stage):
    """Scenario 2: while one runs the Lease shows its holder, the second one fails with the holder's name, the first one completes."""
    stage.group("pg-a")
    stage.planes.cluster1.agent.set(stop=3)
    first = stage.failover("pg-a").until_begun("stop_source")
    lease = stage.lease("pg-a")
    holder = lease["spec"]["holderIdentity"]
    assert holder.startswith("failover-controller-")
    assert lease["spec"]["leaseDurationSeconds"] == 300
    assert stage.lease("pg-a", stage.planes.cluster1)["spec"]["holderIdentity"] == holder

    second = stage.failover("pg-a")

    assert second.failed() == refusals.lock_held("pg-a", holder)
    assert "startedAt" in second.status
    assert set(second.states()) == {"acquire_lock"}
    first.succeeded()
    assert not stage.lease("pg-a")


def test_another_group_guards_the_taints_of_a_target(controller, stage, quorum_lost):
    """Scenarios 3 and 4: with quorum taints on the target, a group whose VMs start there stops the second one, which is left untouched; force moves
    it, and the taints that the agent puts back are removed until its VMs run."""
    stage.group("pg-a")
    home = stage.group("pg-b")
    stage.planes.cluster2.agent.set(boot=3)
    first = stage.failover("pg-a").until_begun("start_target")

    second = stage.failover("pg-b")

    assert second.failed() == refusals.unsafe("cluster2", ["pg-a"])
    assert home.status["currentState"] == "running"
    assert home.get()["spec"]["desiredState"] == "running"
    assert home.status.get("lastFailover") is None
    first.succeeded()
    wait_until("the taints to be back", 20, lambda: len(tainted(stage.planes.cluster2)) == 2)

    forced = stage.failover("pg-b", force=True).succeeded()

    assert forced.message == "Failover of pg-b to cluster2 completed (force mode)"
    assert {"ForceMode", "TaintsRemoved"} <= {entry["reason"] for entry in forced.status["history"]}
    assert home.on(stage.planes.cluster2).status["currentState"] == "running"


def test_a_second_group_follows_where_there_are_no_taints(controller, stage):
    """A target without quorum taints blocks nobody: the second group moves while the first runs there."""
    stage.group("pg-a", vms=1)
    stage.group("pg-b", vms=1)
    stage.failover("pg-a").succeeded()
    stage.failover("pg-b").succeeded()


def test_a_group_that_is_there_already_is_left_alone(controller, stage):
    """Succeeded, and nothing was touched."""
    group = stage.group("pg-a", vms=1)
    before = group.get()

    done = stage.failover("pg-a", "cluster1").succeeded()

    assert done.message == "pg-a is already on cluster1: nothing was changed"
    after = group.get()
    assert after["spec"] == before["spec"]
    assert after["status"]["epoch"] == before["status"]["epoch"]


def test_what_cannot_be_carried_out_fails_with_the_reason(controller, stage):
    """An unknown cluster, an unknown group and a cluster that is not the group's are refused before anything begins."""
    stage.group("pg-a", vms=1)

    assert "no cluster is called cluster9" in stage.failover("pg-a", "cluster9").failed()
    assert "There is no ProtectionGroup pg-x" in stage.failover("pg-x").failed()
    assert "is protected between cluster1 and cluster2" in stage.failover("pg-a", "quorum").failed()


def test_split_brain_is_not_overridden(controller, stage, group_controllers, excuses):
    """A VM of the group that runs on both clusters stops every failover, force or not, with the commands that help; stopped on one side the group can
    be moved. Its disk is not replicated here: DRBD would never let it come so far."""
    excuses.vms.add("pg-s-vm1")
    here, there = stage.planes.clusters
    make(here, stage.namespace, "pg-s-vm1")
    group = Group(here, stage.namespace, "pg-s").create("pg-s-vm1").until_state("running")
    stage.until_mirrored(group, ["pg-s-vm1"])
    watchful = group_controllers[1].process
    watchful.send_signal(signal.SIGSTOP)  # it would stop the second copy at once
    try:
        machines.set_strategy(there, stage.namespace, "pg-s-vm1", "Always")
        machines.running(there, stage.namespace, "pg-s-vm1")

        refused = [stage.failover("pg-s").failed(), stage.failover("pg-s", force=True).failed()]
    finally:
        watchful.send_signal(signal.SIGCONT)

    assert all("split-brain" in message and "location: both" in message for message in refused)
    assert group.get()["spec"]["desiredState"] == "running"
    machines.gone(there, stage.namespace, "pg-s-vm1")
    stage.failover("pg-s").succeeded()
