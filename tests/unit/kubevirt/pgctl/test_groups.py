"""`pgctl groups`."""

import json

import pytest

from siterecovery.kubevirt.domain.resources import PROTECTION_GROUPS, VIRTUAL_MACHINES
from unit.kubevirt.pgctl.ground import BEGUN, SPACE


@pytest.fixture
def machines(ground):
    for name in ("vm1", "vm2"):
        ground.primary.put(VIRTUAL_MACHINES, {"metadata": {"name": name, "namespace": SPACE}})


def desired(cluster, name="pg-a"):
    return cluster.of(PROTECTION_GROUPS, name, SPACE)["spec"]["desiredState"]


def test_each_copy_has_a_row(ground):
    """The list shows what each cluster says, and which one may run the group."""
    ground.group()
    assert ground.run("groups", "list").stdout.splitlines() == [
        "NAME  CLUSTER   DESIRED  CURRENT  ACTIVE",
        "pg-a  cluster1  running  running  cluster1",
        "pg-a  cluster2  stopped  stopped  cluster1",
    ]


def test_wide_shows_authority_and_readiness(ground):
    """-o wide adds location, epoch, conditions and age."""
    ground.group()
    rows = [line.split() for line in ground.run("groups", "list", "-o", "wide").stdout.splitlines()]
    assert rows[0][5:] == ["LOCATION", "EPOCH", "REPLICATED", "FAILOVER-READY", "AGE"]
    assert rows[1][5:] == ["cluster1", "1", "Unknown", "Unknown", "5d"]


def test_one_group_in_full(ground):
    """`groups get` names who may run it and what each cluster says, members included."""
    ground.group()
    told = ground.run("groups", "get", "pg-a").stdout
    assert "Active on:        cluster1" in told
    assert "On cluster2: desired stopped, current stopped" in told


def test_a_group_is_created_on_its_primary(ground, machines):
    """Members with priorities, both clusters and the quorum cluster come into the spec; the other copy is the controller's."""
    result = ground.run("groups", "create", "pg-new", "--vm", "vm1:1", "--vm", "vm2")

    assert result.exit_code == 0, result.output
    spec = ground.primary.of(PROTECTION_GROUPS, "pg-new", SPACE)["spec"]
    assert spec["virtualMachines"] == [{"name": "vm1", "priority": 1}, {"name": "vm2"}]
    assert spec["clusters"] == {"primary": "cluster1", "dr": "cluster2", "quorum": "quorum"}
    assert not ground.dr.objects


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--vm", "vm9"), 5, "no virtual machine vm9"),
        ((), 5, "either virtualMachines or vmSelector"),
        (("--vm", "vm1", "--selector", "tier=db"), 5, "either virtualMachines or vmSelector"),
        (("--vm", "vm1:high"), 2, "a number from 1 to 5"),
        (("--vm", "vm1:9"), 5, "less than or equal to 5"),
        (("--selector", "tier"), 2, "KEY=VALUE"),
        (("--vm", "vm1", "--primary", "nowhere"), 2, "no cluster is called nowhere"),
        (("--vm", "vm1", "--policy", "fast"), 5, "policy belongs to backend drbd-operator"),
    ],
)
def test_a_bad_group_is_refused_whole(ground, machines, arguments, code, words):
    """What is wrong is said, and nothing is created."""
    before = dict(ground.primary.objects)
    result = ground.run("groups", "create", "pg-new", *arguments)
    assert (result.exit_code, ground.primary.objects) == (code, before)
    assert words in result.stderr


def test_a_name_that_is_taken(ground, machines):
    """A group that is there on either cluster is a conflict."""
    ground.group("pg-a", ground.dr)
    result = ground.run("groups", "create", "pg-a", "--vm", "vm1")
    assert result.exit_code == 4
    assert "already on cluster2" in result.stderr


def test_stop_and_start_where_the_group_is_active(ground):
    """desiredState is patched on the active cluster's copy only."""
    ground.group(active="cluster2", epoch=3)
    assert ground.run("groups", "stop", "pg-a").exit_code == 0
    assert (desired(ground.primary), desired(ground.dr)) == ("stopped", "stopped")
    assert ground.run("groups", "start", "pg-a").exit_code == 0
    assert (desired(ground.primary), desired(ground.dr)) == ("stopped", "running")


