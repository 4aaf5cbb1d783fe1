"""The six documented scenarios as transcripts: the documented command lines, and what they print."""

import re

from kubernetes.pgctl.ground import Ground, PlayedController, stamp, until

NAME = re.compile(r"failover-pg-[ab]-\d+")


def jsonpath(group: str, kubeconfig: str = "") -> str:
    chosen = f"--kubeconfig={kubeconfig} " if kubeconfig else ""
    return f"kubectl {chosen}get protectiongroup {group} -n $NS -o jsonpath='{{.status.currentState}}'"


def test_scenario_1_a_failover_there(ground: Ground, controller: PlayedController) -> None:
    """Every command of the baseline prints what is documented, from `running` at home to the finished row of the list."""
    ground.group("pg-a")

    assert ground.shell(jsonpath("pg-a")) == "running"
    printed = ground.shell("./intelligent-pg-failover-crd.sh pg-a --to-cluster2")
    name = NAME.search(printed)[0]  # type: ignore[index]
    assert printed.splitlines() == [
        "[INFO] Validating authentication...",
        "[INFO] Detecting VM locations for pg-a...",
        f"[INFO] Creating Failover CR: {name}",
        "[INFO] Monitoring Failover CR status...",
        "[INFO] Phase: Running",
        "[INFO] Phase: Succeeded",
        "[SUCCESS] Failover of pg-a to cluster2 completed successfully",
    ]
    assert ground.shell(jsonpath("pg-a", "dr-cluster.kubeconfig")) == "running"
    table = ground.shell("pgctl operations list --namespace $NS --protection-group pg-a").splitlines()
    assert table[0].split() == ["NAME", "PROTECTION-GROUP", "TARGET", "PHASE", "AGE"]
    assert table[1].split()[:4] == [name, "pg-a", "cluster2", "Succeeded"]
    assert len(table) == 2


def test_scenario_2_the_same_group_twice(ground: Ground, controller: PlayedController) -> None:
    """The second of two failovers of one group names the holder of the lock; the first completes."""
    ground.group("pg-a")
    gate = controller.hold("pg-a")
    first = ground.shell.start("./intelligent-pg-failover-crd.sh pg-a --to-cluster2")
    until("the first under way", lambda: ground.state(ground.planes.cluster2, "pg-a") == "mixed")

    second = ground.shell("./intelligent-pg-failover-crd.sh pg-a --to-cluster2", code=4)
    lease = ground.shell("kubectl --kubeconfig=quorum-cluster.kubeconfig get lease failover-lock-pg-a -n $NS -o yaml")
    gate.set()
    told, _ = first.communicate(timeout=60)

    assert second.splitlines() == [
        "[ERROR] Failed to acquire failover lock for pg-a",
        "Failover lock is held by: failover-controller-12345",
        "[ERROR] Failover aborted — another failover is already in progress for this Protection Group",
    ]
    assert "holderIdentity: failover-controller-12345" in lease
    assert told.splitlines()[-1] == "[SUCCESS] Failover of pg-a to cluster2 completed successfully"
    assert first.returncode == 0


def test_scenario_3_another_group_to_the_same_target(ground: Ground, controller: PlayedController) -> None:
    """While pg-a starts on cluster2 the safety check refuses pg-b with its documented words, and pg-b stays where it is."""
    ground.group("pg-a")
    ground.group("pg-b")
    gate = controller.hold("pg-a")
    first = ground.shell.start("./intelligent-pg-failover.sh pg-a --to-cluster2")
    until("pg-a starting there", lambda: ground.state(ground.planes.cluster2, "pg-a") == "mixed")

    second = ground.shell("./intelligent-pg-failover.sh pg-b --to-cluster2", code=5)
    gate.set()
    told, _ = first.communicate(timeout=60)

    assert second.splitlines() == [
        "⚠ SAFETY CHECK: Other Protection Groups have running VMs on cluster2:",
        "    - pg-a",
        "UNSAFE to remove taints on cluster2 - other Protection Groups have running VMs",
        "This could cause scheduling issues for those VMs",
        "To override this safety check, use --force flag (NOT RECOMMENDED)",
        "[ERROR] Failover aborted",
    ]
    assert ground.shell(jsonpath("pg-b")) == "running"
    assert told.splitlines() == [
        "[INFO] Phase: Running",
        "[INFO] Phase: Succeeded",
        "[SUCCESS] Failover of pg-a to cluster2 completed successfully",
    ]


