"""The light planes are real API servers, apart from one another, and survive what is done to them."""

import json
from pathlib import Path

import pytest

from sandbox.kubernetes.client import Api, Conflict, wait_until
from sandbox.kubernetes.light import LightPlanes
from sandbox.kubernetes.plane import Plane
from sandbox.processes import ProcessError
from support.kubernetes.machines import virtual_machine


def _config_map(namespace: str, **data: str) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "note", "namespace": namespace},
        "data": data,
    }


def _noted(plane: Plane, namespace: str) -> list[dict[str, str]]:
    return [item["data"] for item in plane.api.items(f"/api/v1/namespaces/{namespace}/configmaps")]


def test_planes_share_nothing(light_planes: LightPlanes, light_namespace: str) -> None:
    """What is created on one plane is on no other, though all three share one etcd."""
    light_planes.cluster1.api.create(_config_map(light_namespace, written="here"))

    seen = [_noted(plane, light_namespace) for plane in light_planes]

    assert seen == [[{"written": "here"}], [], []]


def test_one_planes_key_opens_no_other(light_planes: LightPlanes) -> None:
    """A client that trusts and is known to cluster1 is refused by cluster2's certificate."""
    here, there = light_planes.cluster1, light_planes.cluster2
    stranger = Api(there.url, str(here.pki.authority.certificate), here.pki.admin)

    with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
        stranger.get("/readyz")


def test_second_creation_is_a_conflict(light_planes: LightPlanes, light_namespace: str) -> None:
    """Creating an object twice is told as a Conflict with Kubernetes' own reason."""
    light_planes.quorum.api.create(_config_map(light_namespace))

    with pytest.raises(Conflict) as refused:
        light_planes.quorum.api.create(_config_map(light_namespace))

    assert refused.value.reason == "AlreadyExists"


def test_kubectl_reads_the_kubeconfig(light_planes: LightPlanes, light_namespace: str) -> None:
    """The kubeconfig is complete: kubectl needs nothing else, and prints no warning among its output."""
    light_planes.cluster2.api.create(_config_map(light_namespace, colour="green"))

    told = json.loads(light_planes.cluster2.kubectl("get", "configmap", "note", "-n", light_namespace, "-o", "json"))

    assert told["data"] == {"colour": "green"}


def test_strangers_have_no_rights(light_planes: LightPlanes, light_namespace: str) -> None:
    """A user made by `user_kubeconfig` may do nothing until a role is bound to their group."""
    plane = light_planes.cluster1
    alice = plane.user_kubeconfig("alice", ["siteops"])

    with pytest.raises(ProcessError, match="Forbidden"):
        plane.kubectl("get", "configmaps", "-n", light_namespace, kubeconfig=alice)
    plane.kubectl("create", "role", "reader", "--verb=get,list", "--resource=configmaps", "-n", light_namespace)
    plane.kubectl("create", "rolebinding", "ops", "--role=reader", "--group=siteops", "-n", light_namespace)

    wait_until("the binding's effect", 60, lambda: _may_read(plane, alice, light_namespace))


def _may_read(plane: Plane, kubeconfig: Path, namespace: str) -> bool:
    try:
        plane.kubectl("get", "configmaps", "-n", namespace, kubeconfig=kubeconfig)
    except ProcessError:
        return False
    return True


def test_killed_plane_keeps_its_data(light_planes: LightPlanes, light_namespace: str) -> None:
    """kill -9 and a restart: same address, same objects, and silence meanwhile."""
    plane = light_planes.cluster1
    plane.api.create(_config_map(light_namespace, before="the kill"))

    plane.kill()
    with pytest.raises(OSError, match="refused"):
        plane.api.get("/readyz")
    plane.start()
    plane.wait()

    assert _noted(plane, light_namespace) == [{"before": "the kill"}]


def test_virtual_machines_can_be_written_without_kubevirt(light_planes: LightPlanes, light_namespace: str) -> None:
    """With KubeVirt's kinds alone a VM is stored as it was written, and nothing happens to it."""
    light_planes.install_kubevirt_crds()
    light_planes.install_kubevirt_crds()

    for plane in (light_planes.cluster1, light_planes.cluster2):
        plane.api.create(virtual_machine(light_namespace, "web"))

    told = light_planes.cluster2.kubectl("get", "vm", "-n", light_namespace, "-o", "name")
    assert told == "virtualmachine.kubevirt.io/web\n"
