"""Failovers on real clusters: what their tests need around them."""

import os
import signal
import subprocess
import sys
import uuid

from kubernetes.groups.world import HOME, Group, clean, make
from support.kubernetes import machines
from support.kubernetes.watched import Watched

PROGRAM = "from siterecovery.kubevirt.processes.failover_controller import main; raise SystemExit(main())"
FAILOVERS = "/apis/siterecovery.trilio.io/v1alpha1/namespaces/{}/failovers"


class FailoverController:
    """One `failover-controller` process, and its log."""

    def __init__(self, plane, directory, *flags):
        self.plane = plane
        self.log = directory / f"{plane.name}-failovers.log"
        self.flags = flags
        self.process = None

    def start(self):
        command = [sys.executable, "-c", PROGRAM, "--cluster-name", self.plane.name]
        command += ["--kubeconfig", str(self.plane.kubeconfig), "--namespace", HOME]
        command += () if "--listen" in self.flags else ("--listen", "")
        election = () if "--leader-election" in self.flags else ("--leader-election", "false")
        command += [*election, *self.flags]
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(command, stdout=out, stderr=out, env=clean(os.environ))

    def stop(self, number=signal.SIGTERM):
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)
            self.process.wait(30)
        return self.process.returncode if self.process else None

    def kill(self):
        self.stop(signal.SIGKILL)


class Failover(Watched):
    """One Failover, as people see it."""

    def __init__(self, plane, namespace, group, target, **spec):
        name = f"failover-{group}-{uuid.uuid4().hex[:8]}"
        wire = {
            "apiVersion": "siterecovery.trilio.io/v1alpha1",
            "kind": "Failover",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"protectionGroup": group, "targetCluster": target} | spec,
        }
        super().__init__(plane.api, f"{FAILOVERS.format(namespace)}/{name}", wire)
        self.plane, self.namespace, self.group = plane, namespace, group

    def until_begun(self, step, seconds=60.0):
        self.until(f"{step} begun", lambda: step in self.states(), seconds)
        return self

    def until_ended(self, seconds=120.0):
        self.until("ended", lambda: self.phase in ("Succeeded", "Failed"), seconds)
        return self

    def succeeded(self, seconds=120.0):
        self.until_ended(seconds)
        assert self.phase == "Succeeded", self.status
        return self

    def failed(self, seconds=120.0):
        self.until_ended(seconds)
        assert self.phase == "Failed", self.status
        return self.message


class Disk:
    """A replicated volume under a claim of cluster1; the mirror makes the other cluster's."""

    def __init__(self, planes, namespace, claim):
        self.planes = planes
        self.handle = f"pvc-{uuid.uuid4()}"
        planes.storage.create_volume(self.handle, *(cluster.nodes[0] for cluster in planes.clusters))
        machines.bind_disk(planes.cluster1, namespace, claim, self.handle)

    def primaries(self):
        return self.planes.storage.get(f"/drbd/volumes/{self.handle}")["primaries"]

    def generations(self):
        return self.planes.storage.generations(self.handle)


class Stage:
    """A namespace with groups of VMs, each VM with one replicated disk."""

    def __init__(self, planes, namespace):
        self.planes, self.namespace = planes, namespace
        self.disks = {}

    def group(self, name="pg-a", vms=2, **spec):
        """A running, replicated group whose copy stands ready on the other cluster."""
        names = [f"{name}-vm{number}" for number in range(1, vms + 1)]
        for vm in names:
            self.disks[vm] = Disk(self.planes, self.namespace, f"{vm}-disk")
            make(self.planes.cluster1, self.namespace, vm, claims=[f"{vm}-disk"])
        made = Group(self.planes.cluster1, self.namespace, name).create(*names, **spec)
        made.until_state("running")
        self.until_mirrored(made, names)
        return made

    def until_mirrored(self, group, names):
        other = self.planes.cluster2

        def ask():
            copy = group.on(other).status
            return copy.get("epoch") and all(machines.status(other, self.namespace, vm) for vm in names)

        group.until("mirrored", ask)
        group.until(
            "its disks, too", lambda: all(self._mirrored(other, f"{vm}-disk") for vm in names if vm in self.disks)
        )

    def _mirrored(self, plane, claim):
        """The VM's copy comes before its claim's, and the claim's before its volume."""
        found = machines.look(plane.api, f"/api/v1/namespaces/{self.namespace}/persistentvolumeclaims/{claim}")
        volume = (found.get("spec") or {}).get("volumeName")
        return volume and machines.look(plane.api, f"/api/v1/persistentvolumes/{volume}")

    def failover(self, group="pg-a", target="cluster2", plane=None, **spec):
        return Failover(plane or self.planes.quorum, self.namespace, group, target, **spec).create()

    def running_on(self, vm):
        """Clusters on which a guest of that VM really runs."""
        return [cluster.name for cluster in self.planes.clusters if cluster.agent.guests(self.namespace, vm)]

    def lease(self, group="pg-a", plane=None):
        path = f"/apis/coordination.k8s.io/v1/namespaces/{self.namespace}/leases/failover-lock-{group}"
        return machines.look((plane or self.planes.quorum).api, path)


def tainted(plane, key="drbd.linbit.com/lost-quorum"):
    found = (plane.api.get(f"/api/v1/nodes/{node}") for node in plane.nodes)
    return [
        item["metadata"]["name"] for item in found if any(t["key"] == key for t in item["spec"].get("taints") or [])
    ]
