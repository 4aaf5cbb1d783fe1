"""The definitions on a real API server."""

import json
import typing

import pytest

from sandbox.kubernetes.plane import Plane
from siterecovery.kubevirt.crds.failover import MOST_HISTORY, MOST_RESULT, MOST_STEPS
from siterecovery.kubevirt.crds.kinds import KINDS, problems

OURS = "siterecovery.trilio.io/v1alpha1"
CLUSTERS = {"primary": "cluster1", "dr": "cluster2"}
ETCD_LIMIT = 1.5 * 1024 * 1024


@pytest.fixture
def plane(ready_light_planes) -> Plane:
    return ready_light_planes.cluster1


def group(namespace, name="pg-a", **spec):
    whole = {"clusters": CLUSTERS, "virtualMachines": [{"name": "vm1"}, {"name": "vm2"}]} | spec
    return {
        "apiVersion": OURS,
        "kind": "ProtectionGroup",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {key: value for key, value in whole.items() if value is not None},
    }


def failover(namespace, name="f1", **spec):
    whole = {"protectionGroup": "pg-a", "targetCluster": "dr-cluster"} | spec
    return {"apiVersion": OURS, "kind": "Failover", "metadata": {"name": name, "namespace": namespace}, "spec": whole}


def test_both_documented_names_are_registered(plane):
    """`kubectl get crd` shows the documented names, and every kind is Established with its names accepted."""
    found = plane.kubectl("get", "crd")
    assert "failovers.siterecovery.trilio.io" in found
    assert "protectiongroups.siterecovery.trilio.io" in found
    crds = json.loads(plane.kubectl("get", "crd", "-o", "json"))["items"]
    ours = [item for item in crds if item["spec"]["group"] == "siterecovery.trilio.io"]
    conditions = [{c["type"]: c["status"] for c in item["status"]["conditions"]} for item in ours]
    assert len(ours) == len(KINDS)
    assert all(item["NamesAccepted"] == item["Established"] == "True" for item in conditions)
    assert not any(item.get("NonStructuralSchema") == "True" for item in conditions)


def test_kubectl_shows_the_documented_columns(plane, light_namespace):
    """Groups show NAME DESIRED CURRENT, Failovers NAME PROTECTION-GROUP PHASE AGE; wide shows more; short names work."""
    plane.api.create(group(light_namespace))
    plane.api.create(failover(light_namespace, force=False))

    def head(*arguments):
        return plane.kubectl("get", *arguments, "-n", light_namespace).splitlines()[0].split()

    assert head("protectiongroups") == ["NAME", "DESIRED", "CURRENT"]
    assert head("pg", "-o", "wide") == ["NAME", "DESIRED", "CURRENT", "LOCATION", "EPOCH", "REPLICATED", "AGE"]
    assert head("failovers") == ["NAME", "PROTECTION-GROUP", "PHASE", "AGE"]
    assert head("fo", "-o", "wide") == ["NAME", "PROTECTION-GROUP", "PHASE", "AGE", "TARGET", "MESSAGE"]


BAD = [
    group("", virtualMachines=None),
    group("", vmSelector={"matchLabels": {"a": "b"}}),
    group("", clusters={"primary": "a", "dr": "a"}),
    group("", storage={"backend": "linstor", "policy": "p"}),
    group("", virtualMachines=[{"name": "a", "dependsOn": ["a"]}]),
    group("", virtualMachines=[{"name": "a", "priority": 6}]),
    group("", desiredState="paused"),
    group("", virtualMachines=[]),
    failover("", type="unplanned"),
    failover("", confirmSourceDown=True),
    failover("", targetCluster="Not A Name"),
    failover("", type="sideways"),
]


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: json.dumps(bad["spec"])[:60])
def test_server_and_python_refuse_the_same(plane, light_namespace, bad):
    """What the API server refuses the Python check refuses too, and where the rule is ours in the same words."""
    bad = bad | {"metadata": bad["metadata"] | {"namespace": light_namespace}}
    (sentence,) = problems(bad)
    with pytest.raises(Exception, match=r"invalid|Invalid|Unsupported") as caught:
        plane.kubectl("create", "-f", "-", given=json.dumps(bad))
    rule = sentence.partition(": ")[2]
    ours = any(rule == found.message for kind in KINDS.values() for found in every_rule(kind))
    assert not ours or rule in str(caught.value)


