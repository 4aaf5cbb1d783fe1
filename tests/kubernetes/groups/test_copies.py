"""The stopped copies on the other cluster."""

import base64

import httpx

from kubernetes.groups.world import instances, make
from support.kubernetes import machines

OURS = "siterecovery.trilio.io"


def protected(planes, namespace, name="vm1", storage_class="linstor", **options):
    """A VM on cluster1 whose disk LINSTOR replicates to cluster2; also the volume's handle."""
    handle = f"pvc-{namespace}-{name}"
    planes.storage.create_volume(handle, "cluster1-node1", "cluster2-node1")
    machines.bind_disk(planes.cluster1, namespace, f"{name}-disk", handle, storage_class)
    make(planes.cluster1, namespace, name, claims=[f"{name}-disk"], **options)
    return handle


def test_the_other_cluster_has_a_stopped_copy_ready(controllers, ready_planes, group):
    """Group, VM, claim and volume are on the other cluster: stopped, with the same volume, address and firmware, and the group is ready to move."""
    handle = protected(ready_planes, group.namespace)
    group.create("vm1").until_state("running")
    assert group.until_condition("FailoverReady", "Ready")["message"] == "it can be moved to cluster2"
    assert (group.condition("Replicated")["status"], group.condition("Fenced")["status"]) == ("True", "True")
    copy = group.on(ready_planes.cluster2)
    copy.until_state("stopped")
    assert copy.get()["spec"]["desiredState"] == "stopped"
    assert (copy.status["activeCluster"], copy.status["epoch"]) == ("cluster1", 1)

    here, there = ready_planes.cluster1.api, ready_planes.cluster2.api
    vm = there.get(machines.vm_path(group.namespace, "vm1"))
    running = here.get(machines.instance_path(group.namespace, "vm1"))
    assert vm["spec"]["runStrategy"] == "Halted"
    assert vm["metadata"]["annotations"][f"{OURS}/original-run-strategy"] == "Always"
    domain = vm["spec"]["template"]["spec"]["domain"]
    assert domain["firmware"]["uuid"] == running["spec"]["domain"]["firmware"]["uuid"]
    volume = there.get(f"/api/v1/persistentvolumes/{handle}")["spec"]
    assert (volume["csi"]["volumeHandle"], volume["persistentVolumeReclaimPolicy"]) == (handle, "Retain")
    assert (
        there.get(f"/api/v1/namespaces/{group.namespace}/persistentvolumeclaims/vm1-disk")["spec"]["volumeName"]
        == handle
    )
    assert instances(ready_planes.cluster2, group.namespace) == []


def test_names_are_mapped_and_secrets_follow(controllers, ready_planes, group):
    """Networks and storage classes get their names of the other cluster; the Secrets a VM boots with are there too, also after a change."""
    api = ready_planes.cluster1.api
    user_data = {"userdata": base64.b64encode(b"#cloud-config").decode()}
    secret = {"apiVersion": "v1", "kind": "Secret", "data": user_data}
    api.create(secret | {"metadata": {"name": "boot", "namespace": group.namespace}})
    vm = machines.virtual_machine(group.namespace, "vm1")
    template = vm["spec"]["template"]["spec"]
    template["networks"] = [{"name": "default", "multus": {"networkName": "prod-net"}}]
    template["domain"]["devices"]["interfaces"] = [{"name": "default", "bridge": {}, "macAddress": "02:00:00:00:00:07"}]
    template["volumes"].append({"name": "init", "cloudInitNoCloud": {"secretRef": {"name": "boot"}}})
    template["domain"]["devices"]["disks"].append({"name": "init", "disk": {"bus": "virtio"}})
    api.create(vm | {"spec": vm["spec"] | {"runStrategy": "Halted"}})
    group.create("vm1", networkMapping=[{"primary": "prod-net", "dr": "site-b/dr-net"}], desiredState="stopped")
    path = machines.vm_path(group.namespace, "vm1")
    copy = group.until("the copy", lambda: machines.look(ready_planes.cluster2.api, path))
    found = copy["spec"]["template"]["spec"]
    assert found["networks"][0]["multus"]["networkName"] == "site-b/dr-net"
    assert found["domain"]["devices"]["interfaces"][0]["macAddress"] == "02:00:00:00:00:07"
    there = f"/api/v1/namespaces/{group.namespace}/secrets/boot"
    assert ready_planes.cluster2.api.get(there)["data"] == user_data
    changed = {"userdata": base64.b64encode(b"#cloud-config\nhostname: b").decode()}
    api.merge(there, {"data": changed})
    group.until("the changed Secret", lambda: ready_planes.cluster2.api.get(there)["data"] == changed)


