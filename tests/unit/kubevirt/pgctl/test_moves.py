"""`pgctl failover`, `failback`, `test` and `cleanup`."""

import json
import signal

import pytest

from siterecovery.kubevirt.clusters import base
from siterecovery.kubevirt.domain import refusals
from unit.kubevirt.pgctl.ground import BEGUN, SPACE, SUCCEEDED, Ground


@pytest.fixture
def ground(tmp_path):
    made = Ground(tmp_path)
    made.group()
    return made


def test_a_failover_is_made_on_the_quorum_cluster(ground):
    """With LINSTOR one Failover is created on the quorum cluster, named after its second, its spec as asked."""
    result = ground.run("failover", "pg-a", "--to", "cluster2")

    assert result.exit_code == 0, result.output
    (made,) = ground.made()
    assert made["metadata"]["name"] == "failover-pg-a-1730404800"
    assert made["spec"] == {
        "protectionGroup": "pg-a",
        "targetCluster": "cluster2",
        "force": False,
        "type": "planned",
        "confirmSourceDown": False,
    }
    assert "pgctl operations watch failover-pg-a-1730404800" in result.stdout


def test_with_the_drbd_operator_it_is_made_on_the_target(tmp_path):
    """Where the target carries out its own Failovers neither quorum nor the lost cluster is asked to."""
    ground = Ground(tmp_path)
    ground.group(storage={"backend": "drbd-operator"})
    ground.down(ground.quorum)
    ground.down(ground.primary)

    result = ground.run("failover", "pg-a", "--to", "dr-cluster", "--type", "unplanned", "--confirm-source-down")

    assert result.exit_code == 0, result.output
    (made,) = ground.made(ground.dr)
    assert (made["spec"]["targetCluster"], made["spec"]["type"]) == ("dr-cluster", "unplanned")


def test_two_clusters_need_no_third(tmp_path):
    """Without a quorum cluster the Failover is made on its target."""
    ground = Ground(tmp_path, quorum=False)
    ground.group()
    assert ground.run("failover", "pg-a", "--to", "cluster2").exit_code == 0
    assert len(ground.made(ground.dr)) == 1


def test_a_name_taken_in_the_same_second_becomes_the_next(ground):
    """Two failovers made in one second have names one second apart."""
    ground.failover("failover-pg-a-1730404800")
    ground.run("failover", "pg-a", "--to", "cluster2")
    assert sorted(made["metadata"]["name"] for made in ground.made())[-1] == "failover-pg-a-1730404801"


def test_unknown_cluster(ground):
    """A cluster that nobody has configured is a usage error that names those there are."""
    result = ground.run("failover", "pg-a", "--to", "cluster9")
    assert result.exit_code == 2
    assert "cluster2 or dr-cluster" in result.stderr
    assert ground.made() == []


def test_quorum_is_no_target(ground):
    """The quorum cluster runs no virtual machines."""
    assert ground.run("failover", "pg-a", "--to", "quorum").exit_code == 2
    assert ground.made() == []


def test_unknown_group(ground):
    """A group that is nowhere is a precondition, and nothing is created."""
    result = ground.run("failover", "pg-z", "--to", "cluster2")
    assert result.exit_code == 5
    assert "no protection group pg-z in namespace site-recovery on cluster1, cluster2, quorum" in result.stderr
    assert ground.made() == []


def test_unplanned_needs_a_person_who_has_looked(ground):
    """An unplanned failover without --confirm-source-down is refused before anything is asked or made."""
    result = ground.run("failover", "pg-a", "--to", "cluster2", "--type", "unplanned")
    assert result.exit_code == 5
    assert "confirmSourceDown" in result.stderr
    assert ground.made() == []


def test_without_permission_nothing_is_made(ground):
    """Who may not create failovers is told whom to ask."""
    ground.quorum.forbidden.add("create")
    result = ground.run("failover", "pg-a", "--to", "cluster2")
    assert result.exit_code == 5
    assert "create failovers in namespace site-recovery on quorum" in result.stderr


def test_force_is_a_permission_of_its_own(ground):
    """Who may create failovers but not force them is told so."""
    ground.quorum.forbidden.add("force")
    assert ground.run("failover", "pg-a", "--to", "cluster2").exit_code == 0
    result = ground.run("failover", "pg-a", "--to", "cluster2", "--force")
    assert (result.exit_code, len(ground.made())) == (5, 1)
    assert "force failovers" in result.stderr


