"""Who may run a group: authority, its loss, and clusters that cannot be asked."""

from kubernetes.groups.world import instances, make
from support.kubernetes import machines


def test_the_wrong_cluster_starts_nothing(controllers, ready_planes, group):
    """desiredState: running on the cluster that is not active starts no VM; the group and an event name the one that is."""
    make(group.plane, group.namespace, "vm1", "vm2")
    group.create("vm1", "vm2").until_state("running")
    copy = group.on(ready_planes.cluster2)
    copy.until_state("stopped")
    copy.until("both copies", lambda: set(copy.rows().values()) == {"Stopped"})
    copy.want("running")
    told = copy.until_condition("Ready", "NotActiveHere")
    assert "active on cluster1 (epoch 1)" in told["message"]
    copy.until("the event", lambda: "cluster1" in copy.events().get("NotActiveHere", ""))
    assert instances(ready_planes.cluster2, group.namespace) == []


def test_a_higher_epoch_elsewhere_stops_the_vms_here(controllers, ready_planes, group):
    """A cluster that reads a higher epoch of another one takes it over and stops its own VMs; the other one may start them."""
    make(group.plane, group.namespace, "vm1")
    group.create("vm1").until_state("running")
    copy = group.on(ready_planes.cluster2)
    copy.until("the copy of the VM", lambda: copy.rows() == {"vm1": "Stopped"})
    copy.claim(2, "cluster2")
    group.until("stopped", lambda: group.state == "stopped")
    assert (group.status["epoch"], group.status["activeCluster"]) == (2, "cluster2")
    assert instances(group.plane, group.namespace) == []
    assert group.condition("Ready")["reason"] == "NotActiveHere"
    copy.want("running").until_state("running")
    assert instances(ready_planes.cluster2, group.namespace) == ["vm1"]
    assert instances(group.plane, group.namespace) == []


def test_equal_epochs_are_a_split_brain(controllers, ready_planes, group, excuses):
    """Two clusters under one epoch: nothing is started or stopped by itself, both say so, and a person may stop one side."""
    excuses.rules.add("states")
    make(group.plane, group.namespace, "vm1")
    group.create("vm1").until_state("running")
    copy = group.on(ready_planes.cluster2)
    copy.until("the copy of the VM", lambda: copy.rows() == {"vm1": "Stopped"})
    for controller in controllers.values():
        controller.stop()
    group.claim(2, "cluster1")
    copy.claim(2, "cluster2")
    for controller in controllers.values():
        controller.start()
    copy.want("running")
    for side in (group, copy):
        assert "split-brain" in side.until_condition("Ready", "SplitBrain")["message"]
    assert (group.state, copy.state) == ("running", "stopped")
    group.want("stopped").until_state("stopped")


def test_the_first_claim_needs_everybodys_word(controllers, ready_planes, group):
    """While the other cluster cannot be read nobody takes a new group and no VM is started; VMs that run already are left alone."""
    make(group.plane, group.namespace, "vm1")
    machines.running(group.plane, group.namespace, "vm1")
    ready_planes.cluster2.freeze()
    try:
        controllers["cluster1"].stop()
        controllers["cluster1"].start()
        group.create("vm1")
        told = group.until_condition("Ready", "AuthorityUnknown")
        assert "cluster2" in told["message"]
        assert instances(group.plane, group.namespace) == ["vm1"]
    finally:
        ready_planes.cluster2.thaw()
    group.until_condition("Ready", "AsDesired", 120)
    assert group.status["epoch"] == 1


def test_a_frozen_other_cluster_holds_nobody_up(controllers, ready_planes, group):
    """With the authority here a group stops and starts while the other cluster does not answer."""
    make(group.plane, group.namespace, "vm1", "vm2")
    group.create("vm1", "vm2").until_state("running")
    ready_planes.cluster2.freeze()
    try:
        group.want("stopped").until_state("stopped")
        group.want("running").until_state("running")
    finally:
        ready_planes.cluster2.thaw()


def test_a_dead_node_makes_the_state_unknown(controllers, ready_planes, group):
    """A VM on a node that has gone silent is neither running nor stopped."""
    make(group.plane, group.namespace, "vm1")
    group.create("vm1").until_state("running")
    node = group.status["virtualMachines"][0]["node"]
    group.plane.agent.node(node, "mute")
    try:
        group.until("unknown", lambda: group.state == "unknown", 120)
        assert group.rows() == {"vm1": "Unknown"}
    finally:
        group.plane.agent.reset()
    group.until_state("running", 120)
