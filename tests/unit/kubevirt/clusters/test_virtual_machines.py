"""Starting and stopping VMs."""

import asyncio

import pytest

from siterecovery.kubevirt.clusters import base, virtual_machines
from siterecovery.kubevirt.domain.names import GROUP_LABEL, HELD, ORIGINAL_RUN
from siterecovery.kubevirt.domain.resources import NODES, PODS, VIRTUAL_MACHINE_INSTANCES, VIRTUAL_MACHINES
from siterecovery.kubevirt.domain.virtual_machine import Power
from unit.kubevirt.memory_cluster import MemoryCluster

NS = "site-recovery"


@pytest.fixture
def cluster():
    return MemoryCluster()


def vm(cluster, annotations=None, **spec):
    made = VIRTUAL_MACHINES.header("vm1", NS)
    made["metadata"]["annotations"] = annotations or {}
    return cluster.put(VIRTUAL_MACHINES, made | {"spec": spec})


def now(cluster):
    found = cluster.of(VIRTUAL_MACHINES, "vm1", NS)
    return found["spec"], found["metadata"].get("annotations") or {}


@pytest.mark.parametrize(
    ("spec", "stopped", "original"),
    [
        ({"runStrategy": "Always"}, {"runStrategy": "Halted"}, "Always"),
        ({"runStrategy": "Manual"}, {"runStrategy": "Halted"}, "Manual"),
        ({"running": True}, {"running": False}, "running=true"),
    ],
)
def test_a_stop_keeps_what_it_was_and_a_start_brings_it_back(cluster, spec, stopped, original):
    """The field in use is patched, the former value recorded, and a start restores it."""

    async def scene():
        await virtual_machines.stop(cluster, vm(cluster, **spec))
        assert now(cluster)[0] == stopped
        assert now(cluster)[1][ORIGINAL_RUN] == original
        await virtual_machines.start(cluster, cluster.of(VIRTUAL_MACHINES, "vm1", NS))
        assert now(cluster)[0] == spec

    asyncio.run(scene())
    assert cluster.started == ([(NS, "vm1")] if spec.get("runStrategy") == "Manual" else [])


def test_a_halted_vm_is_not_stopped_again(cluster):
    """What was recorded is not overwritten by Halted."""
    asyncio.run(virtual_machines.stop(cluster, vm(cluster, {ORIGINAL_RUN: "Always"}, runStrategy="Halted")))
    assert now(cluster)[1][ORIGINAL_RUN] == "Always"


def test_one_that_was_halted_when_it_became_a_member_stays_so(cluster):
    """A start of an excluded VM changes nothing."""
    asyncio.run(virtual_machines.start(cluster, vm(cluster, {ORIGINAL_RUN: "Halted"}, runStrategy="Halted")))
    assert now(cluster)[0] == {"runStrategy": "Halted"}


def test_a_held_vm_is_started_by_us_only(cluster):
    """Without quorum it is set to Manual and started by the subresource; stopped and let go it is what it was."""

    async def scene():
        await virtual_machines.start(cluster, vm(cluster, {ORIGINAL_RUN: "running=true"}, running=False), held=True)
        assert now(cluster) == ({"runStrategy": "Manual"}, {ORIGINAL_RUN: "running=true", HELD: "true"})
        assert cluster.started == [(NS, "vm1")]
        await virtual_machines.stop(cluster, cluster.of(VIRTUAL_MACHINES, "vm1", NS))
        assert now(cluster)[1][ORIGINAL_RUN] == "running=true"
        await virtual_machines.start(cluster, cluster.of(VIRTUAL_MACHINES, "vm1", NS))
        assert now(cluster) == ({"running": True}, {ORIGINAL_RUN: "running=true"})

    asyncio.run(scene())


def test_hold_and_let_go_do_not_disturb_it(cluster):
    """Held and let go, a running VM is what it was, and no start was asked for."""

    async def scene():
        await virtual_machines.hold(cluster, vm(cluster, runStrategy="RerunOnFailure"))
        assert now(cluster)[0] == {"runStrategy": "Manual"}
        await virtual_machines.let_go(cluster, cluster.of(VIRTUAL_MACHINES, "vm1", NS))
        assert now(cluster)[0] == {"runStrategy": "RerunOnFailure"}

    asyncio.run(scene())
    assert cluster.started == []


