"""Scenario 5 of the product's page and what belongs to it: the VMs of a group follow its desiredState."""

import subprocess

from kubernetes.groups.world import instances, make
from support.kubernetes import machines


def test_a_group_stops_and_starts_as_documented(controllers, group, tmp_path):
    """Patched to stopped a group goes running, mixed, stopped, with no VMI left; patched back it runs again."""
    make(group.plane, group.namespace, "vm1", "vm2")
    group.create("vm1", "vm2").until_state("running")
    seen = tmp_path / "watch"
    command = [
        group.plane.programs["kubectl"],
        "--kubeconfig",
        group.plane.kubeconfig,
        "get",
        "protectiongroup",
        "pg-a",
    ]
    with seen.open("w") as out:
        watch = subprocess.Popen([*command, "-n", group.namespace, "-w"], stdout=out)
    try:
        group.until("the watch", lambda: "running   running" in seen.read_text())
        group.want("stopped").until_state("stopped")
        assert instances(group.plane, group.namespace) == []
        group.want("running").until_state("running")
        assert instances(group.plane, group.namespace) == ["vm1", "vm2"]
        group.until("the watch", lambda: "running   running" in seen.read_text().splitlines()[-1])
    finally:
        watch.terminate()
        watch.wait(10)
    lines = [line.split() for line in seen.read_text().splitlines()]
    assert lines[0] == ["NAME", "DESIRED", "CURRENT"]
    told = list(dict.fromkeys(tuple(line[1:]) for line in lines[1:]))
    assert told[:4] == [("running", "running"), ("stopped", "running"), ("stopped", "mixed"), ("stopped", "stopped")]
    assert told[4:] == [("running", "stopped"), ("running", "mixed")]


def test_the_strategy_of_each_vm_comes_back(controllers, group):
    """Always, RerunOnFailure, Manual and the old running field are what they were after a stop and a start; who was halted stays halted."""
    make(group.plane, group.namespace, "always")
    make(group.plane, group.namespace, "rerun", strategy="RerunOnFailure")
    make(group.plane, group.namespace, "manual", strategy="Manual")
    make(group.plane, group.namespace, "off", strategy="Halted")
    make(group.plane, group.namespace, "old", running=True)
    group.create("always", "rerun", "manual", "off", "old").until_state("running")
    assert group.rows()["off"] == "Excluded"
    group.want("stopped").until_state("stopped")
    assert instances(group.plane, group.namespace) == []
    group.want("running").until_state("running")
    vms = {
        name: group.plane.api.get(machines.vm_path(group.namespace, name))["spec"]
        for name in ("always", "rerun", "manual", "off", "old")
    }
    found = {name: spec.get("runStrategy", spec.get("running")) for name, spec in vms.items()}
    assert found == {"always": "Always", "rerun": "RerunOnFailure", "manual": "Manual", "off": "Halted", "old": True}
    assert instances(group.plane, group.namespace) == ["always", "manual", "old", "rerun"]


def test_priority_and_dependency_order_the_start(controllers, group):
    """Nobody starts before those with a better priority, nor before what he depends on, are ready."""
    make(group.plane, group.namespace, "web", "app", "db")
    group.create(
        {"name": "web", "priority": 1, "dependsOn": ["app"]},
        {"name": "app", "priority": 2, "dependsOn": ["db"]},
        {"name": "db", "priority": 5},
        desiredState="stopped",
    ).until_state("stopped")
    group.want("running").until_state("running")
    born = {
        name: group.plane.api.get(machines.instance_path(group.namespace, name))["status"]["phaseTransitionTimestamps"]
        for name in ("web", "app", "db")
    }
    first, last = (
        {name: min(item["phaseTransitionTimestamp"] for item in stamps) for name, stamps in born.items()},
        {name: max(item["phaseTransitionTimestamp"] for item in stamps) for name, stamps in born.items()},
    )
    assert last["db"] <= first["app"]
    assert last["app"] <= first["web"]


def test_deleting_a_group_leaves_its_vms_alone(controllers, group):
    """A deleted group is gone, its VMs run on as before, and nothing of ours is left on them."""
    make(group.plane, group.namespace, "vm1")
    group.create("vm1").until_state("running")
    before = group.plane.api.get(machines.instance_path(group.namespace, "vm1"))["metadata"]["uid"]
    group.plane.api.delete(group.path)
    group.until("gone", lambda: not group.get())
    vm = group.plane.api.get(machines.vm_path(group.namespace, "vm1"))
    assert "siterecovery" not in str({key: vm["metadata"].get(key) for key in ("labels", "annotations", "finalizers")})
    assert group.plane.api.get(machines.instance_path(group.namespace, "vm1"))["metadata"]["uid"] == before


def test_a_killed_controller_changes_nothing_and_goes_on(controllers, group):
    """Killed while a group stops, its VMs stay as they are; the next controller finishes what was asked."""
    make(group.plane, group.namespace, "vm1", "vm2", "vm3")
    group.create("vm1", {"name": "vm2", "priority": 4}, {"name": "vm3", "priority": 5}).until_state("running")
    group.plane.agent.set(stop=1)
    try:
        group.want("stopped")
        group.until("mixed", lambda: group.state == "mixed")
        controllers["cluster1"].kill()
        controllers["cluster1"].start()
        group.until_state("stopped")
        assert instances(group.plane, group.namespace) == []
    finally:
        group.plane.agent.reset()
    assert controllers["cluster1"].stop() == 0
