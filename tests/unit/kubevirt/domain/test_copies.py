"""What the copies on the other cluster look like."""

from siterecovery.kubevirt.domain import copies, disks

VM = {
    "metadata": {
        "name": "vm1",
        "namespace": "ns",
        "uid": "u1",
        "labels": {"app": "x"},
        "annotations": {"note": "kept", "kubectl.kubernetes.io/last-applied-configuration": "{}"},
    },
    "spec": {
        "runStrategy": "Always",
        "dataVolumeTemplates": [{"metadata": {"name": "root"}}],
        "instancetype": {"name": "u1.small"},
        "template": {
            "spec": {
                "domain": {
                    "devices": {"interfaces": [{"name": "a"}, {"name": "b", "macAddress": "02:00:00:00:00:0b"}]}
                },
                "networks": [{"name": "a", "multus": {"networkName": "prod"}}, {"name": "b", "pod": {}}],
                "volumes": [
                    {"name": "root", "dataVolume": {"name": "root"}},
                    {"name": "data", "persistentVolumeClaim": {"claimName": "data"}},
                    {"name": "init", "cloudInitNoCloud": {"secretRef": {"name": "s1"}}},
                    {"name": "prep", "sysprep": {"configMap": {"name": "c1"}}},
                    {"name": "key", "secret": {"secretName": "s2"}},
                    {"name": "conf", "configMap": {"name": "c2"}},
                ],
                "accessCredentials": [{"sshPublicKey": {"source": {"secret": {"secretName": "s3"}}}}],
            }
        },
    },
    "status": {"instancetypeRef": {"controllerRevisionRef": {"name": "rev-1"}}},
}
INSTANCE = {
    "spec": {"domain": {"firmware": {"uuid": "11111111-2222-3333-4444-555555555555"}}},
    "status": {"interfaces": [{"name": "a", "mac": "02:00:00:00:00:0a"}, {"name": "b", "mac": "02:00:00:00:00:ff"}]},
}


def made(vm=VM, instance=INSTANCE, **networks):
    return copies.virtual_machine(vm, instance, group="pg-a", source="cluster1", networks=networks)


def test_a_copy_is_the_same_machine_stopped():
    """Halted, with the MACs and the firmware UUID its guest knows, its instance type as it was, and without DataVolumes."""
    spec = made()["spec"]
    template = spec["template"]["spec"]
    assert (spec["runStrategy"], "dataVolumeTemplates" in spec) == ("Halted", False)
    assert [item["macAddress"] for item in template["domain"]["devices"]["interfaces"]] == [
        "02:00:00:00:00:0a",
        "02:00:00:00:00:0b",
    ]
    assert template["domain"]["firmware"]["uuid"] == INSTANCE["spec"]["domain"]["firmware"]["uuid"]
    assert template["volumes"][0] == {"name": "root", "persistentVolumeClaim": {"claimName": "root"}}
    assert spec["instancetype"]["revisionName"] == "rev-1"


def test_the_original_is_not_changed():
    """Making a copy leaves what it was made from alone."""
    made(prod="dr")
    assert VM["spec"]["template"]["spec"]["networks"][0]["multus"]["networkName"] == "prod"
    assert "dataVolumeTemplates" in VM["spec"]


def test_a_network_is_found_by_its_short_and_its_long_name():
    """A mapping may name a network with or without the namespace; others keep their names."""
    for name in ("prod", "ns/prod"):
        assert made(**{name: "x/dr"})["spec"]["template"]["spec"]["networks"][0]["multus"]["networkName"] == "x/dr"
    assert made(other="x")["spec"]["template"]["spec"]["networks"][0]["multus"]["networkName"] == "prod"


def test_marks_tell_where_a_copy_comes_from():
    """A copy carries its group, its source and what it is set to when it runs; local annotations of the original are left out."""
    metadata = made()["metadata"]
    assert metadata["labels"] == {"app": "x", "siterecovery.trilio.io/protection-group": "pg-a"}
    assert metadata["annotations"] | {"siterecovery.trilio.io/fingerprint": ""} == {
        "note": "kept",
        "siterecovery.trilio.io/mirrored-from": "cluster1",
        "siterecovery.trilio.io/source-uid": "u1",
        "siterecovery.trilio.io/original-run-strategy": "Always",
        "siterecovery.trilio.io/fingerprint": "",
    }


def test_a_copy_of_a_stopped_original_knows_what_it_was():
    """A VM halted by us is copied with what it was set to before; one with the old field keeps the old field."""
    stopped = {**VM, "spec": {**VM["spec"], "runStrategy": "Halted"}}
    stopped["metadata"] = VM["metadata"] | {"annotations": {"siterecovery.trilio.io/original-run-strategy": "Manual"}}
    assert made(stopped)["metadata"]["annotations"]["siterecovery.trilio.io/original-run-strategy"] == "Manual"
    old = {key: value for key, value in VM["spec"].items() if key != "runStrategy"} | {"running": True}
    found = made({**VM, "spec": old})
    assert (found["spec"]["running"], "runStrategy" in found["spec"]) == (False, False)
    assert found["metadata"]["annotations"]["siterecovery.trilio.io/original-run-strategy"] == "running=true"


