"""`make kubernetes-up` for a person: what is there, what the documented commands do as they are printed, and nothing that stays."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from kubernetes.demo.shell import left, sandbox, typed
from sandbox.kubernetes.agent.client import AgentControl
from sandbox.kubernetes.detached import Detached


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The state directory of clusters with Site Recovery."""
    directory = tmp_path_factory.mktemp("playground")
    try:
        told = sandbox("up", "--site-recovery", "--state", str(directory))
        assert f"cd {directory} && source env" in told
        yield directory
    finally:
        sandbox("down", "--state", str(directory))
        assert left(directory) == []
        assert {path.name for path in directory.iterdir()} == {"lock", "logs", "processes.json"}


def test_the_installation_is_as_documented(state: Path) -> None:
    """Both Deployments are ready, both definitions are registered, and pgctl reaches every cluster."""
    rows = typed(
        state, "kubectl --kubeconfig=quorum-cluster.kubeconfig get deployment failover-controller -n site-recovery"
    )
    assert rows.splitlines()[1].split()[:4] == ["failover-controller", "1/1", "1", "1"]
    assert " 1/1 " in typed(state, "kubectl get deployment protection-group-controller -n site-recovery")
    names = typed(state, "kubectl get crd | grep siterecovery.trilio.io")
    assert "failovers.siterecovery.trilio.io" in names
    assert "protectiongroups.siterecovery.trilio.io" in names
    assert typed(state, "pgctl status --namespace site-recovery").count(" ok ") == 3
    assert "FAILED" not in typed(state, "pgctl clusters validate")
    assert str(state) in typed(state, "pgctl config view")


def test_a_second_up_leaves_what_was_moved(state: Path) -> None:
    """After a failover by the documented command `up` finds everything there: it starts no VM at home a second time."""
    printed = typed(state, "./intelligent-pg-failover-crd.sh pg-a --to-cluster2").splitlines()
    assert printed[-1] == "[SUCCESS] Failover of pg-a to cluster2 completed successfully"

    sandbox("up", "--site-recovery", "--state", str(state))

    agents = {name: AgentControl(plane["agent"]) for name, plane in Detached(state).description["planes"].items()}
    running = {
        name: {vm for vm in ("shop-db", "shop-web", "wiki-db", "wiki-web") if agents[name].guests("site-recovery", vm)}
        for name in ("cluster1", "cluster2")
    }
    assert running == {"cluster1": {"wiki-db", "wiki-web"}, "cluster2": {"shop-db", "shop-web"}}
    assert " Succeeded " in typed(state, "pgctl operations list --namespace site-recovery --protection-group pg-a")


def test_the_tutorials_wrong_cluster(state: Path) -> None:
    """`running`, patched on the cluster where the group is not active, starts nothing, and the group says why."""
    there = "kubectl --kubeconfig=cluster2.kubeconfig"
    want = there + """ patch protectiongroup pg-b -n site-recovery --type=merge -p '{"spec":{"desiredState":"%s"}}'"""
    typed(state, want % "running")
    typed(state, f"{there} wait protectiongroup pg-b -n site-recovery --for=condition=Ready=False --timeout=60s")
    assert "NotActiveHere" in typed(state, f"{there} describe protectiongroup pg-b -n site-recovery")
    assert "wiki" not in typed(state, f"{there} get vmi -n site-recovery")
    typed(state, want % "stopped")


def test_quorum_can_be_lost_and_regained(state: Path) -> None:
    """One word puts the taints on every node of a cluster, another takes them off."""
    key = "-o jsonpath='{.items[*].spec.taints[*].key}'"
    for verb, count in (("lose-quorum", 2), ("regain-quorum", 0)):
        sandbox("fault", "--state", str(state), verb, "cluster2")
        found = typed(state, f"kubectl --kubeconfig=cluster2.kubeconfig get nodes {key}")
        assert found.count("drbd.linbit.com/lost-quorum") == count
