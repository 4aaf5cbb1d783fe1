"""Real KubeVirt sees played guests as it would see real ones."""

import datetime

import pytest

from sandbox.kubernetes.client import wait_until
from sandbox.kubernetes.cluster import Cluster
from sandbox.processes import ProcessError
from support.kubernetes.machines import (
    gone,
    instance_path,
    look,
    running,
    set_strategy,
    shows,
    status,
    virtual_machine,
)


def _start(cluster: Cluster, namespace: str, name: str, strategy: str = "Always", grace: int = 30) -> str:
    """A running VM; the uid of its instance."""
    cluster.api.create(virtual_machine(namespace, name, strategy, grace=grace))
    running(cluster, namespace, name)
    return _instance(cluster, namespace, name)


def _instance(cluster: Cluster, namespace: str, name: str) -> str:
    return str(look(cluster.api, instance_path(namespace, name)).get("metadata", {}).get("uid", ""))


def _replaced(cluster: Cluster, namespace: str, name: str, before: str) -> None:
    """Wait until it runs as another instance."""
    wait_until("another instance", 120, lambda: _instance(cluster, namespace, name) not in ("", before))
    running(cluster, namespace, name)


def test_vm_starts_and_halts(cluster: Cluster, namespace: str) -> None:
    """A VM with runStrategy Always runs as one guest on one node; Halted ends it, and nothing of it stays."""
    _start(cluster, namespace, "web")
    assert [guest["state"] for guest in cluster.agent.guests(namespace, "web")] == ["running"]

    set_strategy(cluster, namespace, "web", "Halted")
    gone(cluster, namespace, "web")

    shows(cluster, namespace, "web", "Stopped")
    assert cluster.agent.guests(namespace, "web") == []


def test_manual_vm_is_started_by_virtctl(cluster: Cluster, namespace: str) -> None:
    """The start subresource works through aggregation, and keeps a Manual VM's strategy."""
    cluster.api.create(virtual_machine(namespace, "db", "Manual"))
    shows(cluster, namespace, "db", "Stopped")

    cluster.virtctl("start", "db", "-n", namespace)

    assert running(cluster, namespace, "db")["runStrategy"] == "Manual"


def test_webhook_refuses_nonsense(cluster: Cluster, namespace: str) -> None:
    """KubeVirt's own webhook judges what is written, in its own words."""
    both = virtual_machine(namespace, "odd", running=True, runStrategy="Always")

    with pytest.raises(Exception, match="Running and RunStrategy are mutually exclusive"):
        cluster.api.create(both)


def test_tainted_nodes_take_no_vm(cluster: Cluster, namespace: str) -> None:
    """With the quorum taint on every node a VM shows ErrorUnschedulable, and runs as soon as the taint is gone."""
    taint = "drbd.linbit.com/lost-quorum"
    cluster.kubectl("taint", "nodes", "--all", f"{taint}=:NoSchedule")
    try:
        cluster.api.create(virtual_machine(namespace, "kept-out"))
        shows(cluster, namespace, "kept-out", "ErrorUnschedulable")
    finally:
        cluster.kubectl("taint", "nodes", "--all", f"{taint}-")

    running(cluster, namespace, "kept-out")


def test_crashed_guest_is_started_again(cluster: Cluster, namespace: str) -> None:
    """A guest that crashes leaves a failed instance, which KubeVirt replaces for Always."""
    before = _start(cluster, namespace, "shaky")

    cluster.agent.guest(namespace, "shaky", "crash")

    _replaced(cluster, namespace, "shaky", before)


def test_guest_that_powers_off_stays_off_with_rerun_on_failure(cluster: Cluster, namespace: str) -> None:
    """A clean end is no failure: RerunOnFailure leaves the VM stopped."""
    _start(cluster, namespace, "batch", "RerunOnFailure")

    cluster.agent.guest(namespace, "batch", "poweroff")

    gone(cluster, namespace, "batch")
    shows(cluster, namespace, "batch", "Stopped")


def test_failed_boot_is_tried_again(cluster: Cluster, namespace: str) -> None:
    """A boot that fails shows as CrashLoopBackOff until KubeVirt's next try."""
    cluster.agent.fail_boots(namespace, "late", 1)
    cluster.api.create(virtual_machine(namespace, "late"))

    shows(cluster, namespace, "late", "CrashLoopBackOff")

    running(cluster, namespace, "late")


