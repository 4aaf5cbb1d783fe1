"""The source is gone: refused as planned with the words that help, carried out as unplanned, and its debts written down."""

import pytest

from sandbox.kubernetes.client import wait_until


@pytest.fixture
def dark(ready_planes, empty_target):
    """Takes cluster1's power, and gives it back afterwards. cluster2 then has quorum taints."""
    off = []

    def power_off():
        off.append(True)
        ready_planes.power_off(ready_planes.cluster1)

    def power_on():
        off.clear()
        ready_planes.power_on(ready_planes.cluster1)

    yield power_off, power_on
    if off:
        power_on()


def test_a_lost_source_is_left_behind(controller, stage, dark):
    """Planned: Failed before anything is touched, with the exact command. Unplanned: the target runs alone, with every write, and the debts are
    kept where the group now lives. When the source is back it is stopped, filled and fenced again, the debts are gone, and the group can go home."""
    group = stage.group("pg-a", vms=1)
    there = group.on(stage.planes.cluster2)
    (disk,) = stage.disks.values()
    wait_until("some writes", 30, lambda: max(disk.generations().values()) > 2)
    power_off, power_on = dark
    power_off()
    written = disk.generations()["cluster2-node1"]

    refused = stage.failover("pg-a").failed(180)

    assert "--type unplanned --confirm-source-down" in refused
    assert "Nothing was changed" in refused
    assert (there.status["epoch"], there.status["activeCluster"]) == (1, "cluster1")
    assert there.get()["spec"]["desiredState"] == "stopped"

    done = stage.failover("pg-a", type="unplanned", confirmSourceDown=True).succeeded(180)

    assert (there.status["epoch"], there.status["activeCluster"]) == (2, "cluster2")
    assert there.status["currentState"] == "running"
    assert {debt["kind"] for debt in there.status["debts"]} == {"stop", "restore-quorum"}
    assert {debt["failover"] for debt in there.status["debts"]} == {done.name}
    assert disk.generations()["cluster2-node1"] >= written
    assert stage.running_on("pg-a-vm1") == ["cluster2"]

    power_on()
    there.until("its debts paid", lambda: not there.status.get("debts"), 120)

    assert (group.status["epoch"], group.status["activeCluster"]) == (2, "cluster2")
    assert group.get()["spec"]["desiredState"] == "stopped"
    assert stage.running_on("pg-a-vm1") == ["cluster2"]
    group.until_state("stopped")
    stage.failover("pg-a", "cluster1").succeeded()
    assert stage.running_on("pg-a-vm1") == ["cluster1"]


def test_a_source_that_answers_is_not_passed_over(controller, stage):
    """An unplanned failover of a group that is seen running on its source is refused, and nothing is touched."""
    group = stage.group("pg-a", vms=1)

    refused = stage.failover("pg-a", type="unplanned", confirmSourceDown=True).failed()

    assert "an unplanned failover would start a second copy" in refused
    assert group.status["epoch"] == 1
    assert stage.running_on("pg-a-vm1") == ["cluster1"]