def test_the_fingerprint_follows_the_definition():
    """Equal originals give equal fingerprints, a changed one another."""
    same, other = made(), made(prod="dr")
    assert copies.fingerprint(same) == copies.fingerprint(made())
    assert copies.fingerprint(same) != copies.fingerprint(other)


def test_a_volume_is_the_same_one_under_a_mapped_class():
    """Same handle, Retain, bound to its claim by name; nothing of the original's nodes and provisioner."""
    pv = {
        "metadata": {"name": "pvc-1", "uid": "p"},
        "spec": {
            "capacity": {"storage": "1Gi"},
            "accessModes": ["ReadWriteMany"],
            "storageClassName": "linstor-a",
            "persistentVolumeReclaimPolicy": "Delete",
            "nodeAffinity": {"required": {}},
            "claimRef": {"uid": "old", "name": "data", "namespace": "ns"},
            "csi": {
                "driver": "linstor.csi.linbit.com",
                "volumeHandle": "pvc-1",
                "volumeAttributes": {"storage.kubernetes.io/csiProvisionerIdentity": "x", "linstor/a": "b"},
            },
        },
    }
    pvc = {
        "metadata": {"name": "data", "namespace": "ns", "uid": "c"},
        "spec": {"volumeName": "pvc-1", "storageClassName": "linstor-a"},
    }
    marks = {"group": "pg-a", "source": "cluster1", "classes": {"linstor-a": "linstor-b"}}
    spec = copies.volume(pv, pvc, **marks)["spec"]
    assert spec["csi"] == {
        "driver": "linstor.csi.linbit.com",
        "volumeHandle": "pvc-1",
        "volumeAttributes": {"linstor/a": "b"},
    }
    assert (spec["persistentVolumeReclaimPolicy"], spec["storageClassName"]) == ("Retain", "linstor-b")
    assert ("nodeAffinity" in spec, "uid" in spec["claimRef"], spec["claimRef"]["name"]) == (False, False, "data")
    assert copies.claim(pvc, **marks)["spec"] == {"volumeName": "pvc-1", "storageClassName": "linstor-b"}


def test_what_a_vm_needs():
    """Claims, Secrets and ConfigMaps are found wherever a VM may name them."""
    assert disks.claims(VM) == ["root", "data"]
    assert disks.secrets(VM) == ["s1", "s2", "s3"]
    assert disks.config_maps(VM) == ["c1", "c2"]
    assert copies.revisions(VM) == ["rev-1"]


def test_the_copies_of_a_group_share_all_but_the_desired_state():
    """desiredState is each cluster's own."""
    assert copies.group_spec({"spec": {"desiredState": "running", "clusters": 1}}) == {"clusters": 1}


def test_a_copy_grows_and_never_shrinks():
    """The larger size in whatever unit; the rest of what is there stays."""
    there = {
        "metadata": {"name": "c", "managedFields": []},
        "spec": {"resources": {"requests": {"storage": "1Gi"}}, "a": 1},
    }

    def wanted(size):
        return {"spec": {"resources": {"requests": {"storage": size}}}}

    path = ("spec", "resources", "requests", "storage")
    grown = copies.grown(there, wanted("2Gi"), *path)
    assert grown == {"metadata": {"name": "c"}, "spec": {"resources": {"requests": {"storage": "2Gi"}}, "a": 1}}
    for size in ("1Gi", "1024Mi", "1000M", "0.5Gi"):
        assert copies.grown(there, wanted(size), *path) is None
    assert copies.grown(there, {"spec": {}}, *path) is None


def test_an_account_is_copied_without_its_tokens():
    """Its name and how its images are pulled; the Secrets that belong to one cluster stay there."""
    vm = {"spec": {"template": {"spec": {"volumes": [{"name": "t", "serviceAccount": {"serviceAccountName": "app"}}]}}}}
    assert disks.service_accounts(vm) == ["app"]
    account = {
        "metadata": {"name": "app", "namespace": "ns", "uid": "u2"},
        "secrets": [{"name": "app-token"}],
        "imagePullSecrets": [{"name": "registry"}],
    }
    made = copies.service_account(account, group="pg-a", source="cluster1")
    assert (made["kind"], made["imagePullSecrets"], "secrets" in made) == (
        "ServiceAccount",
        [{"name": "registry"}],
        False,
    )
    assert copies.is_copy(made)


def test_the_secret_that_pulls_an_image_is_a_vms_own():
    """A container disk's."""
    volume = {"name": "root", "containerDisk": {"image": "a/b", "imagePullSecret": "pull"}}
    assert disks.secrets({"spec": {"template": {"spec": {"volumes": [volume]}}}}) == ["pull"]
