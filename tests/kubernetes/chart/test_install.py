"""The chart, installed by Helm into real clusters: its Pods come up, have enough rights for the documented scenarios, and no more."""

import contextlib
import json
import re
from collections.abc import Callable, Iterator

import pytest

from kubernetes.failover.world import Disk, Stage, tainted
from kubernetes.groups.world import Group, make
from sandbox.kubernetes.client import wait_until
from sandbox.kubernetes.desk import NAMESPACE
from sandbox.kubernetes.installation import Installation
from sandbox.kubernetes.world import World
from support.kubernetes.shell import Shell, ended

QUORUM = "kubectl --kubeconfig=quorum-cluster.kubeconfig"


def complaints(planes: World) -> list[str]:
    """Lines of the controllers' logs about missing rights. A namespace that an earlier test has left is forbidden to everybody."""
    found = []
    for plane in planes:
        for name in ("failover-controller", "protection-group-controller"):
            log = plane.kubectl("logs", "-n", NAMESPACE, "-l", f"app={name}", "--tail=-1")
            found += [line for line in log.splitlines() if "forbidden" in line and "being terminated" not in line]
    return found


def test_the_deployments_are_there(shell: Shell) -> None:
    """The documented lines of the installation: both Deployments 1/1, Pods by label, logs, and pgctl status content."""
    rows = shell(f"{QUORUM} get deployment failover-controller -n site-recovery").splitlines()
    assert rows[0].split() == ["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE"]
    assert rows[1].split()[:4] == ["failover-controller", "1/1", "1", "1"]
    assert "1/1" in shell("kubectl get deployment protection-group-controller -n site-recovery")
    assert "Running" in shell(f"{QUORUM} get pods -n site-recovery -l app=failover-controller")
    assert "leading" in shell(f"{QUORUM} logs -n site-recovery -l app=failover-controller --tail=50")
    status = shell("pgctl status --namespace $NS")
    assert status.count("1/1") == 3
    assert "FAILED" not in shell("pgctl clusters validate --namespace $NS")


def test_scenario_1(planes: World, shell: Shell, stage: Stage) -> None:
    """A group moves with nothing but the chart's rights: the documented lines, the VMs on cluster2, no complaint in any log."""
    stage.group("pg-a")

    printed = shell("./intelligent-pg-failover-crd.sh pg-a --to-cluster2").splitlines()

    name = printed[2].split()[-1]
    assert printed == [
        "[INFO] Validating authentication...",
        "[INFO] Detecting VM locations for pg-a...",
        f"[INFO] Creating Failover CR: {name}",
        "[INFO] Monitoring Failover CR status...",
        "[INFO] Phase: Running",
        "[INFO] Phase: Succeeded",
        "[SUCCESS] Failover of pg-a to cluster2 completed successfully",
    ]
    line = "kubectl --kubeconfig=dr-cluster.kubeconfig get protectiongroup pg-a -n $NS -o jsonpath='{.status.currentState}'"
    assert shell(line) == "running"
    assert [stage.running_on(vm) for vm in stage.disks] == [["cluster2"], ["cluster2"]]
    row = shell("pgctl operations list --namespace $NS --protection-group pg-a").splitlines()[1].split()
    assert row[:4] == [name, "pg-a", "cluster2", "Succeeded"]
    described = shell(f"{QUORUM} describe failover {name} -n $NS")
    assert "Succeeded" in described
    assert "stop_source" in shell(f"pgctl operations get {name} --namespace $NS")
    assert complaints(planes) == []


