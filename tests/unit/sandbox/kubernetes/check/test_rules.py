"""A world that breaks a rule is reported, one test a rule; the same world without that is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from .conftest import MARK, Broken, disk_event, instance, ran


def test_a_good_world_has_no_findings(world: Broken) -> None:
    """A group that has moved and runs breaks no rule."""
    assert world.found() == []


def test_two_guests_now(world: Broken) -> None:
    """A VM of which a guest runs on each side."""
    world.side("cluster1", guests={"shop/web": [{"state": "running", "node": "cluster1-node1"}]})
    assert "VM shop/web has a guest on cluster1 and on cluster2" in world.found("one_copy")


def test_two_instances_now(world: Broken) -> None:
    """A VM with an instance on each side, even where no guest runs yet."""
    world.side("cluster1", instances=[instance()])
    assert "VM shop/web has an instance or a launcher on cluster1 and on cluster2" in world.found("one_copy")


def test_two_launchers_now(world: Broken) -> None:
    """A launcher Pod counts like an instance; one that has ended does not."""
    pod: dict[str, Any] = {
        "metadata": {"name": "launcher", "namespace": "shop", "annotations": {"kubevirt.io/domain": "web"}},
        "status": {"phase": "Running"},
    }
    world.side("cluster1", launchers=[pod])
    assert world.found("one_copy")
    pod["status"]["phase"] = "Succeeded"
    world.side("cluster1", launchers=[dict(pod)])
    assert world.found("one_copy") == []


def test_two_copies_once(world: Broken) -> None:
    """Two runs that overlapped for a moment are found when both sides look fine again."""
    world.side("cluster1", events=[ran("cluster1", "started", 1, "a", 0), ran("cluster1", "stopped", 8.5, "a", 5)])
    world.change(disk_events=[])
    world.side("cluster2", events=[ran("cluster2", "started", 8, "b", 5) | {"detail": {"node": "n", "disks": {}}}])
    world.side(
        "cluster1",
        events=[
            ran("cluster1", "started", 1, "a", 0),
            ran("cluster1", "stopped", 8.5, "a", 5) | {"detail": {"node": "n", "disks": {}}},
        ],
    )
    assert world.found("one_copy") == [
        "VM shop/web ran on cluster1 (a) while it was started on cluster2 (b), for 0.5 s"
    ]
    world.change(excused=frozenset({"web"}))
    assert world.found("one_copy") == []


def test_a_fenced_copy_counts_for_nothing(world: Broken) -> None:
    """A guest whose disk has lost quorum before the other side began is fenced; had it quorum it would be a second copy."""
    old = [ran("cluster1", "started", 1, "a", 0), ran("cluster1", "stopped", 20, "a", 5)]
    world.side("cluster1", events=old)
    promoted = disk_event("promoted", 0, "cluster1-node1", generation=0)
    taken = disk_event("promoted", 7, "cluster2-node1", generation=5)
    world.change(disk_events=[promoted, disk_event("no_quorum", 6, "cluster1-node1"), taken])
    assert world.found() == []
    world.change(disk_events=[promoted, taken])
    assert world.found("one_copy")
    assert world.found("one_primary")


def test_two_primaries_now(world: Broken) -> None:
    """A volume that is Primary on both sides; one that is frozen by its quorum is none."""
    here = world.disk["replicas"]["cluster1-node1"]
    here["role"] = "Primary"
    assert "volume pvc-1 is Primary on cluster1 and on cluster2" in world.found("one_primary")
    here["suspended"] = True
    assert world.found("one_primary") == []


def test_a_lost_write(world: Broken) -> None:
    """The target opened a disk that lacks what the source had written; a person who gave it up has said so."""
    events = [*world.picture.disk_events]
    events[-1] = disk_event("promoted", 7, "cluster2-node1", generation=4)
    world.change(disk_events=events)
    assert world.found("no_loss") == [
        "volume pvc-1 was opened on cluster2-node1 at generation 4, and shop/web on cluster1 had written 5 before"
    ]
    world.change(disk_events=[*events[:2], disk_event("discarded", 6.5, "cluster1-node1"), events[-1]])
    assert world.found("no_loss") == []


def _untrue(field: str, value: object, cluster: str = "cluster2") -> Callable[[Broken], None]:
    def change(world: Broken) -> None:
        world.copy_of(cluster)[field] = value

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_untrue("currentState", "stopped"), "cluster2 says stopped, and web is there"),
        (_untrue("currentState", "running", "cluster1"), "cluster1 says running, and web does not run"),
        (_untrue("currentState", "mixed"), "says mixed, and all of it runs"),
        (_untrue("currentState", "mixed", "cluster1"), "says mixed, and nothing of it is there"),
        (_untrue("currentState", "unknown"), "says unknown, and every node answers"),
        (_untrue("observedGeneration", 2), "the state is of generation 2, it is at 3"),
        (_untrue("epoch", 3), "its copies differ"),
        (_untrue("activeCluster", "cluster1"), "its copies name two clusters under one epoch"),
        (_untrue("location", "cluster1"), "says location cluster1, and it is cluster2"),
    ],
)
def test_states_that_are_not_true(world: Broken, change: Callable[[Broken], None], said: str) -> None:
    """What a copy says, and the machines do not."""
    change(world)
    assert any(said in what for what in world.found("states")), world.found()


def test_a_group_that_runs_where_it_is_not_active(world: Broken) -> None:
    """All copies agree on a cluster on which nothing runs."""
    for cluster in ("cluster1", "cluster2"):
        world.copy_of(cluster)["activeCluster"] = "cluster1"
    assert any("is active on cluster1, and VMs of it run on cluster2" in what for what in world.found("states"))


def _lease(world: Broken) -> None:
    spec = {"holderIdentity": "failover-controller-1", "leaseDurationSeconds": 300, "renewTime": "2033-05-18T03:33:00Z"}
    metadata = {"name": "failover-lock-pg", "namespace": "shop", "annotations": {f"{MARK}/owner": "uid-fo"}}
    world.side("quorum", leases=[{"metadata": metadata, "spec": spec}])


def _drill_vm(world: Broken) -> None:
    made = {
        "kind": "VirtualMachine",
        "metadata": {"name": "web-drill", "namespace": "shop", "labels": {f"{MARK}/drill": "pg"}},
        "spec": {"runStrategy": "Halted"},
    }
    world.side("cluster1", vms=[*world.picture.sides["cluster1"].vms, made])


def _drill_disk(world: Broken) -> None:
    copy = {"props": {"Aux/siterecovery/copy-of": "pvc-1"}, "replicas": {}, "snapshots": {}}
    world.change(disks={**world.picture.disks, "pvc-1-drill": copy})


def _snapshot(world: Broken) -> None:
    world.disk["snapshots"]["pvc-1-drill"] = {}


def _taint(world: Broken) -> None:
    node: Any = world.picture.sides["cluster2"].nodes[0]
    node["spec"]["taints"] = [{"key": "drbd.linbit.com/lost-quorum", "effect": "NoSchedule"}]


def _quorum_off(world: Broken) -> None:
    world.disk["props"]["DrbdOptions/auto-quorum"] = "disabled"


def _finalizer(world: Broken) -> None:
    world.failover["metadata"]["finalizers"] = [f"{MARK}/finalizer"]


def _discard(world: Broken) -> None:
    found: Any = world.picture.sides["cluster2"].groups[0]
    found["metadata"]["annotations"] = {f"{MARK}/discard": "cluster1"}


def _strategy(cluster: str, strategy: str, held: str = "false") -> Callable[[Broken], None]:
    def change(world: Broken) -> None:
        found: Any = world.picture.sides[cluster].vms[0]
        found["spec"]["runStrategy"] = strategy
        found["metadata"]["annotations"][f"{MARK}/held"] = held

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_lease, "Lease shop/failover-lock-pg on quorum is held by failover-controller-1"),
        (_drill_vm, "VirtualMachine web-drill on cluster1 is left of a test of shop/pg"),
        (_drill_disk, "volume pvc-1-drill, a copy of pvc-1 for a test, is left"),
        (_snapshot, "snapshot pvc-1-drill of pvc-1 is left"),
        (_taint, "node cluster2-node1 of cluster2 carries drbd.linbit.com/lost-quorum"),
        (_quorum_off, "the quorum of volume pvc-1 is still switched off"),
        (_finalizer, "has ended, and its finalizer is still there"),
        (_discard, "still carries the annotation"),
        (_strategy("cluster2", "RerunOnFailure"), "is set to RerunOnFailure, and was Always"),
        (_strategy("cluster1", "Always"), "is set to Always, and the group is active on cluster2"),
        (_strategy("cluster2", "Manual", "true"), "is held at Manual, and its disks have quorum"),
    ],
)
def test_what_is_left(world: Broken, change: Callable[[Broken], None], said: str) -> None:
    """Locks, drill copies, taints, properties of a forced failover, finalizers and marks that nobody needs any more."""
    change(world)
    assert any(said in what for what in world.found("nothing_left")), world.found()


def test_what_is_left_on_purpose(world: Broken) -> None:
    """A debt that says so excuses quorum that is off; a test that was not cleaned up yet its copies; a Lease that has run out is nobody's."""
    _quorum_off(world)
    world.copy_of("cluster2")["debts"] = [{"cluster": "cluster1", "kind": "restore-quorum", "epoch": 2}]
    _drill_vm(world)
    _drill_disk(world)
    test = world.failover | {"spec": world.failover["spec"] | {"type": "test"}}
    test["metadata"] = test["metadata"] | {"name": "drill", "creationTimestamp": "2026-01-02T00:00:00Z"}
    world.side("quorum", failovers=[*world.picture.sides["quorum"].failovers, test])
    _lease(world)
    world.change(now=2_100_000_000.0)
    assert world.found("nothing_left") == []


