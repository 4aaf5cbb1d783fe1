"""Taints."""

import asyncio

import pytest

from siterecovery.kubevirt.clusters import base, nodes
from siterecovery.kubevirt.domain.names import FORCE_IO_ERROR_TAINT, LOST_QUORUM_TAINT
from siterecovery.kubevirt.domain.node import unresponsive
from siterecovery.kubevirt.domain.resources import NODES
from unit.kubevirt.memory_cluster import MemoryCluster

LOST = {"key": LOST_QUORUM_TAINT, "effect": "NoSchedule"}
OTHER = {"key": "other", "effect": "NoExecute", "value": "v"}


@pytest.fixture
def cluster():
    made = MemoryCluster()
    for name, taints in (("n1", [LOST, OTHER]), ("n2", []), ("n3", [LOST])):
        made.put(NODES, NODES.header(name) | {"spec": {"taints": taints}})
    return made


def taints(cluster, name):
    return cluster.of(NODES, name)["spec"]["taints"]


def test_only_the_named_taints_are_removed_and_told(cluster):
    """Other taints stay; the answer is what was removed, and can be put back, once."""

    async def scene():
        removed = await nodes.remove_taints(cluster, [LOST_QUORUM_TAINT])
        assert [(taint.node, taint.key) for taint in removed] == [("n1", LOST_QUORUM_TAINT), ("n3", LOST_QUORUM_TAINT)]
        assert (taints(cluster, "n1"), taints(cluster, "n3")) == ([OTHER], [])
        assert await nodes.tainted(cluster, [LOST_QUORUM_TAINT]) == []
        cluster.take(NODES, "n3")
        await nodes.restore_taints(cluster, removed)
        await nodes.restore_taints(cluster, removed)
        assert taints(cluster, "n1") == [OTHER, LOST]

    asyncio.run(scene())


def test_a_faster_writer_is_not_overwritten(cluster):
    """When somebody adds a taint in between, it is still there afterwards."""
    once = []

    def interfere(verb, resource, name):
        if verb == "patch" and name == "n1" and not once:
            once.append(1)
            cluster.put(NODES, NODES.header("n1") | {"spec": {"taints": [LOST, OTHER, {"key": "new", "effect": "X"}]}})

    cluster.broken = interfere
    asyncio.run(nodes.remove_taints(cluster, [LOST_QUORUM_TAINT]))
    assert [taint["key"] for taint in taints(cluster, "n1")] == ["other", "new"]


def test_an_io_error_taint_is_never_removed(cluster):
    """A volume that still fails its I/O is waited for."""
    with pytest.raises(ValueError, match="never remove"):
        asyncio.run(nodes.remove_taints(cluster, [FORCE_IO_ERROR_TAINT]))


def test_endless_conflicts_end(cluster):
    """A node that changes every time is given up as a Conflict."""

    def conflict(verb, resource, name):
        return base.Conflict("changed") if verb == "patch" else None

    cluster.broken = conflict
    with pytest.raises(base.Conflict):
        asyncio.run(nodes.remove_taints(cluster, [LOST_QUORUM_TAINT]))


def node(name, ready=None, schedulable="true"):
    conditions = [{"type": "Ready", "status": ready}] if ready else []
    return {
        "metadata": {"name": name, "labels": {"kubevirt.io/schedulable": schedulable}},
        "status": {"conditions": conditions},
    }


def test_which_nodes_are_not_believed():
    """A silent kubelet, or a silent virt-handler whose kubelet does not say Ready; a cordoned or busy node is believed."""
    found = [
        node("ok", "True"),
        node("silent", "Unknown"),
        node("handler", "False", "false"),
        node("bare", None, "false"),
    ]
    found += [node("restarting", "True", "false"), node("notready", "False")]
    assert unresponsive(found) == {"silent", "handler", "bare"}