def test_scenario_2(planes: World, shell: Shell, stage: Stage) -> None:
    """The same group twice at once: the second names the holder of the Lease, and the first completes."""
    group = stage.group("pg-a")
    for cluster in planes.clusters:
        cluster.agent.set(stop=6)
    first = shell.start("./intelligent-pg-failover-crd.sh pg-a --to-cluster2")
    group.until("being stopped", lambda: group.get()["spec"]["desiredState"] == "stopped")

    second = shell("./intelligent-pg-failover-crd.sh pg-a --to-cluster2", code=4).splitlines()
    lease = shell(f"{QUORUM} get lease failover-lock-pg-a -n $NS -o yaml")

    holder = second[1].rpartition(" ")[2]
    assert re.fullmatch(r"failover-controller-\d+", holder)
    assert second == [
        "[ERROR] Failed to acquire failover lock for pg-a",
        f"Failover lock is held by: {holder}",
        "[ERROR] Failover aborted — another failover is already in progress for this Protection Group",
    ]
    assert f"holderIdentity: {holder}" in lease
    assert ended(first).splitlines()[-1] == "[SUCCESS] Failover of pg-a to cluster2 completed successfully"


@pytest.fixture
def quorum_lost(planes: World, empty_target: None) -> Iterator[Callable[[], None]]:
    """Puts quorum taints on cluster2, which its agent puts back every five seconds until the test is over."""

    def taints(keys: list[str] | None) -> None:
        for node in planes.cluster2.nodes:
            planes.storage.post(f"/drbd/taints/{node}", keys=keys)

    def lose() -> None:
        taints(["drbd.linbit.com/lost-quorum"])
        wait_until("the taints", 30, lambda: len(tainted(planes.cluster2)) == 2)

    yield lose
    taints(None)
    wait_until("the end of the taints", 30, lambda: not tainted(planes.cluster2))


def test_scenarios_3_and_4(planes: World, shell: Shell, stage: Stage, quorum_lost: Callable[[], None]) -> None:
    """With taints on cluster2 and pg-a running there, pg-b is refused with the documented words, and moves with --force."""
    stage.group("pg-a")
    stage.group("pg-b")
    shell("./intelligent-pg-failover.sh pg-a --to-cluster2")
    quorum_lost()

    refused = shell("./intelligent-pg-failover.sh pg-b --to-cluster2", code=5).splitlines()
    forced = shell("./intelligent-pg-failover.sh pg-b --to-cluster2 --force").splitlines()

    assert refused == [
        "⚠ SAFETY CHECK: Other Protection Groups have running VMs on cluster2:",
        "    - pg-a",
        "UNSAFE to remove taints on cluster2 - other Protection Groups have running VMs",
        "This could cause scheduling issues for those VMs",
        "To override this safety check, use --force flag (NOT RECOMMENDED)",
        "[ERROR] Failover aborted",
    ]
    assert forced == [
        "⚠️  WARNING: Force mode enabled - safety checks bypassed",
        "⚠️  Using --force can disrupt other Protection Groups",
        "[INFO] Removing quorum taints on cluster2 (force mode)...",
        "[INFO] Phase: Running",
        "[INFO] Phase: Succeeded",
        "[SUCCESS] Failover of pg-b to cluster2 completed (force mode)",
    ]
    columns = "NAME:.metadata.name,DESIRED:.spec.desiredState,CURRENT:.status.currentState"
    table = shell(f"kubectl --kubeconfig=cluster2.kubeconfig get protectiongroups -n $NS -o custom-columns='{columns}'")
    assert [row.split() for row in table.splitlines()[1:]] == [
        ["pg-a", "running", "running"],
        ["pg-b", "running", "running"],
    ]
    assert complaints(planes) == []


@contextlib.contextmanager
def watched(shell: Shell, group: str) -> Iterator[Iterator[tuple[str, ...]]]:
    """The rows of `kubectl get -w`, as they come."""
    child = shell.start(f"exec kubectl get protectiongroup {group} -n $NS -w")
    assert child.stdout is not None
    try:
        yield (tuple(line.split()) for line in child.stdout)
    finally:
        child.kill()
        child.wait()
        child.stdout.close()


