"""Three clusters: two with KubeVirt and two played nodes each, and one with a node and no VMs for the quorum."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sandbox.kubernetes import binaries
from sandbox.kubernetes.cluster import Cluster
from sandbox.kubernetes.storage import TIEBREAKER, Storage

PROGRAMS = (
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kubectl",
    "manifests",
    "virt-api",
    "virt-controller",
    "virtctl",
    "helm",
)
NODES = ("node1", "node2")


CLUSTERS = ("cluster1", "cluster2")


class World:
    """`cluster1`, `cluster2` and `quorum`, each in a folder of its own under `directory`, and the `storage` that the first two share."""

    def __init__(self, directory: Path, *, say: binaries.Say = print) -> None:
        programs = self.programs = binaries.ensure(PROGRAMS, say)
        nodes = {name: [f"{name}-{node}" for node in NODES] for name in CLUSTERS}
        self.storage = Storage(directory, nodes)
        self.cluster1, self.cluster2 = (
            Cluster(name, directory / name, programs, nodes=nodes[name], storage=self.storage.url) for name in CLUSTERS
        )
        self.quorum = Cluster(
            "quorum", directory / "quorum", programs, nodes=[TIEBREAKER], kubevirt=False, storage=self.storage.url
        )

    @property
    def clusters(self) -> tuple[Cluster, Cluster]:
        """Those with VMs."""
        return (self.cluster1, self.cluster2)

    def __iter__(self) -> Iterator[Cluster]:
        yield from (self.cluster1, self.cluster2, self.quorum)

    def start(self) -> None:
        """All at once, until each is ready."""
        self.storage.start()
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(Cluster.bring_up, self))
        self.storage.wait()
        for cluster in self.clusters:
            self.storage.watch_over(cluster.name, cluster.kubeconfig)

    def power_off(self, cluster: Cluster) -> None:
        """A whole site without power: its guests, its disks and its control plane."""
        cluster.kill()
        cluster.agent.site("off")

    def power_on(self, cluster: Cluster) -> None:
        """Back, with what its disks and its etcd hold; ready when this returns."""
        cluster.agent.site("on")
        cluster.start()
        cluster.wait()

    def stop(self) -> None:
        """End everything at once."""
        for plane in self:
            plane.stop()
        self.storage.child.kill()
