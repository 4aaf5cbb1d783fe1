"""An eye on machines and disks that never asks the product or an API server: what really runs where, and what each disk holds."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sandbox.demo.watching import Watcher
from sandbox.kubernetes.agent.client import AgentControl
from sandbox.kubernetes.agent.guests import RUNNING
from sandbox.kubernetes.desk import NAMESPACE
from sandbox.kubernetes.storage import StorageControl

_PAUSE_SECONDS = 0.3


@dataclass(frozen=True)
class Replica:
    """One cluster's copy of a disk, by how many writes it has seen."""

    generation: int
    primary: bool
    up_to_date: bool
    guarded: bool


@dataclass(frozen=True)
class Sample:
    """One moment: `time` is monotonic seconds; by cluster the VMs that have their disk and those whose guest runs; by disk its replicas.

    KubeVirt tries to start a VM on a cluster where it must not run as long as nobody has told it: then a process waits for a disk that
    DRBD does not give it. That is no VM yet, neither `present` nor `running`.
    """

    time: float
    present: Mapping[str, frozenset[str]]
    running: Mapping[str, frozenset[str]]
    disks: Mapping[str, Mapping[str, Replica]]

    @classmethod
    def of(cls, seconds: float, agents: Mapping[str, Mapping[str, Any]], volumes: Mapping[str, Any]) -> Sample:
        """Out of what the control ports of machines and disks say."""
        return cls(
            time=seconds,
            present={name: _guests(state, alive=False) for name, state in agents.items()},
            running={name: _guests(state, alive=True) for name, state in agents.items()},
            disks={name: _replicas(volume) for name, volume in volumes.items()},
        )


def _guests(state: Mapping[str, Any], *, alive: bool) -> frozenset[str]:
    told = state["guests"].items()
    return frozenset(
        vm.removeprefix(f"{NAMESPACE}/")
        for vm, guests in told
        if any(guest["state"] == RUNNING or (not alive and guest["disks"]) for guest in guests)
    )


def _replicas(volume: Mapping[str, Any]) -> dict[str, Replica]:
    """Those with data. Whose VM runs on a node without data uses the disk from there: that counts for its whole cluster.

    `guarded`: it may not be written without a majority of its peers.
    """
    replicas = volume["replicas"].values()
    used = {replica["cluster"] for replica in replicas if replica["role"] == "Primary"}
    return {
        replica["cluster"]: Replica(
            generation=int(replica["generation"]),
            primary=replica["cluster"] in used,
            up_to_date=replica["disk"] == "UpToDate" and replica["sync"] is None,
            guarded=replica["quorum_option"] != "off",
        )
        for replica in replicas
        if replica["diskful"]
    }


class Witness(Watcher[Sample]):
    """Looks at both clusters' machines and at all disks."""

    def __init__(self, agents: Mapping[str, AgentControl], storage: StorageControl) -> None:
        def take() -> Sample:
            states = {name: agent.state() for name, agent in agents.items()}
            return Sample.of(time.monotonic(), states, storage.get("/drbd/volumes"))

        super().__init__(take, _PAUSE_SECONDS)

    def since(self, mark: int) -> Sequence[Sample]:
        """What was seen from sample number `mark` on, and now."""
        self.look()
        return tuple(self.samples[mark:])