def test_a_halted_vm_is_let_go_and_stays_halted(cluster):
    """Its quorum is no reason to start it."""

    async def scene():
        await virtual_machines.hold(cluster, vm(cluster, runStrategy="Always"))
        await virtual_machines.stop(cluster, cluster.of(VIRTUAL_MACHINES, "vm1", NS))
        await virtual_machines.let_go(cluster, cluster.of(VIRTUAL_MACHINES, "vm1", NS))
        assert now(cluster) == ({"runStrategy": "Halted"}, {ORIGINAL_RUN: "Always"})

    asyncio.run(scene())


def test_an_old_reading_changes_nothing(cluster):
    """A VM that somebody has changed since it was read is left alone."""

    async def scene():
        read = vm(cluster, runStrategy="Always")
        vm(cluster, runStrategy="Manual")
        with pytest.raises(base.Conflict):
            await virtual_machines.stop(cluster, read)

    asyncio.run(scene())
    assert now(cluster)[0] == {"runStrategy": "Manual"}


def test_a_dismissed_member_keeps_nothing_of_ours(cluster):
    """Annotations and label are gone; a held one gets its strategy back."""

    async def scene():
        read = vm(cluster, {ORIGINAL_RUN: "Always", HELD: "true", "mine": "x"}, runStrategy="Manual")
        await virtual_machines.enrol(cluster, read, "pg-a", "Always")
        assert cluster.of(VIRTUAL_MACHINES, "vm1", NS)["metadata"]["labels"] == {GROUP_LABEL: "pg-a"}
        await virtual_machines.dismiss(cluster, cluster.of(VIRTUAL_MACHINES, "vm1", NS))

    asyncio.run(scene())
    assert now(cluster) == ({"runStrategy": "Always"}, {"mine": "x"})
    assert cluster.of(VIRTUAL_MACHINES, "vm1", NS)["metadata"]["labels"] == {}


def test_a_running_manual_vm_may_be_started(cluster):
    """The refusal of a second start is no error."""

    def running(verb, resource, name):
        return base.Conflict("VM is already running") if verb == "start" else None

    cluster.broken = running
    asyncio.run(virtual_machines.start(cluster, vm(cluster, {ORIGINAL_RUN: "Manual"}, runStrategy="Manual")))


@pytest.mark.parametrize(("others", "calls"), [(0, 3 + 3 + 2), (997, 4)])
def test_a_look_sees_everything_at_once(cluster, others, calls):
    """VM, instance, launcher and node are brought together, a few VMs by name and any number in four calls; what cannot be read is raised."""
    vm(cluster, runStrategy="Always")
    cluster.put(
        VIRTUAL_MACHINE_INSTANCES, VIRTUAL_MACHINE_INSTANCES.header("vm1", NS), {"phase": "Running", "nodeName": "n1"}
    )
    pod = PODS.header("virt-launcher-vm2", NS)
    pod["metadata"] |= {"labels": {"kubevirt.io": "virt-launcher"}, "annotations": {"kubevirt.io/domain": "vm2"}}
    cluster.put(PODS, pod, {"phase": "Running"})
    cluster.put(NODES, NODES.header("n1"), {"conditions": [{"type": "Ready", "status": "Unknown"}]})
    cluster.calls.clear()
    names = ["vm1", "vm2", "vm3", *(f"other{number}" for number in range(others))]
    seen = asyncio.run(virtual_machines.look(cluster, NS, names))
    assert [seen[name].power for name in ("vm1", "vm2", "vm3")] == [Power.UNKNOWN, Power.STOPPING, Power.STOPPED]
    assert len(cluster.calls) == calls
    cluster.broken = base.TimedOut("frozen")
    with pytest.raises(base.TimedOut):
        asyncio.run(virtual_machines.look(cluster, NS, names))
