"""What is true of a VM, from its objects."""

import pytest

from siterecovery.kubevirt.domain.virtual_machine import Power, observe, run_fields


def vm(strategy="Always", status=None, **spec):
    return {
        "metadata": {"name": "vm1", "namespace": "ns"},
        "spec": spec or {"runStrategy": strategy},
        "status": {"runStrategy": strategy} if status is None else status,
    }


def instance(phase="Running", deleted=False, node="n1", conditions=()):
    metadata = {"name": "vm1", "namespace": "ns"} | ({"deletionTimestamp": "x"} if deleted else {})
    told = [{"type": kind, "status": "True"} for kind in conditions]
    return {"metadata": metadata, "status": {"phase": phase, "nodeName": node, "conditions": told}}


def pod(phase="Running", node="n1"):
    return {"metadata": {"name": "virt-launcher-vm1"}, "spec": {"nodeName": node}, "status": {"phase": phase}}


STOPPED_BEFORE_FIRST_START = {"printableStatus": "Stopped"}


@pytest.mark.parametrize(
    ("found", "power", "halted"),
    [
        ((vm(), instance(), [pod()]), Power.RUNNING, False),
        ((vm(), instance("Scheduling"), [pod("Pending")]), Power.STARTING, False),
        ((vm(), None, []), Power.STARTING, False),
        ((vm("Halted"), instance(deleted=True), [pod()]), Power.STOPPING, False),
        ((vm("Halted"), instance("Succeeded"), [pod("Succeeded")]), Power.STOPPING, False),
        ((vm("Halted"), instance(), [pod()]), Power.STOPPING, False),
        ((vm("Halted"), None, [pod()]), Power.STOPPING, False),
        ((vm("Halted"), None, [pod("Succeeded")]), Power.STOPPED, True),
        ((vm("Halted"), None, []), Power.STOPPED, True),
        ((vm("Halted", {"runStrategy": "Always"}), None, []), Power.STOPPING, False),
        ((vm("Halted", {}), None, []), Power.STOPPING, False),
        ((vm("Halted", STOPPED_BEFORE_FIRST_START), None, []), Power.STOPPED, True),
        ((vm(running=False, status={"runStrategy": "Halted"}), None, []), Power.STOPPED, True),
        ((vm(running=True, status={"runStrategy": "Always"}), instance(), [pod()]), Power.RUNNING, False),
        ((vm("Manual"), None, []), Power.STOPPED, False),
        ((vm("Manual", {"runStrategy": "Manual", "stateChangeRequests": [{}]}), None, []), Power.STARTING, False),
        ((vm("Manual"), instance("Succeeded"), []), Power.STOPPED, False),
        ((vm("RerunOnFailure"), instance("Succeeded"), []), Power.COMPLETED, False),
        ((vm("Once"), instance("Failed"), []), Power.STOPPED, False),
        ((vm(), instance("Failed"), []), Power.STARTING, False),
        ((vm(), instance("Unknown"), []), Power.UNKNOWN, False),
        ((None, None, []), Power.STOPPED, True),
        ((None, instance(), [pod()]), Power.RUNNING, False),
        ((None, None, [pod()]), Power.STOPPING, False),
    ],
)
def test_what_a_vm_does(found, power, halted):
    """Each combination of VM, instance and launcher has one meaning, and only Halted, taken note of, with neither is proven to be stopped."""
    seen = observe(*found)
    assert (seen.power, seen.halted) == (power, halted)


@pytest.mark.parametrize("phase", ["Running", "Succeeded", "Failed"])
def test_a_silent_node_is_not_believed(phase):
    """Whatever an unresponsive node's instance says, final or not, nobody knows whether the guest runs."""
    seen = observe(vm("Halted"), instance(phase), [], frozenset({"n1"}))
    assert (seen.power, seen.halted, seen.node) == (Power.UNKNOWN, False, "n1")
    assert "n1 does not respond" in seen.reason


def test_a_launcher_on_a_silent_node_is_not_believed():
    """Without an instance the launcher's node decides."""
    assert observe(vm("Halted"), None, [pod(node="n2")], frozenset({"n2"})).power is Power.UNKNOWN


def test_conditions_are_told():
    """Readiness is judged by the conditions that are True."""
    assert observe(vm(), instance(conditions=["Ready", "AgentConnected"]), []).conditions == {"Ready", "AgentConnected"}


def test_why_no_node_takes_it():
    """An instance that waits for a node says why."""
    waiting = instance("Scheduling", node=None)
    waiting["status"]["conditions"] = [{"type": "PodScheduled", "status": "False", "message": "2 nodes are tainted"}]
    assert observe(vm(), waiting, []).reason == "no node takes it: 2 nodes are tainted"


@pytest.mark.parametrize(
    ("spec", "run", "patch"),
    [
        ({"runStrategy": "Halted"}, "Always", {"runStrategy": "Always"}),
        ({"running": False}, "running=true", {"running": True}),
        ({"running": True}, "Manual", {"runStrategy": "Manual", "running": None}),
        ({"runStrategy": "Manual"}, "running=true", {"running": True, "runStrategy": None}),
    ],
)
def test_only_one_of_the_two_fields_is_in_use(spec, run, patch):
    """Setting a VM to run touches the field it uses, and takes the other one out."""
    assert run_fields({"spec": spec}, run) == patch
