"""Test failovers: copies that disturb nobody, and a clean-up that removes just them."""

from siterecovery.kubevirt.crds.failover import FailoverType
from siterecovery.kubevirt.domain import drills
from siterecovery.kubevirt.domain.names import DRILL, ORIGINAL_RUN
from siterecovery.kubevirt.domain.resources import (
    PERSISTENT_VOLUME_CLAIMS,
    PERSISTENT_VOLUMES,
    PROTECTION_GROUPS,
    VIRTUAL_MACHINE_INSTANCES,
    VIRTUAL_MACHINES,
)
from siterecovery.workflow.run import End
from unit.kubevirt.flows.ground import GROUP, SPACE, Ground
from unit.kubevirt.flows.test_failover import failing, impatient, untouched

KINDS = (VIRTUAL_MACHINES, VIRTUAL_MACHINE_INSTANCES, PERSISTENT_VOLUME_CLAIMS, PERSISTENT_VOLUMES)


def drilled(ground):
    """Names of what a test has made on the target, by kind."""
    return {
        resource.kind: [
            obj["metadata"]["name"] for obj in ground.target._all(resource) if "-drill" in obj["metadata"]["name"]
        ]
        for resource in KINDS
    }


def test_a_drill_runs_on_copies():
    """Each VM once more, on copies of its disks; the group, its authority and its own disks are as before."""
    ground = Ground()

    result = ground.move(impatient, type=FailoverType.TEST)

    assert result.end is End.COMPLETED, result
    assert drilled(ground) == {
        "VirtualMachine": ["db-drill", "web-drill"],
        "VirtualMachineInstance": ["db-drill", "web-drill"],
        "PersistentVolumeClaim": ["db-disk-drill", "web-disk-drill"],
        "PersistentVolume": ["db-drill", "web-drill"],
    }
    assert ground.storage.copies == {"db-drill", "web-drill"}
    assert untouched(ground)
    assert ground.storage.primaries == {"db": {"cluster1"}, "web": {"cluster1"}}


def members(ground, *specs):
    for cluster in (ground.source, ground.target):
        group = cluster.of(PROTECTION_GROUPS, GROUP, SPACE)
        group["spec"]["virtualMachines"] = list(specs)
        cluster.put(PROTECTION_GROUPS, group)


def test_a_drill_starts_in_the_order_of_a_failover():
    """By priority and by what depends on what; who is not ready holds up those after it, but not beyond its own limit."""
    ground = Ground(("db", "log", "web"))
    web = {"name": "web", "priority": 1, "dependsOn": ["db"]}
    members(ground, web, {"name": "log", "priority": 5}, {"name": "db", "priority": 4})

    assert ground.move(impatient, type=FailoverType.TEST).end is End.COMPLETED
    assert ground.target.drilled == ["db-drill", "web-drill", "log-drill"]

    ground = Ground(("db", "log", "web"))
    ground.target.unready.add("db-drill")
    db = {"name": "db", "readiness": {"condition": "Ready", "timeoutSeconds": 3600}}
    members(ground, web, {"name": "log", "priority": 5}, db)
    result = ground.move(impatient, type=FailoverType.TEST)
    assert (result.end, ground.target.drilled) == (End.UNDONE, ["db-drill"])
    assert "did not start on cluster2" in result.error

    ground = Ground(("db", "log", "web"))
    ground.target.unready.add("db-drill")
    members(ground, web, {"name": "log"}, {"name": "db", "readiness": {"condition": "Running"}})
    assert ground.move(impatient, type=FailoverType.TEST).end is End.COMPLETED
    assert ground.target.drilled[:2] == ["db-drill", "web-drill"]


def test_who_is_left_out_of_a_failover_is_left_out_of_a_drill():
    """A member that was halted when it became one is not started, and does not keep the test from being complete."""
    ground = Ground()
    vm = ground.target.of(VIRTUAL_MACHINES, "web", SPACE)
    annotations = {"annotations": {ORIGINAL_RUN: "Halted"}}
    ground.target.put(VIRTUAL_MACHINES, vm | {"metadata": vm["metadata"] | annotations})

    assert ground.move(impatient, type=FailoverType.TEST).end is End.COMPLETED
    assert ground.target.drilled == ["db-drill"]


def test_a_cleanup_leaves_nothing_of_it():
    """And nothing else is removed; without a test there is nothing to do."""
    ground = Ground()
    ground.move(impatient, type=FailoverType.TEST)

    assert ground.move(impatient, type=FailoverType.CLEANUP).end is End.COMPLETED
    assert ground.move(impatient, type=FailoverType.CLEANUP).end is End.COMPLETED

    assert drilled(ground) == {resource.kind: [] for resource in KINDS}
    assert ground.storage.copies == set()
    assert len(ground.target._all(VIRTUAL_MACHINES)) == 2
    assert untouched(ground)


def test_a_drill_that_fails_removes_what_it_made():
    """Copies that do not start are taken away again; the group is not touched."""
    ground = Ground()

    result = ground.move(failing("start_copies"), type=FailoverType.TEST)

    assert result.end is End.UNDONE
    assert drilled(ground) == {resource.kind: [] for resource in KINDS}
    assert ground.storage.copies == set()
    assert untouched(ground)


def test_one_drill_at_a_time_and_only_on_standby():
    """A second one is refused until the first is cleaned up, and none runs where the group itself does."""
    ground = Ground()
    ground.move(impatient, type=FailoverType.TEST)
    assert "pgctl cleanup pg-a" in ground.move(impatient, type=FailoverType.TEST).error

    moved = Ground()
    moved.move()
    assert "test it on the other cluster" in moved.move(impatient, type=FailoverType.TEST).error


def test_a_copy_is_found_by_nobody_and_answers_to_no_address():
    """No label of the original, no MAC, no network but the Pod's; its disks are the copies, and it starts halted."""
    template = {
        "metadata": {"labels": {"app": "web", "kubevirt.io/vm": "web"}},
        "spec": {
            "domain": {"devices": {"interfaces": [{"name": "lan", "bridge": {}, "macAddress": "02:00:00:00:00:01"}]}},
            "networks": [{"name": "lan", "multus": {"networkName": "lan"}}],
            "volumes": [
                {"name": "root", "dataVolume": {"name": "web-root"}},
                {"name": "data", "persistentVolumeClaim": {"claimName": "web-data"}},
            ],
        },
    }
    vm = {
        "metadata": {"name": "web", "namespace": "prod", "labels": {"app": "web"}, "annotations": {"a": "b"}},
        "spec": {"running": False, "template": template, "dataVolumeTemplates": [{}]},
    }

    made = drills.virtual_machine(vm, "pg-a", {"web-root": "web-root-drill", "web-data": "web-data-drill"})

    assert made["metadata"] == {"name": "web-drill", "namespace": "prod", "labels": {DRILL: "pg-a"}}
    assert made["spec"]["runStrategy"] == "Halted"
    assert "running" not in made["spec"]
    assert "dataVolumeTemplates" not in made["spec"]
    inner = made["spec"]["template"]
    assert inner["metadata"] == {"labels": {DRILL: "pg-a"}}
    assert inner["spec"]["networks"] == [{"name": "default", "pod": {}}]
    assert inner["spec"]["domain"]["devices"]["interfaces"] == [{"name": "default", "masquerade": {}}]
    names = [volume["persistentVolumeClaim"]["claimName"] for volume in inner["spec"]["volumes"]]
    assert names == ["web-root-drill", "web-data-drill"]
    assert vm["spec"]["template"] is template
    assert template["spec"]["volumes"][0] == {"name": "root", "dataVolume": {"name": "web-root"}}
