"""The whole way in the DRBD Operator model, without LINSTOR: a VM with plain claims goes under replication, into a group, to the other cluster and
home, and away from a cluster that is lost."""

import pytest

from kubernetes.groups.world import Group
from sandbox.kubernetes.client import wait_until
from support.kubernetes import machines

VM = "vm1"


@pytest.fixture
def operated(group_controllers, controller):
    """The Failover controller, which knows no LINSTOR, beside those of the groups."""
    return controller


@pytest.fixture
def dark(ready_planes, empty_target):
    """Takes cluster1's power, and gives it back afterwards. cluster2 then has quorum taints."""
    off = []

    def power(on):
        (ready_planes.power_on if on else ready_planes.power_off)(ready_planes.cluster1)
        off[:] = [] if on else [True]

    yield power
    if off:
        power(True)


def grouped(yard):
    """A group of one VM that was taken under replication, ready to be moved; also the handle of its disk."""
    yard.machine(VM, disks=1)
    yard.request(VM).reached("Protected")
    group = Group(yard.one, yard.namespace, "pg-o")
    group.create(VM, storage={"backend": "drbd-operator", "policy": "gold"})
    group.until_condition("FailoverReady", "Ready", 90)
    group.until_state("running")
    (handle,) = yard.volumes()["cluster1"]
    return group, handle


def running_on(yard):
    return [cluster.name for cluster in yard.planes.clusters if cluster.agent.guests(yard.namespace, VM)]


def primaries(yard, handle):
    """Clusters on which the disk is open."""
    found = yard.planes.storage.get(f"/drbd/volumes/{handle}")
    return {found["replicas"][node]["cluster"] for node in found["primaries"]}


def most(yard, handle):
    return max(yard.planes.storage.generations(handle).values())


def test_a_group_moves_and_comes_home(operated, yard):
    """Planned, both ways: one guest, one Primary, no write lost."""
    group, handle = grouped(yard)
    there = group.on(yard.two)
    wait_until("some writes", 30, lambda: most(yard, handle) > 2)
    written = most(yard, handle)

    yard.failover("pg-o").succeeded()

    assert (running_on(yard), primaries(yard, handle)) == (["cluster2"], {"cluster2"})
    assert yard.guest(VM, yard.two)["disks"][handle] >= written
    assert (there.state, group.state) == ("running", "stopped")
    written = most(yard, handle)

    yard.failover("pg-o", "cluster1").succeeded()

    assert (running_on(yard), primaries(yard, handle)) == (["cluster1"], {"cluster1"})
    assert yard.guest(VM, yard.one)["disks"][handle] >= written
    assert group.state == "running"


def test_a_lost_cluster_is_left_behind_and_comes_back(operated, yard, dark):
    """Unplanned: quorum is switched off on the target alone; the source that comes back is stopped, filled and fenced; the group goes home."""
    group, handle = grouped(yard)
    there = group.on(yard.two)
    wait_until("some writes", 30, lambda: most(yard, handle) > 2)
    dark(False)
    written = yard.planes.storage.generations(handle)

    yard.failover("pg-o", type="unplanned", confirmSourceDown=True).succeeded(180)

    assert running_on(yard) == ["cluster2"]
    assert yard.guest(VM, yard.two)["disks"][handle] >= max(written.values())
    volume = f"/apis/siterecovery.trilio.io/v1alpha1/namespaces/{yard.namespace}/drbdvolumes/{handle}"
    assert yard.two.api.get(volume)["spec"]["quorum"] == "off"
    assert {debt["kind"] for debt in there.status["debts"]} == {"stop", "restore-quorum"}

    dark(True)
    there.until("its debts paid", lambda: not there.status.get("debts"), 150)

    assert {cluster.api.get(volume)["spec"]["quorum"] for cluster in yard.planes.clusters} == {"majority"}
    group.until_state("stopped")
    assert (running_on(yard), primaries(yard, handle)) == (["cluster2"], {"cluster2"})
    yard.failover("pg-o", "cluster1").succeeded(180)
    machines.running(yard.one, yard.namespace, VM)
    assert running_on(yard) == ["cluster1"]
