"""The documented commands of installation, usage and troubleshooting, as transcripts."""

import pytest
import yaml

from kubernetes.pgctl.ground import STEPS, Ground, PlayedController, until
from support.kubernetes.shell import ROOT

FAILOVER = """
apiVersion: siterecovery.trilio.io/v1alpha1
kind: Failover
metadata:
  name: failover-production-pg-to-dr
  namespace: {namespace}
spec:
  protectionGroup: production-protection-group
  targetCluster: dr-cluster
  force: false
"""


def test_the_definitions_are_registered(ground: Ground) -> None:
    """`kubectl get crd | grep` shows both documented names."""
    printed = ground.shell("kubectl get crd | grep siterecovery.trilio.io")
    names = [line.split()[0] for line in printed.splitlines()]
    assert {"failovers.siterecovery.trilio.io", "protectiongroups.siterecovery.trilio.io"} <= set(names)


@pytest.mark.parametrize("file", ["protection-group-crd.yaml", "failover-crd.yaml"])
def test_the_documented_files_can_be_applied(ground: Ground, file: str) -> None:
    """The two files named by the documents are taken as they are."""
    assert ground.shell(f"kubectl apply --dry-run=server -f {ROOT}/deploy/crds/{file} 2>/dev/null")


def test_the_deployment(ground: Ground) -> None:
    """A healthy controller is shown by kubectl with the documented columns, and pgctl can tell that all is well."""
    for plane, name in zip(
        ground.planes,
        ("protection-group-controller", "protection-group-controller", "failover-controller"),
        strict=True,
    ):
        ground.deployed(plane, name)
    line = "kubectl --kubeconfig=quorum-cluster.kubeconfig get deployment failover-controller -n $NS"

    rows = [row.split() for row in ground.shell(line).splitlines()]

    assert rows[0] == ["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE"]
    assert rows[1][:4] == ["failover-controller", "1/1", "1", "1"]


def test_pgctl_status(ground: Ground) -> None:
    """`pgctl status` reaches every cluster, shows the controllers and the group, and exits 0."""
    ground.group("pg-a")
    for plane in (ground.planes.cluster1, ground.planes.cluster2):
        ground.deployed(plane, "protection-group-controller")
    ground.deployed(ground.planes.quorum, "failover-controller")

    rows = [line.split() for line in ground.shell("pgctl status --namespace $NS").splitlines()]

    assert ["cluster1", "primary", "ok", "2/2", "-", "1/1"] in rows
    assert ["quorum", "quorum", "ok", "2/2", "1/1", "-"] in rows
    assert ["pg-a", "cluster1", "running", "running", "cluster1"] in rows


def test_a_cluster_that_is_down(ground: Ground) -> None:
    """With the primary's API server gone `status` says so with 3, and the list still shows what the others hold."""
    ground.finished("failover-pg-a-1", "pg-a", "Succeeded")
    ground.planes.cluster1.apiserver.kill()
    try:
        status = ground.shell("pgctl status --namespace $NS", code=3)
        table = ground.shell("pgctl operations list --namespace $NS 2>/dev/null")
    finally:
        ground.planes.cluster1.start()
        ground.planes.cluster1.wait()
    assert "unreachable" in status
    assert table.splitlines()[1].split()[:4] == ["failover-pg-a-1", "pg-a", "cluster2", "Succeeded"]


def test_a_failover_made_by_hand(ground: Ground) -> None:
    """The documented manifest is taken; until a controller touches it pgctl shows it as Pending, under the name that was given."""
    manifest = ground.shell.folder / "failover.yaml"
    manifest.write_text(FAILOVER.format(namespace=ground.namespace))
    printed = ground.shell(f"kubectl --kubeconfig=quorum-cluster.kubeconfig apply -f {manifest}")
    assert printed == "failover.siterecovery.trilio.io/failover-production-pg-to-dr created\n"

    row = ground.shell("pgctl operations list --namespace $NS").splitlines()[1].split()

    assert row[:4] == ["failover-production-pg-to-dr", "production-protection-group", "dr-cluster", "Pending"]


def test_a_failover_cannot_be_changed(ground: Ground) -> None:
    """The API server refuses a change of the spec, and an unplanned failover that nobody has confirmed, with a sentence."""
    on_quorum = "--kubeconfig=quorum-cluster.kubeconfig -n $NS"
    ground.finished("failover-pg-a-1", "pg-a", "Succeeded")
    patch = """--type=merge -p '{"spec":{"force":true}}'"""
    assert "create another one" in ground.shell(f"kubectl patch failover failover-pg-a-1 {on_quorum} {patch}", code=1)
    ground.group("pg-a")
    told = ground.shell("pgctl failover pg-a --to cluster2 --type unplanned --namespace $NS", code=5)
    assert "make sure that the source cluster is down" in told


