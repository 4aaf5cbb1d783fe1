"""A VM that the product holds at Manual, on real KubeVirt and on the played one: a light world must not be harsher than the real one."""

import time

import pytest

from sandbox.kubernetes.client import wait_until
from support.kubernetes.fixtures import fresh_namespace
from support.kubernetes.machines import instance_path, look, running, set_strategy, virtual_machine


@pytest.mark.parametrize("kind", ["planes", "light_world"])
def test_a_vm_that_is_set_to_manual_runs_on(kind: str, request: pytest.FixtureRequest) -> None:
    """Its guest is neither stopped nor started anew, and Always later changes nothing either; Halted ends it."""
    world = request.getfixturevalue(kind)
    cluster, namespace = world.clusters[0], fresh_namespace(list(world))
    cluster.api.create(virtual_machine(namespace, "vm"))
    running(cluster, namespace, "vm")
    before = look(cluster.api, instance_path(namespace, "vm"))["metadata"]["uid"]

    for strategy in ("Manual", "Always"):
        set_strategy(cluster, namespace, "vm", strategy)
        time.sleep(
            2
        )  # a while for what must not happen: the played KubeVirt ended the VM within it, before it knew Manual
        instance = look(cluster.api, instance_path(namespace, "vm"))["metadata"]
        assert (instance["uid"], "deletionTimestamp" in instance) == (before, False), strategy
        assert [guest["state"] for guest in cluster.agent.guests(namespace, "vm")] == ["running"], strategy

    set_strategy(cluster, namespace, "vm", "Halted")
    wait_until("the end of the guest", 60, lambda: cluster.agent.guests(namespace, "vm") == [])
