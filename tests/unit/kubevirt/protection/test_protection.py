"""The rules of a protection: what is made in which order, what is refused, and what is left when it fails or is ended."""

import asyncio
import json

import pytest

from crashes.death import Death
from siterecovery.kubevirt.domain.names import GROUP_LABEL, PROTECTION
from siterecovery.kubevirt.domain.protection import DRIVER
from siterecovery.kubevirt.domain.resources import (
    DRBD_VOLUMES,
    PERSISTENT_VOLUME_CLAIMS,
    PERSISTENT_VOLUMES,
    PODS,
    PROTECTION_GROUPS,
    PROTECTION_REQUESTS,
    STORAGE_CLASSES,
    VIRTUAL_MACHINES,
)
from unit.kubevirt.protection.ground import SPACE, VM, Ground, unreachable, until_ended
from unit.sandbox.drbd.worlds import ONE, TWO, A, B


def protected(ground):
    ground.ask()
    ground.play(until_ended("Protected"))
    return ground


def ask(ground, wanted):
    found = ground.request()
    found["spec"]["desiredState"] = wanted
    found["metadata"]["generation"] += 1
    ground.home.put(PROTECTION_REQUESTS, found)


def refused(ground, **request):
    ground.ask(**request)
    ground.play(until_ended("Failed"))
    assert ground.left() == []
    assert ground.vm["spec"] == ground.before
    assert ground.running()
    return ground.status()["message"]


def test_a_machine_goes_under_replication():
    """Stopped, its claims' content filled into the other cluster, pointed to the frontends, started as it was; the plain claims stay and are told."""
    ground = protected(Ground())

    phases = list(dict.fromkeys(phase for phase, _ in ground.seen))
    assert phases[1:] == ["Pending", "Stopping", "Creating", "Syncing", "Switching", "Starting", "Protected"]
    assert ground.claims() == ["root-drbd", None, "data-drbd"]
    assert "dataVolumeTemplates" not in ground.vm["spec"]
    assert (ground.vm["spec"]["runStrategy"], ground.running()) == ("Always", True)
    rows = ground.status()["volumes"]
    assert [(row["claim"], row["frontendClaim"], row["progress"], row["state"]) for row in rows] == [
        ("root", "root-drbd", 100, "Protected"),
        ("data", "data-drbd", 100, "Protected"),
    ]
    for row in rows:
        resource = ground.drbd.drbd.resources[row["drbdVolume"]]
        assert {node: str(replica.disk) for node, replica in resource.replicas.items()} == {
            A: "UpToDate",
            B: "UpToDate",
        }
        pv = ground.one.of(PERSISTENT_VOLUMES, row["drbdVolume"])["spec"]
        assert (pv["csi"], pv["persistentVolumeReclaimPolicy"]) == (
            {"driver": DRIVER, "volumeHandle": row["drbdVolume"]},
            "Retain",
        )
        ground.one.of(PERSISTENT_VOLUME_CLAIMS, row["claim"], SPACE)
    spec = ground.one.of(DRBD_VOLUMES, rows[0]["drbdVolume"], SPACE)["spec"]
    assert (spec["claim"], spec["virtualMachine"], spec["frontendClaim"]) == ("root", VM, "root-drbd")
    assert "claim" not in ground.two.of(DRBD_VOLUMES, rows[0]["drbdVolume"], SPACE)["spec"]


def test_the_progress_of_the_sync_is_told_on_the_way():
    """While the disks are filled the percentage grows; the machine is down until it is over."""
    ground = Ground()
    ground.drbd.drbd.settings.resync_seconds = 100.0
    ground.ask()

    async def story(ground):
        await ground.until(lambda: ground.status().get("phase") == "Syncing", "syncing")
        await ground.until(lambda: 10 <= (ground.status().get("progress") or 0) < 100, "some progress")
        assert not ground.running()
        assert {row["state"] for row in ground.status()["volumes"]} == {"Syncing"}
        ground.pace = 20.0
        await ground.ended("Protected")

    ground.play(story)
    told = [progress for phase, progress in ground.seen if phase == "Syncing" and progress is not None]
    assert told == sorted(told)


@pytest.mark.parametrize(
    ("run", "up"),
    [
        ({"runStrategy": "Halted"}, False),
        ({"running": True}, True),
        ({"running": False}, False),
        ({"runStrategy": "Manual"}, True),
        ({"runStrategy": "RerunOnFailure"}, False),
    ],
)
def test_it_is_set_to_what_it_was(run, up):
    """Whatever it was set to, on the field that is in use; what was down stays down, and Manual is started by hand."""
    ground = Ground(run)
    if run == {"runStrategy": "Manual"}:
        ground.one.up(VM, SPACE)
    protected(ground)
    spec = ground.vm["spec"]
    assert {key: spec[key] for key in ("running", "runStrategy") if spec.get(key) is not None} == run
    assert ground.running() is up