def test_waiting_shows_steps_and_ends_well(ground):
    """--wait prints the steps as they end and exits 0 after success."""
    ground.meanwhile(ground.says(BEGUN), ground.says(SUCCEEDED | {"message": "pg-a runs on cluster2"}))

    result = ground.run("failover", "pg-a", "--to", "cluster2", "--wait")

    assert result.exit_code == 0
    assert "[ 40%] stop_source done" in result.stdout
    assert "failover-pg-a-1730404800 succeeded after 0s: pg-a runs on cluster2" in result.stdout


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (refusals.lock_held("pg-a", "failover-controller-1"), 4),
        (refusals.unsafe("cluster2", ["pg-b"]), 5),
        ("split-brain detected (location: both)", 5),
        ("VM vm1 does not stop", 1),
    ],
)
def test_exit_codes_tell_how_it_failed(ground, message, code):
    """A lock is 4, what must be put right first is 5, any other failure 1, and its words are printed."""
    ground.meanwhile(ground.says({"phase": "Failed", "message": message}))
    result = ground.run("failover", "pg-a", "--to", "cluster2", "--wait")
    assert result.exit_code == code
    assert message.splitlines()[0] in result.stderr


def test_programs_that_wait_get_the_last_state(ground):
    """`--wait -o json` prints one object, the finished one, and nothing else."""
    ground.meanwhile(ground.says(BEGUN), ground.says(SUCCEEDED))
    result = ground.run("failover", "pg-a", "--to", "cluster2", "--wait", "-o", "json")
    assert json.loads(result.stdout)["status"]["phase"] == "Succeeded"


def test_a_deleted_failover_does_not_hang(ground):
    """A Failover that is deleted while somebody waits ends the waiting with 1."""
    ground.meanwhile(ground.quorum.objects.clear)
    result = ground.run("failover", "pg-a", "--to", "cluster2", "--wait")
    assert result.exit_code == 1
    assert "has been deleted" in result.stderr


def test_pending_is_explained_after_a_while(ground):
    """Who waits for a controller that does not run is told how to look at it."""
    result = ground.run("failover", "pg-a", "--to", "cluster2", "--wait", "--timeout", "30")
    assert result.exit_code == 1
    assert result.stderr.count("-l app=failover-controller") == 1


def test_failback_goes_to_the_primary(ground):
    """`failback` targets the group's own primary cluster."""
    ground.run("failback", "pg-a", "--namespace", SPACE)
    assert ground.made()[0]["spec"]["targetCluster"] == "cluster1"


@pytest.mark.parametrize(("active", "elsewhere"), [("cluster1", "cluster2"), ("cluster2", "cluster1")])
@pytest.mark.parametrize("verb", ["test", "cleanup"])
def test_a_drill_is_held_where_the_group_does_not_run(tmp_path, verb, active, elsewhere):
    """`test` and `cleanup` target the cluster on which the group is not active."""
    ground = Ground(tmp_path)
    ground.group(active=active, epoch=2)
    ground.run(verb, "pg-a")
    assert (ground.made()[0]["spec"]["targetCluster"], ground.made()[0]["spec"]["type"]) == (elsewhere, verb)


def test_an_unreachable_quorum_cluster_is_exit_code_3(ground):
    """A Failover that cannot be made where it belongs ends with 3, and none is made elsewhere."""
    ground.down(ground.quorum)
    result = ground.run("failover", "pg-a", "--to", "cluster2")
    assert result.exit_code == 3
    assert ground.made(ground.dr) == []


def test_refused_credentials_are_exit_code_3(ground):
    """A 401 says that the credentials of the context are refused."""
    ground.quorum.broken = base.Forbidden("quorum: Unauthorized", cluster="quorum", status=401)
    result = ground.run("failover", "pg-a", "--to", "cluster2")
    assert result.exit_code == 3
    assert "credentials" in result.stderr


@pytest.fixture
def terminal():
    """As in a terminal: who starts tests in a shell's background has them ignore Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("more", [("--wait",), ("--transcript", "crd")])
def test_ctrl_c_ends_the_waiting_only(ground, terminal, more):
    """Who stops waiting is told that the failover goes on and how to watch it again; nothing is deleted."""

    ground.meanwhile(ground.says(BEGUN), lambda: signal.raise_signal(signal.SIGINT))
    result = ground.run("failover", "pg-a", "--to", "cluster2", *more)
    assert result.exit_code != 0
    assert "is not over" not in result.output
    assert "goes on: pgctl operations watch failover-pg-a-1730404800 --namespace site-recovery" in result.stderr
    assert len(ground.made()) == 1
