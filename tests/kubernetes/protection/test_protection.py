"""One VM with plain claims goes under replication and out of it again, on real KubeVirt."""

from sandbox.kubernetes.client import wait_until
from support.kubernetes import machines


def test_a_machine_goes_under_replication_and_out_of_it_again(controller, yard, tmp_path):
    """`pgctl protect --wait` shows the progress; the VM then runs on frontends whose writes reach both clusters; `pgctl unprotect --wait` brings it
    back to its plain claims and leaves nothing."""
    plain = yard.machine()
    yard.planes.storage.post("/drbd/settings", resync_seconds=4)

    told = yard.pgctl(tmp_path, "protect", "vm1", "--wait", "--timeout", "90").splitlines()

    assert told[-1] == "Protected 100%", told
    assert any(line.startswith("Syncing") and "vm1-disk0" in line for line in told), told
    assert yard.claims() == [f"{claim}-drbd" for claim in plain]
    machines.running(yard.one, yard.namespace, "vm1")
    assert yard.vm()["spec"]["runStrategy"] == "Always"
    shown = yard.planes.quorum.kubectl("get", "protectionrequest", "vm1", "-n", yard.namespace).split()
    assert shown[:4] == ["NAME", "VIRTUAL-MACHINE", "PHASE", "PROGRESS"]
    assert shown[5:9] == ["vm1", "vm1", "Protected", "100"]
    handles = yard.volumes()["cluster1"]
    assert yard.volumes()["cluster2"] == handles
    assert sorted(yard.guest()["disks"]) == handles
    for handle in handles:
        assert set(yard.replicas(handle).values()) == {"UpToDate"}
        before = max(yard.planes.storage.generations(handle).values())
        wait_until("writes on both", 30, lambda h=handle, b=before: _both(yard, h, b))

    told = yard.pgctl(tmp_path, "unprotect", "vm1", "--wait", "--timeout", "90").splitlines()

    assert told[-1].startswith("Unprotected"), told
    assert yard.claims() == plain
    machines.running(yard.one, yard.namespace, "vm1")
    assert not set(handles) & set(yard.guest()["disks"])
    assert yard.left() == []
    assert not set(handles) & set(yard.planes.storage.get("/drbd/volumes"))


def _both(yard, handle, before):
    found = yard.planes.storage.get(f"/drbd/volumes/{handle}")["replicas"].values()
    generations = {each["generation"] for each in found if each["diskful"]}
    return min(generations) > before


def test_bad_requests_change_nothing(controller, yard):
    """An unknown VM or policy, a class that is not there, a LINSTOR class with one replica: Failed with what to do, and the VM runs on."""
    plain = yard.machine(disks=1)
    instance = machines.look(yard.one.api, machines.instance_path(yard.namespace, "vm1"))["metadata"]["uid"]
    yard.policy("nowhere", dr="slow")
    yard.policy("other", source="gold-plated")
    yard.storage_class(yard.two, "single", "linstor.csi.linbit.com", placementCount="1")
    yard.policy("single", dr="single")

    assert "There is no virtual machine nobody" in yard.request("nobody").failed()
    assert "There is no DRBDReplicationPolicy lead" in yard.request(policy="lead", name="a").failed()
    assert f"there is no StorageClass {yard.class_('slow')}" in yard.request(policy="nowhere", name="b").failed()
    assert "has storage class plain" in yard.request(policy="other", name="c").failed()
    assert "has placementCount 1: protection needs 2 or more" in yard.request(policy="single", name="d").failed()

    assert (yard.claims(), yard.left()) == (plain, [])
    assert machines.look(yard.one.api, machines.instance_path(yard.namespace, "vm1"))["metadata"]["uid"] == instance


def test_protected_already(controller, yard):
    """A second request is refused; the VM stays as the first one made it, also when that one is deleted."""
    yard.machine(disks=1)
    first = yard.request().reached("Protected")

    assert "is under replication already, by ProtectionRequest vm1" in yard.request(name="again").failed()
    yard.planes.quorum.api.delete(first.path)
    first.until("gone", lambda: not first.get())

    assert yard.claims() == ["vm1-disk0-drbd"]
    machines.running(yard.one, yard.namespace, "vm1")
    yard.request(name="end", desiredState="unprotected").reached("Unprotected")
    assert (yard.claims(), yard.left()) == (["vm1-disk0"], [])


def test_a_controller_that_is_killed_leaves_it_to_the_next(controller, yard):
    """Killed while the guest stops, while the disks are filled and while the guest starts: it ends as if nothing had happened, with nothing twice."""
    yard.machine(disks=1)
    yard.one.agent.set(stop=3, boot=3)
    yard.planes.storage.post("/drbd/settings", resync_paused=True)
    request = yard.request()
    for step in ("stop_virtual_machine", "sync_volumes", "start_virtual_machine"):
        if step == "start_virtual_machine":
            yard.planes.storage.post("/drbd/settings", resync_paused=False)
        request.until(step, lambda step=step: request.states().get(step) == "started")
        controller.kill()
        controller.start()

    request.reached("Protected")

    assert request.status["epoch"] >= 4
    assert yard.claims() == ["vm1-disk0-drbd"]
    assert len(yard.volumes()["cluster1"]) == 1
    machines.running(yard.one, yard.namespace, "vm1")


def test_called_off_in_the_middle(controller, yard):
    """`desiredState: unprotected` during the sync: the VM runs on its plain claims again, and nothing is left."""
    plain = yard.machine(disks=1)
    yard.planes.storage.post("/drbd/settings", resync_paused=True)
    request = yard.request().reached("Syncing")

    request.want("unprotected").reached("Unprotected")

    machines.running(yard.one, yard.namespace, "vm1")
    assert (yard.claims(), yard.left()) == (plain, [])
