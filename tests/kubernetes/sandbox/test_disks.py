"""A guest runs only where its replicated disk may be opened, and what it writes can be followed."""

import uuid
from collections.abc import Iterator

import pytest

from sandbox.kubernetes.client import wait_until
from sandbox.kubernetes.cluster import Cluster
from sandbox.kubernetes.world import World
from support.kubernetes.machines import bind_disk, gone, running, set_strategy, shows, virtual_machine

PATIENCE = 120.0


@pytest.fixture
def volume(planes: World, namespace: str) -> Iterator[str]:
    """A volume with a replica on one node of each cluster, a claim for it in both, and quick guests."""
    handle = f"pvc-{uuid.uuid4()}"
    planes.storage.create_volume(handle, *(cluster.nodes[0] for cluster in planes.clusters))
    for cluster in planes.clusters:
        bind_disk(cluster, namespace, "data", handle)
        cluster.agent.set(write=0.1)
    yield handle
    for cluster in planes.clusters:
        cluster.agent.reset()


def _start(cluster: Cluster, namespace: str, strategy: str = "Always") -> None:
    cluster.api.create(virtual_machine(namespace, "db", strategy, claims=["data"]))


def _written(planes: World, volume: str) -> int:
    return max(planes.storage.generations(volume).values())


def test_guest_writes_to_its_replicated_disk(planes: World, namespace: str, volume: str) -> None:
    """A running guest raises the generation of its volume, on both sides; a stopped one does not hold it open."""
    _start(planes.cluster1, namespace)
    running(planes.cluster1, namespace, "db")
    wait_until("some writes", PATIENCE, lambda: _written(planes, volume) > 3)

    set_strategy(planes.cluster1, namespace, "db", "Halted")
    gone(planes.cluster1, namespace, "db")

    held = planes.storage.get(f"/drbd/volumes/{volume}")
    assert held["primaries"] == []
    diskful = {replica["generation"] for replica in held["replicas"].values() if replica["diskful"]}
    assert len(diskful) == 1


def test_second_copy_may_not_open_the_disk(planes: World, namespace: str, volume: str) -> None:
    """While one cluster's guest holds the disk, the other cluster's VM fails to boot, and says why in an event."""
    _start(planes.cluster1, namespace)
    running(planes.cluster1, namespace, "db")

    _start(planes.cluster2, namespace)

    shows(planes.cluster2, namespace, "db", "CrashLoopBackOff")
    events = planes.cluster2.kubectl("get", "events", "-n", namespace, "--field-selector=reason=SyncFailed")
    assert "Multiple primaries not allowed" in events
    assert planes.cluster2.agent.guests(namespace, "db") == []


def test_planned_move_finds_every_write(planes: World, namespace: str, volume: str) -> None:
    """Stopped here and started there, the guest finds what it wrote last."""
    _start(planes.cluster1, namespace)
    running(planes.cluster1, namespace, "db")
    wait_until("some writes", PATIENCE, lambda: _written(planes, volume) > 3)
    set_strategy(planes.cluster1, namespace, "db", "Halted")
    gone(planes.cluster1, namespace, "db")
    left = _written(planes, volume)

    _start(planes.cluster2, namespace)
    running(planes.cluster2, namespace, "db")

    (guest,) = planes.cluster2.agent.guests(namespace, "db")
    assert guest["disks"][volume] >= left


def test_guest_of_a_lost_site_is_lost(planes: World, namespace: str, volume: str) -> None:
    """Power gone at one site: the other may open the disk, and has what was written before."""
    _start(planes.cluster1, namespace)
    running(planes.cluster1, namespace, "db")
    wait_until("some writes", PATIENCE, lambda: _written(planes, volume) > 3)
    planes.cluster1.agent.site("off")
    left = _written(planes, volume)
    try:
        _start(planes.cluster2, namespace)
        running(planes.cluster2, namespace, "db")

        (guest,) = planes.cluster2.agent.guests(namespace, "db")
        assert guest["disks"][volume] >= left
    finally:
        set_strategy(planes.cluster1, namespace, "db", "Halted")
        planes.cluster1.agent.site("on")
    gone(planes.cluster1, namespace, "db")


def test_guest_without_quorum_hangs(planes: World, namespace: str, volume: str) -> None:
    """A guest cut off from every other voter cannot write; its shutdown takes its whole grace period."""
    cluster = planes.cluster1
    cluster.api.create(virtual_machine(namespace, "db", claims=["data"], grace=2))
    running(cluster, namespace, "db")
    cuts = (["cluster1", "cluster2"], ["cluster1", "quorum"])
    try:
        for pair in cuts:
            planes.storage.post("/links/cut", sites=pair)

        wait_until(
            "a write that fails", PATIENCE, lambda: "quorum" in cluster.agent.guests(namespace, "db")[0]["blocked"]
        )
    finally:
        for pair in cuts:
            planes.storage.post("/links/heal", sites=pair)

    wait_until("the next write", PATIENCE, lambda: not cluster.agent.guests(namespace, "db")[0]["blocked"])