def test_scenario_4_force(ground: Ground, controller: PlayedController) -> None:
    """With pg-a on cluster2, --force prints the documented warnings and both groups end running there."""
    ground.group("pg-a", active="cluster2", epoch=2)
    ground.group("pg-b")

    printed = ground.shell("./intelligent-pg-failover.sh pg-b --to-cluster2 --force")
    columns = "NAME:.metadata.name,DESIRED:.spec.desiredState,CURRENT:.status.currentState"
    line = f"kubectl --kubeconfig=cluster2.kubeconfig get protectiongroups -n $NS -o custom-columns='{columns}'"
    table = ground.shell(line)

    assert printed.splitlines() == [
        "⚠️  WARNING: Force mode enabled - safety checks bypassed",
        "⚠️  Using --force can disrupt other Protection Groups",
        "[INFO] Removing quorum taints on cluster2 (force mode)...",
        "[INFO] Phase: Running",
        "[INFO] Phase: Succeeded",
        "[SUCCESS] Failover of pg-b to cluster2 completed (force mode)",
    ]
    assert [row.split() for row in table.splitlines()] == [
        ["NAME", "DESIRED", "CURRENT"],
        ["pg-a", "running", "running"],
        ["pg-b", "running", "running"],
    ]


def test_scenario_5_desired_state(ground: Ground) -> None:
    """The documented patch is taken, and a watch shows NAME, DESIRED and CURRENT as the group follows it."""
    ground.group("pg-a")
    patch = "kubectl patch protectiongroup pg-a -n $NS --type=merge -p "
    ground.shell(patch + """'{"spec":{"desiredState":"stopped"}}'""")
    watch = ground.shell.start("exec kubectl get protectiongroup pg-a -n $NS -w")
    assert watch.stdout is not None
    seen = [watch.stdout.readline().split(), watch.stdout.readline().split()]
    for state in ("mixed", "stopped"):
        ground.observed(ground.planes.cluster1, "pg-a", state)
        seen.append(watch.stdout.readline().split())
    watch.kill()
    watch.wait()
    watch.stdout.close()

    assert seen == [
        ["NAME", "DESIRED", "CURRENT"],
        ["pg-a", "stopped", "running"],
        ["pg-a", "stopped", "mixed"],
        ["pg-a", "stopped", "stopped"],
    ]


def test_scenario_6_the_audit_trail(ground: Ground) -> None:
    """Finished Failovers are listed by kubectl and described by kubectl and pgctl alike: phase, message and history."""
    history = [{"time": stamp(), "reason": "StopFailed", "message": "vm1 is stuck in Terminating"}]
    ground.finished("failover-pg-a-1730400000", "pg-a", "Succeeded")
    ground.finished("failover-pg-b-1730403600", "pg-b", "Succeeded")
    failed = {"message": "vm1 does not stop: kubectl describe vmi vm1", "history": history}
    ground.finished("failover-pg-a-1730407200", "pg-a", "Failed", **failed)
    on_quorum = "--kubeconfig=quorum-cluster.kubeconfig -n $NS"

    table = [row.split() for row in ground.shell(f"kubectl get failovers {on_quorum}").splitlines()]
    described = ground.shell(f"kubectl describe failover failover-pg-a-1730407200 {on_quorum}")
    told = ground.shell("pgctl operations get failover-pg-a-1730407200 --namespace $NS")

    assert table[0] == ["NAME", "PROTECTION-GROUP", "PHASE", "AGE"]
    assert sorted(row[:3] for row in table[1:]) == [
        ["failover-pg-a-1730400000", "pg-a", "Succeeded"],
        ["failover-pg-a-1730407200", "pg-a", "Failed"],
        ["failover-pg-b-1730403600", "pg-b", "Succeeded"],
    ]
    for text in (described, told):
        assert "Failed" in text
        assert "vm1 does not stop: kubectl describe vmi vm1" in text
        assert "vm1 is stuck in Terminating" in text
