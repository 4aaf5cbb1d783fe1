"""What happens to a VM when its machine, or its whole site, goes wrong: real Kubernetes' and KubeVirt's own reactions."""

import pytest

from sandbox.kubernetes.client import wait_until
from sandbox.kubernetes.cluster import Cluster
from sandbox.kubernetes.world import World
from support.kubernetes.machines import instance_path, look, running, set_strategy, status, virtual_machine

PATIENCE = 150.0


@pytest.fixture
def vm(cluster: Cluster, namespace: str) -> str:
    """The name of a running VM."""
    cluster.api.create(virtual_machine(namespace, "vm"))
    running(cluster, namespace, "vm")
    return "vm"


def _node(cluster: Cluster, namespace: str) -> str:
    return str(look(cluster.api, instance_path(namespace, "vm"))["status"]["nodeName"])


def _ready(cluster: Cluster, node: str) -> str:
    conditions = cluster.api.get(f"/api/v1/nodes/{node}")["status"]["conditions"]
    return next(str(item["status"]) for item in conditions if item["type"] == "Ready")


def test_dead_node_keeps_its_vm_until_it_is_declared_out_of_service(cluster: Cluster, namespace: str, vm: str) -> None:
    """KubeVirt goes on saying Running for a VM whose node died; only the out-of-service taint lets it run elsewhere."""
    node = _node(cluster, namespace)
    cluster.agent.node(node, "dead")
    assert cluster.agent.guests(namespace, vm) == []
    wait_until("the node's silence to be noticed", PATIENCE, lambda: _ready(cluster, node) == "Unknown")
    assert status(cluster, namespace, vm)["printableStatus"] == "Running"

    cluster.kubectl("taint", "node", node, "node.kubernetes.io/out-of-service=:NoExecute")
    try:
        wait_until(
            "another node",
            PATIENCE,
            lambda: [g["node"] for g in cluster.agent.guests(namespace, vm)] not in ([], [node]),
        )
        running(cluster, namespace, vm)
    finally:
        cluster.kubectl("taint", "node", node, "node.kubernetes.io/out-of-service-")
        cluster.agent.node(node, "alive")
    wait_until("the node to be back", PATIENCE, lambda: _ready(cluster, node) == "True")


def test_mute_node_runs_on_unseen(cluster: Cluster, namespace: str, vm: str) -> None:
    """A node that nobody hears keeps its guest: Halted changes nothing there until it is heard again."""
    node = _node(cluster, namespace)
    cluster.agent.node(node, "mute")

    set_strategy(cluster, namespace, vm, "Halted")
    wait_until(
        "KubeVirt's wish",
        PATIENCE,
        lambda: "deletionTimestamp" in look(cluster.api, instance_path(namespace, vm))["metadata"],
    )
    assert [guest["state"] for guest in cluster.agent.guests(namespace, vm)] == ["running"]

    cluster.agent.node(node, "alive")
    wait_until("the end of the guest", PATIENCE, lambda: cluster.agent.guests(namespace, vm) == [])


def test_site_that_comes_back_starts_its_vms_by_itself(
    planes: World, cluster: Cluster, namespace: str, vm: str
) -> None:
    """After a power failure the API is gone with the guests; when power returns, KubeVirt restarts what is Always."""
    before = look(cluster.api, instance_path(namespace, vm))["metadata"]["uid"]

    planes.power_off(cluster)
    with pytest.raises(OSError, match="refused"):
        cluster.api.get("/readyz")
    assert cluster.agent.guests(namespace, vm) == []
    planes.power_on(cluster)

    wait_until(
        "another instance",
        PATIENCE,
        lambda: look(cluster.api, instance_path(namespace, vm)).get("metadata", {}).get("uid", before) != before,
    )
    running(cluster, namespace, vm)


def test_frozen_plane_answers_nothing_and_loses_nothing(cluster: Cluster, namespace: str, vm: str) -> None:
    """While the control plane hangs its guests go on; afterwards the VM is the same instance."""
    before = look(cluster.api, instance_path(namespace, vm))["metadata"]["uid"]

    cluster.freeze()
    try:
        assert [guest["state"] for guest in cluster.agent.guests(namespace, vm)] == ["running"]
    finally:
        cluster.thaw()
    cluster.wait()

    assert look(cluster.api, instance_path(namespace, vm))["metadata"]["uid"] == before
    running(cluster, namespace, vm)


def test_agent_started_anew_finds_its_guests(cluster: Cluster, namespace: str, vm: str) -> None:
    """A crash of the agent itself is not one of the guests: what was said to run still runs."""
    before = look(cluster.api, instance_path(namespace, vm))["metadata"]["uid"]
    starts = cluster.machines.starts

    cluster.machines.crash()
    wait_until("the agent's next start", PATIENCE, lambda: cluster.machines.starts > starts)
    cluster.agent.wait()

    wait_until("its guest", PATIENCE, lambda: [g["uid"] for g in cluster.agent.guests(namespace, vm)] == [before])


def test_crashed_virt_controller_comes_back(cluster: Cluster, namespace: str) -> None:
    """KubeVirt's parts are started again when they end, and go on."""
    starts = cluster.virt_controller.starts
    cluster.virt_controller.crash()
    wait_until("its next start", PATIENCE, lambda: cluster.virt_controller.starts > starts)

    cluster.api.create(virtual_machine(namespace, "after"))

    running(cluster, namespace, "after", PATIENCE)


def test_vm_given_up_on_a_mute_node_runs_twice(cluster: Cluster, namespace: str, vm: str) -> None:
    """Whoever force-deletes the launcher of a node that only nobody hears gets a second copy, and the agent shows both."""
    node = _node(cluster, namespace)
    cluster.agent.node(node, "mute")
    wait_until("the node's silence to be noticed", PATIENCE, lambda: _ready(cluster, node) == "Unknown")

    cluster.kubectl("delete", "pods", "-n", namespace, "-l", f"vm.kubevirt.io/name={vm}", "--force", "--grace-period=0")

    wait_until("the second copy", PATIENCE, lambda: len(cluster.agent.guests(namespace, vm)) == 2)
    assert len({guest["node"] for guest in cluster.agent.guests(namespace, vm)}) == 2
    cluster.agent.node(node, "alive")
    wait_until("the end of the first", PATIENCE, lambda: len(cluster.agent.guests(namespace, vm)) == 1)
    wait_until("the node to be back", PATIENCE, lambda: _ready(cluster, node) == "True")