def test_no_start_on_the_wrong_cluster(ground):
    """A start where the group is not active is a precondition that names the failover to use instead."""
    ground.group()
    result = ground.run("groups", "start", "pg-a", "--cluster", "cluster2")
    assert result.exit_code == 5
    assert "pgctl failover pg-a --to cluster2" in result.stderr
    assert desired(ground.dr) == "stopped"


def test_a_split_brain_needs_a_person(ground):
    """Where two copies claim the group under one epoch the cluster must be said; then that side is stopped."""
    ground.group("pg-a", ground.primary, active="cluster1", epoch=2)
    ground.group("pg-a", ground.dr, active="cluster2", epoch=2)

    assert ground.run("groups", "stop", "pg-a").exit_code == 5
    assert ground.run("groups", "stop", "pg-a", "--cluster", "cluster2").exit_code == 0

    assert (desired(ground.primary), desired(ground.dr)) == ("running", "stopped")


def test_no_start_or_stop_during_a_failover(ground):
    """A failover steers desiredState itself: meanwhile it is a conflict."""
    ground.group()
    ground.failover("failover-pg-a-1", status=BEGUN)
    result = ground.run("groups", "stop", "pg-a")
    assert result.exit_code == 4
    assert "failover-pg-a-1 is running" in result.stderr
    assert desired(ground.primary) == "running"


def test_waiting_for_a_stop(ground):
    """--wait tells each state once its controller has seen the change, and ends when all have followed."""
    ground.group()

    def says(state, generation=2):
        def write():
            there = ground.primary.of(PROTECTION_GROUPS, "pg-a", SPACE)
            status = there["status"] | {"currentState": state, "observedGeneration": generation}
            ground.primary.put(PROTECTION_GROUPS, there, status)

        return write

    ground.meanwhile(says("stopped", generation=1), says("mixed"), says("stopped"))

    result = ground.run("groups", "stop", "pg-a", "--wait")

    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[1:] == ["pg-a is mixed", "pg-a is stopped"]


def test_waiting_has_an_end(ground):
    """A group that does not follow ends the waiting with 1 and says where to look."""
    ground.group()
    result = ground.run("groups", "stop", "pg-a", "--wait", "--timeout", "3")
    assert result.exit_code == 1
    assert "-l app=protection-group-controller" in result.stderr


def test_deleting_takes_the_active_copy_first(ground):
    """All copies are deleted, the one whose controller would make the others anew before them."""
    ground.group(active="cluster2", epoch=2)
    result = ground.run("groups", "delete", "pg-a", given="y\n")
    assert result.exit_code == 0
    assert [line.split()[-1] for line in result.stdout.splitlines() if "deleted" in line] == ["cluster2", "cluster1"]
    assert not ground.primary.objects
    assert not ground.dr.objects


def test_deleting_is_confirmed(ground):
    """Without a yes nothing is deleted."""
    ground.group()
    assert ground.run("groups", "delete", "pg-a", given="n\n").exit_code == 1
    assert ground.primary.objects


def test_deleting_needs_all_clusters(ground):
    """A cluster that does not answer would bring the group back: only --leave-unreachable goes on without it."""
    ground.group()
    ground.down(ground.dr)
    assert ground.run("groups", "delete", "pg-a", "--yes").exit_code == 3
    assert ground.primary.objects
    assert ground.run("groups", "delete", "pg-a", "--yes", "--leave-unreachable").exit_code == 0
    assert not ground.primary.objects


def test_nothing_is_deleted_during_a_failover(ground):
    """A group that is being moved is a conflict."""
    ground.group()
    ground.failover("failover-pg-a-1", status=BEGUN)
    assert ground.run("groups", "delete", "pg-a", "--yes").exit_code == 4
    assert ground.primary.objects


def test_a_group_in_another_namespace_is_named(ground):
    """Who looks in the wrong namespace is told the right one."""
    ground.group()
    result = ground.run("groups", "get", "pg-a", "-n", "other")
    assert result.exit_code == 5
    assert "site-recovery" in result.stderr


def test_programs_get_the_objects(ground):
    """-o json gives every copy with its cluster."""
    ground.group()
    items = json.loads(ground.run("groups", "list", "-o", "json").stdout)["items"]
    assert [(item["cluster"], item["spec"]["desiredState"]) for item in items] == [
        ("cluster1", "running"),
        ("cluster2", "stopped"),
    ]