def test_scenario_5(shell: Shell, stage: Stage) -> None:
    """desiredState is followed by real VMs: running, mixed, stopped, no VMI left, and running again."""
    group = stage.group("pg-a")
    patch = "kubectl patch protectiongroup pg-a -n $NS --type=merge -p "
    with watched(shell, "pg-a") as rows:
        assert next(rows) == ("NAME", "DESIRED", "CURRENT")
        for row in rows:
            if row == ("pg-a", "running", "running"):
                break
        shell(patch + """'{"spec":{"desiredState":"stopped"}}'""")
        group.until_state("stopped")
        assert "No resources found" in shell("kubectl get vmi -n $NS")
        shell(patch + """'{"spec":{"desiredState":"running"}}'""")
        group.until_state("running")
        seen = []
        for row in rows:
            seen.append(row)
            if row == ("pg-a", "running", "running"):
                break

    down = [("pg-a", "stopped", "running"), ("pg-a", "stopped", "mixed"), ("pg-a", "stopped", "stopped")]
    assert [row for row in dict.fromkeys(seen) if row in down] == down


def test_force_is_a_right_of_its_own(planes: World, shell: Shell, stage: Stage) -> None:
    """An operator may fail over, but force only with the ClusterRole site-recovery-force: by kubectl too."""
    quorum, namespace = planes.quorum, stage.namespace
    alice = quorum.user_kubeconfig("alice", ["siteops"])
    bind = ("create", "rolebinding", "-n", namespace, "--group=siteops")
    quorum.kubectl(*bind, "ops", "--clusterrole=site-recovery-operator")
    spec = {"protectionGroup": "pg-none", "targetCluster": "cluster2", "force": True}
    metadata = {"name": "forced", "namespace": namespace}
    wire = {"apiVersion": "siterecovery.trilio.io/v1alpha1", "kind": "Failover", "metadata": metadata, "spec": spec}
    (shell.folder / "forced.json").write_text(json.dumps(wire))
    create = f"kubectl --kubeconfig={alice} create -f forced.json"

    refused = shell(create, code=1)
    quorum.kubectl(*bind, "force", "--clusterrole=site-recovery-force")

    assert "ask for the ClusterRole site-recovery-force" in refused
    wait_until("the Failover", 30, lambda: "created" in shell(f"{create} 2>&1 || true"))


def test_a_large_group(planes: World, stage: Stage) -> None:
    """More VMs than are read one by one: they and their disks are listed, which is a right of its own. None of them runs."""
    names = [f"pg-large-vm{number}" for number in range(1, 18)]
    for vm in names:
        stage.disks[vm] = Disk(planes, stage.namespace, f"{vm}-disk")
        make(planes.cluster1, stage.namespace, vm, strategy="Halted", claims=[f"{vm}-disk"])

    group = Group(planes.cluster1, stage.namespace, "pg-large").create(*names, desiredState="stopped")

    stage.until_mirrored(group, names)
    group.until_condition("FailoverReady", "Ready", 90)
    assert complaints(planes) == []


def test_an_upgrade_in_the_middle(planes: World, installation: Installation, shell: Shell, stage: Stage) -> None:
    """Helm replaces the controllers while a group is on its way: the new ones finish what the old ones began."""
    group = stage.group("pg-a")
    for cluster in planes.clusters:
        cluster.agent.set(stop=8)
    moving = shell.start("pgctl failover pg-a --to cluster2 --wait --namespace $NS")
    group.until("being stopped", lambda: group.get()["spec"]["desiredState"] == "stopped")

    installation.upgrade({"podAnnotations.revision": "second"})

    assert "succeeded after" in ended(moving)
    assert [stage.running_on(vm) for vm in stage.disks] == [["cluster2"], ["cluster2"]]


def test_a_drill(planes: World, shell: Shell, stage: Stage) -> None:
    """`pgctl test` starts copies on cluster2 while the group runs on, and `pgctl cleanup` leaves nothing of them."""
    group = stage.group("pg-a", vms=1)

    tested = shell("pgctl test pg-a --wait --namespace $NS")
    running = shell("kubectl --kubeconfig=cluster2.kubeconfig get vmi -n $NS --no-headers")
    cleaned = shell("pgctl cleanup pg-a --wait --namespace $NS")

    assert "succeeded after" in tested
    assert len(running.splitlines()) == 1
    assert "succeeded after" in cleaned
    assert "No resources found" in shell("kubectl --kubeconfig=cluster2.kubeconfig get vmi -n $NS")
    assert group.state == "running"
    assert complaints(planes) == []
