"""A world that runs already, for whoever starts many short sessions on it: `sandbox kubernetes up`, then SANDBOX_KUBERNETES."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sandbox.kubernetes.access import Access
from sandbox.kubernetes.agent.client import AgentControl
from sandbox.kubernetes.detached import Detached
from sandbox.kubernetes.served import TOOLS
from sandbox.kubernetes.storage import StorageControl
from sandbox.processes import ProcessError
from sandbox.stack import post


class AttachedCluster(Access):
    """What `Cluster` offers, but for the single programs: those belong to the world's own process."""

    def __init__(self, name: str, directory: Path, programs: Mapping[str, Path], world: Mapping[str, Any]) -> None:
        """`world`: its description."""
        plane = world["planes"][name]
        super().__init__(name, directory, programs, plane["url"])
        self.nodes = tuple(plane["nodes"])
        self.agent = AgentControl(plane["agent"])
        self._verbs = f"{world['control']}/planes/{name}"

    def _order(self, verb: str) -> None:
        post(f"{self._verbs}/{verb}", {})

    def freeze(self) -> None:
        """The whole plane hangs."""
        self._order("freeze")

    def thaw(self) -> None:
        """It goes on."""
        self._order("thaw")

    def kill(self) -> None:
        """kill -9 of every program."""
        self._order("kill")

    def start(self) -> None:
        """Everything that `kill` ended; it is ready when this returns."""
        self._order("start")

    def wait(self) -> None:
        """`start` has waited."""

    def restart(self) -> None:
        """kill -9 and back, ready."""
        self._order("restart")


class AttachedWorld:
    """What `World` offers, on one that runs in a state directory. It is left running."""

    def __init__(self, state: Path) -> None:
        """ProcessError when nothing runs there."""
        detached = Detached(state)
        if detached.process is None:
            raise ProcessError(
                f"no clusters run in {detached.state}; `sandbox kubernetes up --state {state}` starts them"
            )
        world = detached.description
        # Those that the world itself runs with: whoever attaches has another cache perhaps, and would build them.
        programs = self.programs = {tool: detached.state / "bin" / tool for tool in TOOLS}
        self._control = str(world["control"])
        self.storage = StorageControl(world["storage"], world["linstor"])
        self.cluster1, self.cluster2, self.quorum = (
            AttachedCluster(name, detached.state / "planes" / name, programs, world) for name in world["planes"]
        )

    @property
    def clusters(self) -> tuple[AttachedCluster, AttachedCluster]:
        """Those with VMs."""
        return (self.cluster1, self.cluster2)

    def __iter__(self) -> Iterator[AttachedCluster]:
        yield from (self.cluster1, self.cluster2, self.quorum)

    def close(self) -> None:
        """Let go of the connections; the clusters run on."""
        for cluster in self:
            cluster.api.close()

    def power_off(self, cluster: AttachedCluster) -> None:
        """A whole site without power."""
        post(f"{self._control}/planes/{cluster.name}/power-off", {})

    def power_on(self, cluster: AttachedCluster) -> None:
        """Back, and ready when this returns."""
        post(f"{self._control}/planes/{cluster.name}/power-on", {})
