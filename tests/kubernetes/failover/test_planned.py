"""Scenario 1 of the product's page: one group, one failover, and back."""


def test_a_group_moves_and_comes_home(controller, stage):
    """Phases Running and Succeeded, the DR copy running, nothing on the source, every write there, and the same the other way round."""
    group = stage.group("pg-a")
    there = group.on(stage.planes.cluster2)

    moved = stage.failover("pg-a", "dr-cluster").succeeded()

    assert moved.message == "Failover of pg-a to dr-cluster completed successfully"
    assert there.status["currentState"] == "running"
    assert group.status["currentState"] == "stopped"
    assert {stage.running_on(vm)[0] for vm in stage.disks} == {"cluster2"}
    assert set(moved.states().values()) == {"done"}
    assert there.status["activeCluster"] == group.status["activeCluster"] == "cluster2"
    assert there.status["lastFailover"]["name"] == moved.name
    assert not stage.lease("pg-a")
    assert {entry["reason"] for entry in moved.status["history"]} >= {"Accepted", "StopSource", "Succeeded"}

    stage.failover("pg-a", "cluster1").succeeded()

    assert {stage.running_on(vm)[0] for vm in stage.disks} == {"cluster1"}
    assert group.status["currentState"] == "running"
