"""The replicated disks under the clusters: the DRBD world as a process, and its ports."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sandbox.kubernetes.child import Child
from sandbox.kubernetes.client import wait_until
from sandbox.kubernetes.ports import free_port
from sandbox.stack import answers, post

_START_SECONDS = 30.0
_TAINT_SECONDS = 5.0  # how often Piraeus' HA controller looks
TIEBREAKER = "quorum-node1"


class StorageControl:
    """`url`: control port and guests' door; `linstor`: REST of LINSTOR's controller. Both are documented in `sandbox.kubernetes.drbd`."""

    def __init__(self, url: str, linstor: str) -> None:
        self.url, self.linstor = url, linstor

    def watch_over(
        self, cluster: str, kubeconfig: Path, period: float = _TAINT_SECONDS, *, operator: bool = False
    ) -> None:
        """Have it keep quorum taints on a cluster's nodes and, with `operator`, play the DRBD Operator there."""
        self.post(f"/drbd/clusters/{cluster}", kubeconfig=str(kubeconfig), period=period, operator=operator)

    def get(self, path: str) -> Any:
        """A look at its control port."""
        return post(self.url + path, {}, "GET")

    def post(self, path: str, **body: Any) -> Any:
        """An order to its control port (ProcessError with its words when it refuses)."""
        return post(self.url + path, body)

    def create_volume(self, name: str, *nodes: str) -> None:
        """A volume with a replica on each of these nodes; LINSTOR adds a tiebreaker by itself."""
        self.post("/drbd/volumes", name=name, nodes=list(nodes))

    def generations(self, volume: str) -> dict[str, int]:
        """What each node's replica holds, by how many writes it has seen."""
        replicas = self.get(f"/drbd/volumes/{volume}")["replicas"]
        return {node: int(replica["generation"]) for node, replica in replicas.items()}


class Storage(StorageControl):
    """The disks of a world that runs here."""

    def __init__(self, directory: Path, nodes: Mapping[str, Sequence[str]]) -> None:
        """`nodes`: of each workload cluster by name; a diskless one on the quorum cluster is added."""
        control, linstor = free_port(), free_port()
        super().__init__(f"http://127.0.0.1:{control}", f"http://127.0.0.1:{linstor}")
        places = [f"{cluster}/{node}" for cluster, names in nodes.items() for node in names]
        flags = [f"--node={place}" for place in (*places, f"quorum/{TIEBREAKER}=")]
        ports = [f"--control-port={control}", f"--linstor-port={linstor}"]
        command = [sys.executable, "-m", "sandbox.kubernetes.drbd", *ports, *flags]
        self.child = Child("storage", command, directory / "storage.log")

    def start(self) -> None:
        """Begin, with empty disks: what it holds is in memory."""
        self.child.start()

    def wait(self) -> None:
        """Until it answers."""
        wait_until("the storage world", _START_SECONDS, lambda: answers(f"{self.url}/drbd"))