def test_and_out_of_it_again():
    """Back on the plain claims just as they were written, its replicas gone on both clusters, nothing left."""
    ground = protected(Ground())
    ask(ground, "unprotected")

    ground.play(until_ended_after("Unprotecting", "Unprotected"))

    assert ground.vm["spec"] == ground.before
    assert ground.running()
    assert ground.left() == []
    assert ground.status().get("volumes") is None
    assert {entry["reason"] for entry in ground.status()["history"]} >= {"Protected", "Unprotected", "RemoveVolumes"}


def until_ended_after(first, last):
    async def story(ground):
        await ground.until(lambda: any(phase == first for phase, _ in ground.seen), first)
        await ground.until(lambda: ground.status().get("phase") == last, last)

    return story


def test_bad_requests_are_refused_before_anything_is_touched():
    """Each with the reason and what to do; the machine runs on."""
    assert "There is no virtual machine nobody" in refused(Ground(), machine="nobody")
    assert "There is no DRBDReplicationPolicy lead" in refused(Ground(), policy="lead")

    ground = Ground()
    ground.policy(clusters={"primary": ONE, "dr": "mars"})
    assert "no cluster is called mars" in refused(ground)

    ground = Ground()
    ground.policy(storageClassMappings=[{"source": "other", "primary": "fast", "dr": "fast"}])
    assert "claim root has storage class plain, which DRBDReplicationPolicy gold does not map" in refused(ground)

    ground = Ground()
    ground.policy(storageClassMappings=[{"source": "plain", "primary": "fast", "dr": "slow"}])
    assert "there is no StorageClass slow on cluster2" in refused(ground)

    ground = Ground()
    single = {"provisioner": "linstor.csi.linbit.com", "parameters": {"placementCount": "1"}}
    ground.two.put(STORAGE_CLASSES, STORAGE_CLASSES.header("fast") | single)
    assert "placementCount 1: protection needs 2 or more" in refused(ground)

    ground = Ground()
    ground.policy(replicas=2)
    assert "cluster2 has 1 ready nodes, and the policy wants 2" in refused(ground)


def test_a_member_of_a_group_is_refused():
    """Its group would start it again in the middle: it is to be taken out first."""
    ground = Ground()
    group = PROTECTION_GROUPS.header("pg-a", SPACE) | {"spec": {"virtualMachines": [{"name": VM}]}}
    ground.one.put(PROTECTION_GROUPS, group)
    assert "it is a member of ProtectionGroup pg-a" in refused(ground)


def test_a_shared_claim_is_refused():
    """Only one of those who write to it would be stopped."""
    ground = Ground()
    other = {"runStrategy": "Halted", "template": {"spec": {"volumes": [ground.plain("root")]}}}
    ground.one.put(VIRTUAL_MACHINES, VIRTUAL_MACHINES.header("vm2", SPACE) | {"spec": other})
    assert "vm2 uses root too" in refused(ground)


def test_protected_already():
    """A second request for a VM is refused, and the first one's work stays."""
    ground = protected(Ground())
    ground.ask(name="again")

    async def story(ground):
        await ground.ended("Failed", name="again")

    ground.play(story)
    assert f"is under replication already, by ProtectionRequest {VM}" in ground.status("again")["message"]
    assert ground.claims() == ["root-drbd", None, "data-drbd"]


@pytest.mark.parametrize(
    "step",
    [
        "stop_virtual_machine",
        "create_volumes",
        "sync_volumes",
        "create_frontend_claims",
        "switch_claims",
        "start_virtual_machine",
    ],
)
def test_a_protection_that_fails_is_taken_back(step):
    """Whatever fails before the machine runs on its new disks, it runs on its old ones again and nothing is left."""
    ground = Ground()
    ground.ask()

    ground.play(until_ended("Failed"), Death(None, step))

    assert "It was made to fail here." in ground.status()["message"]
    assert f"{VM} runs on its plain claims as before" in ground.status()["message"]
    assert ground.left() == []
    assert (ground.vm["spec"], ground.running()) == (ground.before, True)


def test_an_operator_that_cannot_make_it_is_believed_after_a_while():
    """What the DRBD Operator says is in the message, and its object is removed again."""
    ground = Ground()
    del ground.drbd.drbd.nodes[B]
    ground.ask()

    ground.play(until_ended("Failed"))

    assert f"There is no node {B} in {TWO}" in ground.status()["message"]
    assert ground.left() == []
    assert ground.running()


def test_a_claim_that_somebody_still_uses_is_not_taken():
    """The operator refuses a claim under a Pod's feet; when that one does not go, the machine goes on as before."""
    ground = Ground()
    volume = {"name": "v", "persistentVolumeClaim": {"claimName": "root"}}
    ground.one.put(PODS, PODS.header("backup", SPACE) | {"spec": {"volumes": [volume]}}, {"phase": "Running"})
    ground.ask()

    ground.play(until_ended("Failed"))

    assert "Claim root is in use by Pod backup" in ground.status()["message"]
    assert (ground.left(), ground.running()) == ([], True)


