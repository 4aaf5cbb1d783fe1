"""A test failover on copies, and its clean-up."""

from support.kubernetes import machines

LABEL = "siterecovery.trilio.io/drill"


def left(stage, kind):
    return stage.planes.cluster2.kubectl("get", kind, "-A", "-l", LABEL, "-o", "name").split()


def test_a_drill_disturbs_nobody_and_leaves_nothing(controller, stage):
    """The copies run on the standby side, on disks of their own, while the group runs and replicates; the clean-up leaves nothing of it."""
    group = stage.group("pg-a", vms=1)
    there = stage.planes.cluster2
    (disk,) = stage.disks.values()

    up = stage.failover("pg-a", type="test").succeeded()

    assert "pgctl cleanup pg-a" in up.message
    machines.running(there, stage.namespace, "pg-a-vm1-drill")
    (guest,) = there.agent.guests(stage.namespace, "pg-a-vm1-drill")
    assert guest["disks"]
    assert stage.running_on("pg-a-vm1") == ["cluster1"]
    assert [name.split("-")[0] for name in disk.primaries()] == ["cluster1"]
    assert (group.status["epoch"], group.status["currentState"]) == (1, "running")
    before = disk.generations()["cluster2-node1"]
    group.until("replication to go on", lambda: disk.generations()["cluster2-node1"] > before)
    assert "is still there" in stage.failover("pg-a", type="test").failed()

    gone = stage.failover("pg-a", type="cleanup").succeeded()

    assert gone.message == "The test of pg-a was removed from cluster2"
    assert [left(stage, kind) for kind in ("vm", "pvc", "pv")] == [[], [], []]
    copy = f"{disk.handle}-drill"
    assert copy not in str(stage.planes.storage.get("/drbd/volumes"))
    stage.failover("pg-a").succeeded()
