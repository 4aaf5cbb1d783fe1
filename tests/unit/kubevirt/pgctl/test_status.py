"""`pgctl status` and `pgctl clusters`."""

import json

import pytest

from siterecovery.kubevirt.clusters import base
from siterecovery.kubevirt.domain.resources import CUSTOM_RESOURCE_DEFINITIONS, NODES
from unit.kubevirt.memory_cluster import EPOCH
from unit.kubevirt.pgctl.ground import BEGUN, NOW

KINDS = ("protectiongroups.siterecovery.trilio.io", "failovers.siterecovery.trilio.io", "virtualmachines.kubevirt.io")


@pytest.fixture
def healthy(ground):
    """Everything is where it belongs."""
    for cluster in ground.clusters.values():
        for name in KINDS:
            cluster.put(CUSTOM_RESOURCE_DEFINITIONS, {"metadata": {"name": name}})
        cluster.put(NODES, {"metadata": {"name": "node1"}}, {"conditions": [{"type": "Ready", "status": "True"}]})
        cluster.seconds = (NOW - EPOCH).total_seconds()
    for cluster in (ground.primary, ground.dr):
        ground.controller("protection-group-controller", cluster)
    ground.controller("failover-controller", ground.quorum)
    return ground


def test_all_is_well(healthy):
    """Clusters, controllers, groups and what is under way are shown, and the exit code is 0."""
    healthy.group()
    healthy.failover("failover-pg-a-1", status=BEGUN)

    result = healthy.run("status", "--namespace", "site-recovery")

    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == [
        "CLUSTER   ROLE     STATUS  CRDS  FAILOVER-CONTROLLER  PROTECTION-GROUP-CONTROLLER",
        "cluster1  primary  ok      2/2   -                    1/1",
        "cluster2  dr       ok      2/2   -                    1/1",
        "quorum    quorum   ok      2/2   1/1                  -",
        "",
        "PROTECTION-GROUP  CLUSTER   DESIRED  CURRENT  ACTIVE",
        "pg-a              cluster1  running  running  cluster1",
        "pg-a              cluster2  stopped  stopped  cluster1",
        "",
        "NAME             PROTECTION-GROUP  TARGET    PHASE    AGE",
        "failover-pg-a-1  pg-a              cluster2  Running  2m",
    ]


def test_a_cluster_that_is_down(healthy):
    """One that does not answer is shown as such, the others in full, and the exit code is 3."""
    healthy.group()
    healthy.down(healthy.primary)
    result = healthy.run("status")
    assert result.exit_code == 3
    assert result.stdout.splitlines()[1].split() == ["cluster1", "primary", "unreachable", "-", "-", "-"]
    assert "pg-a              cluster2  stopped" in result.stdout
    assert "no route to host" in result.stderr


def test_refused_credentials(healthy):
    """A 401 is told apart from a cluster that is down, and also ends with 3."""
    healthy.quorum.broken = base.Forbidden("quorum: Unauthorized", cluster="quorum", status=401)
    result = healthy.run("status")
    assert (result.exit_code, "refused" in result.stdout) == (3, True)


def test_missing_definitions(healthy):
    """A cluster without the CRDs is named with the command that applies them; the exit code is 5."""
    healthy.dr.take(CUSTOM_RESOURCE_DEFINITIONS, KINDS[1])
    result = healthy.run("status")
    assert result.exit_code == 5
    assert "cluster2: failovers.siterecovery.trilio.io not registered: kubectl apply -f deploy/crds" in result.stderr


def test_a_controller_that_is_not_ready(healthy):
    """A Deployment without ready Pods is named with the command that shows them; the exit code is 5."""
    healthy.controller("failover-controller", healthy.quorum, ready=0)
    result = healthy.run("status")
    assert result.exit_code == 5
    assert "kubectl get pods -n site-recovery -l app=failover-controller" in result.stderr


def test_status_for_programs(healthy):
    """-o json tells reachability and controllers per cluster."""
    healthy.down(healthy.dr)
    told = json.loads(healthy.run("status", "-o", "json").stdout)
    assert [entry["reachable"] for entry in told["clusters"]] == [True, False, True]
    assert told["clusters"][2]["controllers"] == {"failover-controller": {"ready": 1, "wanted": 1}}


def test_the_list_of_clusters(healthy):
    """`clusters list` shows names, roles, aliases and whether each answers."""
    healthy.down(healthy.primary)
    result = healthy.run("clusters", "list")
    assert result.exit_code == 0
    assert [line.split() for line in result.stdout.splitlines()] == [
        ["NAME", "ROLE", "ALIASES", "STATUS"],
        ["cluster1", "primary", "-", "unreachable"],
        ["cluster2", "dr", "dr-cluster", "ok"],
        ["quorum", "quorum", "-", "ok"],
    ]


def test_a_healthy_world_is_valid(healthy):
    """Every check of every cluster is ok, and the exit code is 0."""
    result = healthy.run("clusters", "validate")
    assert result.exit_code == 0, result.output
    assert result.stdout.count(" ok") == 6 + 6 + 4


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda ground: ground.dr.forbidden.add("patch"), "you may not patch protectiongroups"),
        (lambda ground: setattr(ground.dr, "seconds", ground.dr.seconds + 90), "90 s apart"),
        (lambda ground: ground.dr.take(CUSTOM_RESOURCE_DEFINITIONS, KINDS[2]), "KubeVirt is not installed"),
        (lambda ground: ground.dr.take(NODES, "node1"), "no VM can start"),
    ],
)
def test_what_is_wrong_is_found(healthy, harm, words):
    """Each check fails with a remark of its own, and the exit code is 5."""
    harm(healthy)
    result = healthy.run("clusters", "validate", "cluster2")
    assert (result.exit_code, result.stdout.count("FAILED")) == (5, 1)
    assert words in result.stdout


def test_validation_of_a_dead_cluster(healthy):
    """One that does not answer ends with 3."""
    healthy.down(healthy.dr)
    assert healthy.run("clusters", "validate", "dr-cluster").exit_code == 3