def test_a_machine_that_does_not_come_up_goes_back():
    """On frontends that do not carry it, it is stopped, pointed back and started."""
    ground = Ground()
    ground.ask()

    async def story(ground):
        await ground.until(lambda: ground.status().get("phase") in ("Stopping", "Creating", "Syncing"), "begun")
        ground.one.stubborn = "start"
        await ground.until(lambda: "Taking it back" in (ground.status().get("message") or ""), "undoing")
        ground.one.stubborn = ""
        await ground.ended("Failed")

    ground.play(story)
    assert "did not start on cluster1 within" in ground.status()["message"]
    assert (ground.left(), ground.vm["spec"], ground.running()) == ([], ground.before, True)


@pytest.mark.parametrize("how", ["unprotected", "deleted"])
def test_it_can_be_called_off(how):
    """In the middle of the sync: everything is taken back."""
    ground = Ground()
    ground.drbd.drbd.settings.resync_paused = True
    ground.ask()

    async def story(ground):
        await ground.until(lambda: ground.status().get("phase") == "Syncing", "syncing")
        if how == "unprotected":
            ask(ground, "unprotected")
            await ground.until(lambda: ground.status().get("phase") == "Unprotected", "unprotected")
        else:
            await ground.home.delete(PROTECTION_REQUESTS, VM, SPACE)
            gone = ("protectionrequests", SPACE, VM)
            while gone in ground.home.objects:
                await asyncio.sleep(0.01)

    ground.play(story)
    assert (ground.left(), ground.vm["spec"], ground.running()) == ([], ground.before, True)


@pytest.mark.parametrize("field", ["handle", "frontend", "request"])
def test_a_plan_that_somebody_has_changed_is_not_carried_out(field):
    """Who may edit a VM gets no other VM's disk by it: what the request did not write is refused, and everything is taken back."""
    ground = Ground()
    ground.ask()

    async def story(ground):
        await ground.until(lambda: ground.vm["spec"]["runStrategy"] == "Halted", "stopping")
        ground.one.stubborn = ""
        vm = ground.vm
        plan = json.loads(vm["metadata"]["annotations"][PROTECTION])
        if field == "request":
            plan["request"] = "another-uid"
        else:
            plan["disks"][0][field] = "pvc-1"
        vm["metadata"]["annotations"][PROTECTION] = json.dumps(plan)
        ground.one.put(VIRTUAL_MACHINES, vm)
        await ground.ended("Failed")

    ground.one.stubborn = "stop"
    ground.play(story)
    assert "Somebody has changed the annotation" in ground.status()["message"]
    assert "pvc-1" in ground.drbd.drbd.resources
    assert [key for key in ground.one.objects if key[0] == "persistentvolumes"] == [
        ("persistentvolumes", "", "pv-root"),
        ("persistentvolumes", "", "pv-data"),
    ]


def test_it_waits_for_a_cluster_that_is_away():
    """Neither begun nor failed while the primary cannot be asked; done when it is back."""
    ground = Ground()
    ground.one.broken = unreachable(ONE)
    ground.ask()

    async def story(ground):
        await ground.until(lambda: "waiting" in (ground.status().get("message") or ""), "waiting")
        assert ground.status()["phase"] == "Pending"
        ground.one.broken = None
        await ground.ended("Protected")

    ground.play(story)


def test_replicas_stay_while_the_other_cluster_is_away():
    """Out of replication needs both: whether the disks are open there is not known, so nothing is touched."""
    ground = protected(Ground())
    ground.two.broken = unreachable(TWO)
    ask(ground, "unprotected")

    async def story(ground):
        await ground.until(lambda: ground.status().get("phase") == "Failed", "refused")

    ground.play(story)
    assert "must both answer" in ground.status()["message"]
    assert (ground.claims(), ground.running()) == (["root-drbd", None, "data-drbd"], True)


def test_a_member_stays_under_replication():
    """A group could not move it any more: it is to be taken out of the group first."""
    ground = protected(Ground())
    vm = ground.vm
    ground.one.put(VIRTUAL_MACHINES, vm | {"metadata": vm["metadata"] | {"labels": {GROUP_LABEL: "pg-a"}}})
    ask(ground, "unprotected")

    async def story(ground):
        await ground.until(lambda: ground.status().get("phase") == "Failed", "refused")

    ground.play(story)
    assert "is a member of ProtectionGroup pg-a" in ground.status()["message"]
    assert ground.claims() == ["root-drbd", None, "data-drbd"]


def test_a_deleted_request_leaves_the_machine_protected_and_another_ends_it():
    """Deleting the record of a protection never stops a VM; whoever wants its end asks for it anew."""
    ground = protected(Ground())

    async def story(ground):
        await ground.home.delete(PROTECTION_REQUESTS, VM, SPACE)
        while ("protectionrequests", SPACE, VM) in ground.home.objects:
            await asyncio.sleep(0.01)
        assert ground.running()
        ground.ask("unprotected", name="end")
        await ground.ended("Unprotected", name="end")

    ground.play(story)
    assert (ground.left(), ground.vm["spec"], ground.running()) == ([], ground.before, True)


def test_what_was_never_protected_is_left_alone():
    """A request for the end of nothing ends at once, and stops nobody."""
    ground = Ground()
    ground.ask("unprotected")
    version = ground.vm["metadata"]["resourceVersion"]
    ground.play(until_ended("Unprotected"))
    assert ground.vm["metadata"]["resourceVersion"] == version
