"""`pgctl operations`."""

import json

from siterecovery.kubevirt.flows import failover
from siterecovery.kubevirt.pgctl import operation
from unit.kubevirt.pgctl.ground import BEGUN, SPACE, SUCCEEDED, ago, steps


def test_the_documented_table(ground):
    """`operations list` prints the documented columns, filtered by group."""
    ground.failover("failover-pg-a-1730400000", status=SUCCEEDED)
    ground.failover("failover-pg-b-1730400000", group="pg-b", status=SUCCEEDED)

    result = ground.run("operations", "list", "--namespace", SPACE, "--protection-group", "pg-a")

    assert result.stdout.splitlines() == [
        "NAME                      PROTECTION-GROUP  TARGET    PHASE      AGE",
        "failover-pg-a-1730400000  pg-a              cluster2  Succeeded  2m",
    ]
    assert result.exit_code == 0


def test_what_no_controller_has_touched_is_pending(ground):
    """A Failover without a status is shown as Pending."""
    ground.failover("failover-pg-a-1")
    assert ground.run("operations", "list").stdout.splitlines()[1].split()[3] == "Pending"


def test_all_configured_clusters_are_read_oldest_first(ground):
    """Failovers of every cluster stand in one list, in the order in which they were made."""
    ground.failover("second", on=ground.dr, created=ago(minutes=3))
    ground.failover("third", on=ground.primary, created=ago(minutes=1))
    ground.failover("first", on=ground.quorum, created=ago(minutes=9))

    rows = ground.run("operations", "list").stdout.splitlines()[1:]

    assert [row.split()[0] for row in rows] == ["first", "second", "third"]


def test_a_dead_cluster_does_not_hide_the_others(ground):
    """What the others hold is printed, the silent one is named on standard error, and the command succeeds."""
    ground.failover("failover-pg-a-1")
    ground.down(ground.primary)

    result = ground.run("operations", "list")

    assert "failover-pg-a-1" in result.stdout
    assert "cluster1" in result.stderr
    assert result.exit_code == 0


def test_nobody_answers(ground):
    """When no cluster answers the exit code is 3 and each is named."""
    for cluster in ground.clusters.values():
        ground.down(cluster)

    result = ground.run("operations", "list")

    assert result.exit_code == 3
    assert all(name in result.stderr for name in ground.clusters)


def test_an_empty_list_names_its_two_causes(ground):
    """The other namespaces that hold Failovers and a controller that is not healthy are both said."""
    ground.failover("failover-pg-a-1", namespace="elsewhere")
    ground.controller("failover-controller", ground.quorum, ready=0)

    result = ground.run("operations", "list")

    assert result.exit_code == 0
    assert "No operations found in namespace site-recovery." in result.stdout
    assert "elsewhere" in result.stdout
    assert "failover-controller is not healthy on quorum (0/1 ready)" in result.stdout
    assert "kubectl get pods -n site-recovery -l app=failover-controller" in result.stdout


def test_an_empty_list_of_a_healthy_world_is_short(ground):
    """With nothing elsewhere and a healthy controller one sentence is said."""
    ground.controller("failover-controller", ground.quorum)
    assert ground.run("operations", "list").stdout == "No operations found in namespace site-recovery.\n"


def test_programs_get_the_objects(ground):
    """`-o json` is a list of the objects with the cluster each was read from."""
    ground.failover("failover-pg-a-1", status=BEGUN)

    items = json.loads(ground.run("operations", "list", "-o", "json").stdout)["items"]

    assert [(item["cluster"], item["metadata"]["name"], item["status"]["phase"]) for item in items] == [
        ("quorum", "failover-pg-a-1", "Running")
    ]


def test_one_operation_in_full(ground):
    """`operations get` shows phase, message, steps and history without a need for logs."""
    history = [{"time": ago(minutes=4), "reason": "LockAcquired", "message": "lock taken"}]
    failed = BEGUN | {"phase": "Failed", "message": "VM vm1 cannot be stopped\nFree it first", "history": history}
    ground.failover("failover-pg-a-1", status=failed)

    told = ground.run("operations", "get", "failover-pg-a-1", "--namespace", SPACE).stdout

    for line in (
        "Name:             failover-pg-a-1",
        "Protection Group: pg-a",
        "Phase:            Failed",
        "Message:          VM vm1 cannot be stopped",
        "                  Free it first",
        "  acquire_lock             done   -     -",
    ):
        assert line in told.splitlines()
    assert "LockAcquired" in told


def test_an_unknown_operation(ground):
    """A name that is not there says where it was looked for, and which namespace has it."""
    ground.failover("failover-pg-a-1", namespace="elsewhere")

    result = ground.run("operations", "get", "failover-pg-a-1")

    assert result.exit_code == 1
    assert "on cluster1, cluster2, quorum" in result.stderr
    assert "elsewhere" in result.stderr


def test_watching_tells_each_step_once(ground):
    """`operations watch` prints every step as it ends and how it all ended."""
    ground.failover("failover-pg-a-1", status=BEGUN)
    more = [*BEGUN["steps"], *steps("start_target")]
    ground.meanwhile(ground.says(BEGUN | {"steps": more, "progress": 60}), ground.says(SUCCEEDED | {"steps": more}))

    result = ground.run("operations", "watch", "failover-pg-a-1")

    lines = result.stdout.splitlines()
    assert lines[0] == "[ 40%] acquire_lock done"
    assert lines[6:] == ["[ 60%] start_target done", "failover-pg-a-1 succeeded after 0s"]
    assert result.exit_code == 0


def test_watching_outlives_a_silent_cluster(ground):
    """While the API server is away the watcher says so once and asks again."""
    ground.failover("failover-pg-a-1", status=BEGUN)

    def back():
        ground.quorum.broken = None

    ground.meanwhile(lambda: ground.down(ground.quorum), lambda: None, back, ground.says(SUCCEEDED))

    result = ground.run("operations", "watch", "failover-pg-a-1")

    assert result.exit_code == 0
    assert result.stderr.count("no route to host") == 1


def test_watching_has_an_end(ground):
    """After --timeout seconds the watcher gives up with 1 and says how to look again."""
    ground.failover("failover-pg-a-1", status=BEGUN)
    result = ground.run("operations", "watch", "failover-pg-a-1", "--timeout", "5")
    assert result.exit_code == 1
    assert "pgctl operations watch failover-pg-a-1 --namespace site-recovery" in result.stderr


def test_the_steps_that_may_refuse_are_the_flows_own():
    """What pgctl takes for the beginning of a failover is what its controller takes for it."""
    assert set(failover.CHECKS) == operation.CHECKS
