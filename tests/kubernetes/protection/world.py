"""VMs with plain claims on real clusters, DRBD Operators over them, and what their tests ask for."""

import os
import pathlib
import subprocess
import sys

import yaml

from kubernetes.failover.world import Failover
from kubernetes.groups.world import make
from support.kubernetes import machines
from support.kubernetes.watched import Watched

OURS = "/apis/siterecovery.trilio.io/v1alpha1"
TIMES = 1.0
"""Seconds between two rounds of a played operator."""


def operate(planes, *, on):
    """DRBD Operators on both clusters, or only the quorum taints that are kept from the start."""
    for cluster in planes.clusters:
        planes.storage.watch_over(cluster.name, cluster.kubeconfig, TIMES if on else 5.0, operator=on)


class Yard:
    """A namespace whose plain claims may go under replication by the policy `gold`."""

    def __init__(self, planes, namespace):
        self.planes, self.namespace = planes, namespace
        self.one, self.two = planes.clusters
        for cluster in planes.clusters:
            self.storage_class(cluster, "fast", "local.csi.example")
        self.policy("gold")

    def storage_class(self, cluster, name, provisioner, **parameters):
        """Named after the namespace, since classes have none."""
        header = {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": self.class_(name)}}
        cluster.api.apply(header | {"provisioner": provisioner, "parameters": parameters})

    def class_(self, name):
        return f"{self.namespace}-{name}"

    def policy(self, name, source="plain", primary="fast", dr="fast", **spec):
        mapping = {"source": source, "primary": self.class_(primary), "dr": self.class_(dr)}
        self.planes.quorum.api.apply(
            {
                "apiVersion": "siterecovery.trilio.io/v1alpha1",
                "kind": "DRBDReplicationPolicy",
                "metadata": {"name": name, "namespace": self.namespace},
                "spec": {"clusters": {"primary": "cluster1", "dr": "dr-cluster"}, "storageClassMappings": [mapping]}
                | spec,
            }
        )

    def machine(self, name="vm1", disks=2, **options):
        """Running, with so many plain claims."""
        claims = [f"{name}-disk{number}" for number in range(disks)]
        for claim in claims:
            machines.bind_disk(self.one, self.namespace, claim, f"plain-{self.namespace}-{claim}", "plain")
        make(self.one, self.namespace, name, claims=claims, **options)
        machines.running(self.one, self.namespace, name)
        return claims

    def vm(self, name="vm1"):
        return machines.look(self.one.api, machines.vm_path(self.namespace, name))

    def claims(self, name="vm1"):
        volumes = self.vm(name)["spec"]["template"]["spec"]["volumes"]
        return [volume["persistentVolumeClaim"]["claimName"] for volume in volumes]

    def guest(self, name="vm1", cluster=None):
        """The one that runs."""
        (found,) = (cluster or self.one).agent.guests(self.namespace, name)
        return found

    def request(self, machine="vm1", policy="gold", name=None, **spec):
        return Request(self, machine, policy, name or machine, **spec).create()

    def volumes(self):
        """DRBDVolumes of both clusters, by cluster."""
        path = f"{OURS}/namespaces/{self.namespace}/drbdvolumes"
        return {c.name: sorted(v["metadata"]["name"] for v in c.api.items(path)) for c in self.planes.clusters}

    def replicas(self, handle):
        """node → disk state, as the storage itself knows it."""
        found = self.planes.storage.get(f"/drbd/volumes/{handle}")["replicas"]
        return {node: each["disk"] for node, each in found.items() if each["diskful"]}

    def left(self):
        """What requests have made here and not removed, wherever it is."""
        label = "siterecovery.trilio.io/protection-request"
        claims = self.one.api.items(f"/api/v1/namespaces/{self.namespace}/persistentvolumeclaims", labelSelector=label)
        frontends = [
            item["metadata"]["name"]
            for item in self.one.api.items("/api/v1/persistentvolumes", labelSelector=label)
            if item["spec"]["claimRef"]["namespace"] == self.namespace
        ]
        marks = [
            key
            for item in self.one.api.items(f"/apis/kubevirt.io/v1/namespaces/{self.namespace}/virtualmachines")
            for key in item["metadata"].get("annotations") or {}
            if key.startswith("siterecovery")
        ]
        volumes = [name for names in self.volumes().values() for name in names]
        return [*(item["metadata"]["name"] for item in claims), *frontends, *marks, *volumes]

    def pgctl(self, folder, *arguments):
        """What the command prints; it must succeed."""
        return run_pgctl(self.planes, self.namespace, folder, *arguments)

    def failover(self, group, target="cluster2", **spec):
        return Failover(self.planes.quorum, self.namespace, group, target, **spec).create()


def run_pgctl(planes, namespace, folder: pathlib.Path, *arguments):
    contexts = {
        role: {"cluster": plane.name, "kubeconfig": str(plane.kubeconfig)}
        for role, plane in (("primary", planes.cluster1), ("dr", planes.cluster2), ("quorum", planes.quorum))
    }
    config = folder / "pgctl.yaml"
    config.write_text(yaml.safe_dump({"namespace": namespace, "contexts": contexts}))
    program = pathlib.Path(sys.executable).with_name("pgctl")
    done = subprocess.run(
        [program, *arguments],
        env=os.environ | {"PGCTL_CONFIG": str(config)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


class Request(Watched):
    """One ProtectionRequest, as people see it."""

    def __init__(self, yard, machine, policy, name, **spec):
        wire = {
            "apiVersion": "siterecovery.trilio.io/v1alpha1",
            "kind": "ProtectionRequest",
            "metadata": {"name": name, "namespace": yard.namespace},
            "spec": {"virtualMachine": machine, "policy": policy} | spec,
        }
        super().__init__(yard.planes.quorum.api, f"{OURS}/namespaces/{yard.namespace}/protectionrequests/{name}", wire)
        self.yard = yard

    def want(self, state):
        self.api.merge(self.path, {"spec": {"desiredState": state}})
        return self

    def reached(self, phase, seconds=90.0):
        self.until(phase, lambda: self.phase == phase, seconds)
        return self

    def failed(self, seconds=60.0):
        return self.reached("Failed", seconds).message