def _status(**fields: object) -> Callable[[Broken], None]:
    return lambda world: world.failover["status"].update(fields)


def _row(step: str, **fields: object) -> Callable[[Broken], None]:
    def change(world: Broken) -> None:
        next(row for row in world.failover["status"]["steps"] if row["name"] == step).update(fields)

    return change


def _untold(reason: str) -> Callable[[Broken], None]:
    def change(world: Broken) -> None:
        status = world.failover["status"]
        status["history"] = [entry for entry in status["history"] if entry["reason"] != reason]

    return change


def _last_failover(world: Broken) -> None:
    world.copy_of("cluster2")["lastFailover"] = {"name": "another", "phase": "Succeeded"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_status(phase="Running", message="Stopping pg"), "has not ended: Running, Stopping pg"),
        (_status(message=" "), "is Succeeded and does not say why"),
        (_status(message="Internal error (KeyError): x"), "shows an error of the program"),
        (_status(completedAt="2025-12-31T00:00:00Z"), "is Succeeded from 2026-01-01T00:00:00Z to 2025-12-31T00:00:00Z"),
        (_status(progress=90), "is Succeeded at 90 %"),
        (_row("start_target", state="started"), "its journal says start_target started"),
        (_row("raise_epoch", result='{"epoch":3}'), "is at epoch 2, and Failover fo has raised it to 3"),
        (_row("stop_source", completedAt=None), "stop_source has no beginning or no end"),
        (_untold("Succeeded"), "the last word of its history is AuthorityMoved, not Succeeded"),
        (_untold("Accepted"), "its history does not tell that it was accepted"),
        (_untold("AuthorityMoved"), "raise_epoch is done, and its history does not tell"),
        (_status(epoch=2), "it was taken over, and its history does not tell"),
        (_last_failover, "says its last failover was another, and it was fo"),
    ],
)
def test_records_that_are_not_true(world: Broken, change: Callable[[Broken], None], said: str) -> None:
    """A Failover that does not end, or whose record disagrees with the world or has holes."""
    change(world)
    assert any(said in what for what in world.found("record")), world.found()


def test_a_move_that_its_group_forgot(world: Broken) -> None:
    """The Failover that raised the group's epoch went to the other cluster."""
    world.failover["spec"]["targetCluster"] = "cluster1"
    assert any("has moved group shop/pg to cluster1" in what for what in world.found("record"))


def test_only_what_was_asked_for_is_judged(world: Broken) -> None:
    """Another namespace's trouble is not told; and while something is under way only what must never be is."""
    world.copy_of("cluster2")["currentState"] = "stopped"
    world.change(namespaces=frozenset({"elsewhere"}))
    assert world.found("states") == []
    world.change(namespaces=None, settled=False)
    assert world.found("states") == []
