"""A light world: real API servers, the real DRBD and LINSTOR simulator, and KubeVirt with its machines played by one loop for each cluster.

It has the shape of `World`, starts in about ten seconds, and carries what planes with real KubeVirt cannot on a small machine: hundreds of random
schedules, a thousand VMs, a thousand groups."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sandbox.kubernetes import binaries
from sandbox.kubernetes.etcd import Etcd
from sandbox.kubernetes.light import LightPlanes
from sandbox.kubernetes.light_machines import LightMachines
from sandbox.kubernetes.plane import Plane
from sandbox.kubernetes.storage import Storage
from sandbox.kubernetes.world import CLUSTERS, NODES


class LightCluster(Plane):
    """A plane with played machines."""

    def __init__(self, name: str, directory: Path, programs: Mapping[str, Path], etcd: Etcd, storage: str) -> None:
        super().__init__(name, directory, programs, etcd=etcd, controllers=False)
        self.nodes = tuple(f"{name}-{node}" for node in NODES)
        self.agent = LightMachines(self, self.nodes, storage)

    def furnish(self) -> None:
        """Its nodes, ready for good: nobody here looks whether they beat."""
        for node in self.nodes:
            labels = {"kubernetes.io/hostname": node}
            ready = {"type": "Ready", "status": "True", "reason": "Sandbox", "message": "played"}
            made = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": node, "labels": labels}}
            self.api.create(made)
            self.api.merge(f"/api/v1/nodes/{node}/status", {"status": {"conditions": [ready]}})
            self.api.merge(f"/api/v1/nodes/{node}", {"spec": {"taints": None}})


class LightWorld(LightPlanes):
    """`cluster1`, `cluster2` with machines, `quorum` without, and `storage`."""

    def __init__(self, directory: Path, say: binaries.Say = print) -> None:
        nodes = {name: [f"{name}-{node}" for node in NODES] for name in CLUSTERS}
        self.storage = Storage(directory, nodes)
        self._made: list[LightCluster] = []
        super().__init__(directory, say)

    @property
    def clusters(self) -> tuple[LightCluster, ...]:
        """Those with VMs."""
        return tuple(self._made)

    def _plane(self, name: str, directory: Path, programs: Mapping[str, Path], etcd: Etcd) -> Plane:
        if name not in CLUSTERS:
            return super()._plane(name, directory, programs, etcd)
        self._made.append(LightCluster(name, directory, programs, etcd, self.storage.url))
        return self._made[-1]

    def start(self) -> None:
        """Until VMs can be created and run."""
        self.storage.start()
        super().start()
        self.install_kubevirt_crds()
        self.storage.wait()
        for cluster in self.clusters:
            cluster.furnish()
            cluster.agent.start()
            self.storage.watch_over(cluster.name, cluster.kubeconfig)

    def power_off(self, cluster: LightCluster) -> None:
        """A whole site without power: its guests, its disks and its control plane."""
        cluster.kill()
        cluster.agent.site("off")

    def power_on(self, cluster: LightCluster) -> None:
        """Back, with what its disks and its etcd hold; ready when this returns."""
        cluster.agent.site("on")
        cluster.start()
        cluster.wait()

    def stop(self) -> None:
        """End everything at once."""
        for cluster in self.clusters:
            cluster.agent.stop()
        super().stop()
        self.storage.child.kill()
