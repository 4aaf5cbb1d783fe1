"""Three API servers that share one etcd: enough for whoever only needs objects, in four seconds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from sandbox.kubernetes import binaries, kubevirt
from sandbox.kubernetes.etcd import Etcd
from sandbox.kubernetes.plane import Plane

NAMES = ("cluster1", "cluster2", "quorum")
_KINDS = ("VirtualMachine", "VirtualMachineInstance")  # each costs the server a good deal


class LightPlanes:
    """`cluster1`, `cluster2` and `quorum` without controllers, nodes or KubeVirt; each has its own certificates and prefix."""

    def __init__(self, directory: Path, say: binaries.Say = print) -> None:
        programs = binaries.ensure(("etcd", "kube-apiserver", "kubectl"), say)
        self._directory, self._say = directory, say
        self._has_kinds = False
        self._etcd = Etcd(programs["etcd"], directory)
        self.cluster1, self.cluster2, self.quorum = (
            self._plane(name, directory / name, programs, self._etcd) for name in NAMES
        )

    def _plane(self, name: str, directory: Path, programs: Mapping[str, Path], etcd: Etcd) -> Plane:
        return Plane(name, directory, programs, etcd=etcd, controllers=False)

    def __iter__(self) -> Iterator[Plane]:
        yield from (self.cluster1, self.cluster2, self.quorum)

    def start(self) -> None:
        """All at once, until each serves."""
        self._etcd.start()
        for plane in self:
            plane.start()
        self._etcd.wait()
        for plane in self:
            plane.wait()

    def install_kubevirt_crds(self) -> None:
        """VirtualMachine and VirtualMachineInstance on both workload clusters, once: they can be written and read, and nobody runs them."""
        if self._has_kinds:
            return
        manifests = binaries.ensure(("manifests",), self._say)["manifests"]
        for plane in (self.cluster1, self.cluster2):
            kubevirt.install_kinds(plane, manifests, self._directory / "kubevirt", _KINDS)
        self._has_kinds = True

    def stop(self) -> None:
        """End everything at once."""
        for plane in self:
            plane.stop()
        self._etcd.child.kill()