def test_an_empty_list(ground: Ground) -> None:
    """The troubleshooting case: another namespace and a missing controller are both named."""
    ground.finished("failover-pg-a-1", "pg-a", "Succeeded")
    told = ground.shell("pgctl operations list --namespace default")
    assert "No operations found in namespace default." in told
    assert ground.namespace in told
    assert "failover-controller is not deployed on quorum" in told
    everywhere = ground.shell("kubectl --kubeconfig=quorum-cluster.kubeconfig get failovers --all-namespaces")
    assert "failover-pg-a-1" in everywhere


def test_a_stale_lock(ground: Ground, controller: PlayedController) -> None:
    """The troubleshooting case: a lock that somebody left is shown, refused to be released while fresh, and deleted by kubectl."""
    ground.group("pg-a")
    gate = controller.hold("pg-a")
    ground.shell("pgctl failover pg-a --to cluster2 --namespace $NS")
    until("the lock", lambda: "failover-lock-pg-a" in ground.shell("pgctl locks list --namespace $NS"))

    refused = ground.shell("pgctl locks release pg-a --yes --namespace $NS", code=4)
    on_quorum = "--kubeconfig=quorum-cluster.kubeconfig -n $NS"
    lease = yaml.safe_load(ground.shell(f"kubectl get lease failover-lock-pg-a {on_quorum} -o yaml"))
    deleted = ground.shell(f"kubectl delete lease failover-lock-pg-a {on_quorum}")
    gate.set()

    assert "held by failover-controller-12345 on quorum for failover-pg-a-" in refused
    assert (lease["spec"]["holderIdentity"], lease["spec"]["leaseDurationSeconds"]) == (
        "failover-controller-12345",
        300,
    )
    assert "deleted" in deleted


def test_an_expired_lock_is_released(ground: Ground) -> None:
    """A lock whose holder has vanished is released by pgctl without --force."""
    path = f"/apis/coordination.k8s.io/v1/namespaces/{ground.namespace}/leases"
    metadata = {"name": "failover-lock-pg-a", "namespace": ground.namespace}
    spec = {"holderIdentity": "failover-controller-1", "leaseDurationSeconds": 1}
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}
    ground.planes.quorum.api.create(lease)
    until("its expiry", lambda: "expired" in ground.shell("pgctl locks list --namespace $NS"))

    ground.shell("pgctl locks release pg-a --yes --namespace $NS")

    assert ground.planes.quorum.api.items(path) == []


def test_waiting_shows_the_steps(ground: Ground, controller: PlayedController) -> None:
    """`pgctl failover --wait` prints every step and ends with 0."""
    ground.group("pg-a")
    printed = ground.shell("pgctl failover pg-a --to cluster2 --wait --namespace $NS").splitlines()
    assert "created in namespace" in printed[0]
    assert [line.split()[-2] for line in printed[1:-1]] == list(STEPS)
    assert "succeeded after" in printed[-1]


def test_rights(ground: Ground) -> None:
    """A user without rights is told which are missing and whom to ask, with 5; nothing is created."""
    ground.group("pg-a")
    alice = ground.planes.quorum.user_kubeconfig("alice", ["siteops"])
    config = yaml.safe_load(ground.shell.config.read_text())
    config["contexts"]["quorum"]["kubeconfig"] = str(alice)
    ground.shell.config.write_text(yaml.safe_dump(config))

    told = ground.shell("pgctl failover pg-a --to cluster2 --namespace $NS", code=5)

    assert "you may not create failovers" in told
    assert ground.failovers() == []


def test_config_view(ground: Ground) -> None:
    """`pgctl config view` shows the server of each context and no credential."""
    told = ground.shell("pgctl config view")
    for plane in ground.planes:
        assert plane.url in told
    assert "certificate" not in told


def test_troubleshooting_columns(ground: Ground) -> None:
    """The custom-columns line of the stale status case prints NAME and CURRENT."""
    ground.group("pg-a", active="cluster2", epoch=2)
    columns = "NAME:.metadata.name,CURRENT:.status.currentState"
    line = f"kubectl --kubeconfig=cluster2.kubeconfig get protectiongroups -n $NS -o custom-columns='{columns}'"
    assert [row.split() for row in ground.shell(line).splitlines()] == [["NAME", "CURRENT"], ["pg-a", "running"]]


@pytest.mark.parametrize(
    "line", ["", "pg-a", "--to-cluster2", "pg-a --to-cluster2 --to-cluster1", "pg-a --to-", "--help"]
)
@pytest.mark.parametrize("script", ["intelligent-pg-failover-crd.sh", "intelligent-pg-failover.sh"])
def test_scripts_explain_themselves(ground: Ground, script: str, line: str) -> None:
    """A wrong command line ends with 2 and the usage; nothing is created."""
    assert "Usage:" in ground.shell(f"./{script} {line}", code=2)
    assert ground.failovers() == []
