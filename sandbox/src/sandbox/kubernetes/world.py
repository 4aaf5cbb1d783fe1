"""Three clusters: two with KubeVirt and two played nodes each, and a plain one for the quorum."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sandbox.kubernetes import binaries
from sandbox.kubernetes.cluster import Cluster
from sandbox.kubernetes.plane import Plane

PROGRAMS = (
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kubectl",
    "manifests",
    "virt-api",
    "virt-controller",
    "virtctl",
)
NODES = ("node1", "node2")


class World:
    """`cluster1`, `cluster2` and `quorum`, each in a folder of its own under `directory`."""

    def __init__(self, directory: Path, *, storage: str = "", say: binaries.Say = print) -> None:
        """`storage`: URL of the door to replicated disks (sandbox.kubernetes.drbd); without it all disks are ordinary."""
        programs = binaries.ensure(PROGRAMS, say)
        self.cluster1, self.cluster2 = (
            Cluster(name, directory / name, programs, nodes=[f"{name}-{node}" for node in NODES], storage=storage)
            for name in ("cluster1", "cluster2")
        )
        self.quorum = Plane("quorum", directory / "quorum", programs)

    @property
    def clusters(self) -> tuple[Cluster, Cluster]:
        """Those with VMs."""
        return (self.cluster1, self.cluster2)

    def __iter__(self) -> Iterator[Plane]:
        yield from (self.cluster1, self.cluster2, self.quorum)

    def start(self) -> None:
        """All three at once, until each is ready."""
        self.quorum.start()
        with ThreadPoolExecutor(len(self.clusters)) as pool:
            list(pool.map(Cluster.bring_up, self.clusters))
        self.quorum.wait()

    def stop(self) -> None:
        """End everything at once."""
        for plane in self:
            plane.stop()