def every_rule(model, seen=()):
    if isinstance(model, type) and hasattr(model, "model_fields") and model not in seen:
        yield from getattr(model, "rules", ())
        for field in model.model_fields.values():
            for part in (field.annotation, *typing.get_args(field.annotation)):
                for inner in (part, *typing.get_args(part)):
                    yield from every_rule(inner, (*seen, model))


def test_a_failover_cannot_be_changed(plane, light_namespace):
    """An edited Failover is refused with a sentence that says what to do."""
    plane.api.create(failover(light_namespace))
    with pytest.raises(Exception, match="a Failover cannot be changed: create another one"):
        plane.kubectl("patch", "failover", "f1", "-n", light_namespace, "--type=merge", "-p", '{"spec":{"force":true}}')


def test_epochs_and_endings_are_guarded_by_the_server(plane, light_namespace):
    """An epoch never goes down, authority moves with a higher one only, and a finished Failover stays as it ended: whoever writes."""
    plane.api.create(group(light_namespace))
    plane.api.create(failover(light_namespace))

    def write(kind, name, **status):
        patch = json.dumps({"status": status})
        where = ("-n", light_namespace, "--subresource=status", "--type=merge")
        return plane.kubectl("patch", kind, name, *where, "-p", patch)

    write("pg", "pg-a", epoch=3, activeCluster="cluster1")
    with pytest.raises(Exception, match="never goes down"):
        write("pg", "pg-a", epoch=2)
    with pytest.raises(Exception, match="higher epoch only"):
        write("pg", "pg-a", activeCluster="cluster2")
    write("pg", "pg-a", epoch=4, activeCluster="cluster2")
    write("failover", "f1", phase="Failed", epoch=1)
    with pytest.raises(Exception, match="stays as it ended"):
        write("failover", "f1", phase="Running")


def test_the_largest_objects_fit(plane, light_namespace):
    """A group of a thousand members with full rows, and a Failover with a full journal and history, are taken by the API server."""
    members = [{"name": f"vm-{n:04}", "dependsOn": [f"vm-{n - 1:04}"] if n else []} for n in range(1000)]
    plane.api.create(group(light_namespace, virtualMachines=members))
    volumes = [{"name": "disk-0", "volumeHandle": "pvc-" + "x" * 36, "role": "Secondary", "diskState": "UpToDate"}] * 2
    rows = [
        {"name": m["name"], "phase": "Running", "node": "n" * 40, "message": "m" * 100, "volumes": volumes}
        for m in members
    ]
    path = f"/apis/{OURS}/namespaces/{light_namespace}"
    plane.api.merge(f"{path}/protectiongroups/pg-a/status", {"status": {"virtualMachines": rows}})

    plane.api.create(failover(light_namespace))
    stamp = "2026-11-21T00:00:00Z"
    steps = [
        {"name": f"step-{n:03}", "state": "done", "result": "r" * MOST_RESULT, "startedAt": stamp, "completedAt": stamp}
        | {"message": "m" * 300}
        for n in range(MOST_STEPS)
    ]
    history = [{"time": stamp, "reason": "Reason", "message": "h" * 1024}] * MOST_HISTORY
    plane.api.merge(f"{path}/failovers/f1/status", {"status": {"steps": steps, "history": history, "phase": "Running"}})
    sizes = [len(json.dumps(plane.api.get(f"{path}/{kind}"))) for kind in ("protectiongroups/pg-a", "failovers/f1")]
    assert max(sizes) < ETCD_LIMIT / 2