def test_a_claim_that_grew_grows_there_too(controllers, ready_planes, group):
    """Where the class allows it the copy of claim and volume take the new size; the API server of the other cluster has its say."""
    expandable = f"{group.namespace}-class"
    for plane in ready_planes.clusters:
        header = {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": expandable}}
        plane.api.apply(header | {"provisioner": "linstor.csi.linbit.com", "allowVolumeExpansion": True})
    handle = protected(ready_planes, group.namespace, storage_class=expandable)
    group.create("vm1").until_state("running")
    group.until_condition("FailoverReady", "Ready")
    claim = f"/api/v1/namespaces/{group.namespace}/persistentvolumeclaims/vm1-disk"
    volume = f"/api/v1/persistentvolumes/{handle}"
    here, there = ready_planes.cluster1.api, ready_planes.cluster2.api

    here.merge(volume, {"spec": {"capacity": {"storage": "2Gi"}}})
    here.merge(claim, {"spec": {"resources": {"requests": {"storage": "2Gi"}}}})

    group.until("the claim to grow", lambda: there.get(claim)["spec"]["resources"]["requests"]["storage"] == "2Gi")
    assert there.get(volume)["spec"]["capacity"]["storage"] == "2Gi"
    assert group.condition("FailoverReady")["message"] == "it can be moved to cluster2"


def test_a_changed_vm_changes_its_copy(controllers, ready_planes, group):
    """What a person changes in the definition is in the copy soon after."""
    make(group.plane, group.namespace, "vm1")
    group.create("vm1").until_state("running")
    path = machines.vm_path(group.namespace, "vm1")
    there = ready_planes.cluster2.api
    group.until("the copy", lambda: machines.look(there, path))
    grace = {"spec": {"template": {"spec": {"terminationGracePeriodSeconds": 77}}}}
    group.plane.api.merge(path, grace)
    group.until(
        "the change", lambda: there.get(path)["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] == 77
    )


def test_a_stranger_of_the_same_name_is_left_alone(controllers, ready_planes, group, excuses):
    """A VM on the other cluster that is not the group's is not touched, and the group says that it cannot be moved."""
    excuses.vms.add("vm1")
    excuses.rules.add("states")  # the checker goes by names, and takes the stranger for the group's
    make(ready_planes.cluster2, group.namespace, "vm1", grace=55)
    make(group.plane, group.namespace, "vm1")
    group.create("vm1").until_state("running")
    told = group.until_condition("FailoverReady", "CopiesIncomplete")
    assert "vm1: cluster2 has a virtual machine of that name which is not this group's" in told["message"]
    vm = ready_planes.cluster2.api.get(machines.vm_path(group.namespace, "vm1"))
    assert (vm["spec"]["runStrategy"], "labels" in vm["metadata"]) == ("Always", False)


def test_without_quorum_a_vm_is_held(controllers, ready_planes, group):
    """Where DRBD has no quorum the VM stands at Manual while it runs, is started by the controller all the same, and is let go with it."""
    handle = protected(ready_planes, group.namespace)
    group.create("vm1").until_state("running")
    quorum(ready_planes, handle, "off")
    group.until_condition("Fenced", "NoQuorum")
    path = machines.vm_path(group.namespace, "vm1")
    vm = group.plane.api.get(path)
    assert vm["spec"]["runStrategy"] == "Manual"
    assert vm["metadata"]["annotations"][f"{OURS}/original-run-strategy"] == "Always"
    before = group.plane.api.get(machines.instance_path(group.namespace, "vm1"))["metadata"]["uid"]
    assert group.state == "running"

    group.plane.agent.guest(group.namespace, "vm1", "crash")
    group.until("a new instance", lambda: running_again(group, before))
    quorum(ready_planes, handle, "majority")
    group.until_condition("Fenced", "Quorum")
    group.until("let go", lambda: group.plane.api.get(path)["spec"]["runStrategy"] == "Always")


def running_again(group, before):
    found = machines.look(group.plane.api, machines.instance_path(group.namespace, "vm1"))
    return found and found["metadata"]["uid"] != before and found["status"].get("phase") == "Running"


def quorum(planes, handle, policy):
    """As an operator does with `linstor resource-definition drbd-options`."""
    auto = "disabled" if policy == "off" else "io-error"
    change = {"override_props": {"DrbdOptions/auto-quorum": auto, "DrbdOptions/Resource/quorum": policy}}
    answer = httpx.put(f"{planes.storage.linstor}/v1/resource-definitions/{handle}", json=change, timeout=10)
    assert answer.status_code == 200, answer.text