def test_hanging_guest_is_killed_after_its_grace_period(cluster: Cluster, namespace: str) -> None:
    """A guest that ignores shutdown is Stopping until its grace period is over, and then gone."""
    _start(cluster, namespace, "deaf", grace=3)
    cluster.agent.guest(namespace, "deaf", "hang")

    set_strategy(cluster, namespace, "deaf", "Halted")

    shows(cluster, namespace, "deaf", "Stopping")
    assert [guest["state"] for guest in cluster.agent.guests(namespace, "deaf")] == ["running"]
    gone(cluster, namespace, "deaf")


def test_stuck_guest_is_terminating_until_it_is_freed(cluster: Cluster, namespace: str) -> None:
    """A guest that cannot even be killed outlives its grace period and runs on, until somebody frees it."""
    _start(cluster, namespace, "stone", grace=1)
    cluster.agent.guest(namespace, "stone", "stick")
    set_strategy(cluster, namespace, "stone", "Halted")
    shows(cluster, namespace, "stone", "Stopping")

    over = look(cluster.api, instance_path(namespace, "stone"))["metadata"]["deletionTimestamp"]
    wait_until("the end of its grace period", 60, lambda: _clock() > over)
    assert status(cluster, namespace, "stone")["printableStatus"] == "Stopping"
    assert [guest["state"] for guest in cluster.agent.guests(namespace, "stone")] == ["running"]

    cluster.agent.guest(namespace, "stone", "recover")
    gone(cluster, namespace, "stone")


def _clock() -> str:
    """The time two seconds ago: by then a guest with a second's grace would have been killed."""
    return (datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=2)).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_slow_guest_boots_in_its_time(cluster: Cluster, namespace: str) -> None:
    """While a guest boots its VM is Starting; a delay that is taken away ends at once."""
    cluster.agent.set(boot=300)
    cluster.api.create(virtual_machine(namespace, "slow"))
    shows(cluster, namespace, "slow", "Starting")
    wait_until("a booting guest", 120, lambda: bool(cluster.agent.guests(namespace, "slow")))
    assert cluster.agent.guests(namespace, "slow")[0]["state"] == "booting"

    cluster.agent.set(boot=0)

    running(cluster, namespace, "slow")


def test_paused_guest_does_not_run(cluster: Cluster, namespace: str) -> None:
    """virtctl pause reaches the guest through virt-handler's endpoint, and unpause lets it go on."""
    _start(cluster, namespace, "still")

    cluster.virtctl("pause", "vm", "still", "-n", namespace)
    shows(cluster, namespace, "still", "Paused")
    cluster.virtctl("unpause", "vm", "still", "-n", namespace)

    running(cluster, namespace, "still")


def test_what_makes_no_sense_is_refused(cluster: Cluster, namespace: str) -> None:
    """The agent's control port says what it does not know, and changes nothing."""
    before = cluster.agent.state()

    with pytest.raises(ProcessError, match="no time is called"):
        cluster.agent.set(boot=1, noon=12)
    with pytest.raises(ProcessError, match="there is no node"):
        cluster.agent.node("node9", "dead")
    with pytest.raises(ProcessError, match="no guest of"):
        cluster.agent.guest(namespace, "nobody", "crash")

    assert cluster.agent.state() == before


def test_silent_guest_is_not_ready_where_it_is_probed(cluster: Cluster, namespace: str) -> None:
    """A guest whose agent does not answer runs, but is not ready for a VM with a readiness probe."""
    machine = virtual_machine(namespace, "mumble")
    machine["spec"]["template"]["spec"]["readinessProbe"] = {"guestAgentPing": {}}
    cluster.api.create(machine)
    running(cluster, namespace, "mumble")

    cluster.agent.guest(namespace, "mumble", "silence")
    wait_until("not ready", 120, lambda: not status(cluster, namespace, "mumble").get("ready"))
    assert status(cluster, namespace, "mumble")["printableStatus"] == "Running"

    cluster.agent.guest(namespace, "mumble", "recover")
    running(cluster, namespace, "mumble")
