"""A plane with machines: the agent that plays them, and KubeVirt where VMs run."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from sandbox.kubernetes.agent.client import AgentControl
from sandbox.kubernetes.agent.settings import Endpoint, Settings
from sandbox.kubernetes.child import Child
from sandbox.kubernetes.client import wait_until
from sandbox.kubernetes.kubevirt import NAMESPACE, KubeVirt
from sandbox.kubernetes.plane import Plane, Timing
from sandbox.kubernetes.ports import free_port
from sandbox.processes import ProcessError

_START_SECONDS = 60.0


class Cluster(Plane):
    """What `Plane` promises holds for KubeVirt's programs too: they are killed, frozen and started with the API server."""

    def __init__(
        self,
        name: str,
        directory: Path,
        programs: Mapping[str, Path],
        *,
        nodes: Sequence[str],
        kubevirt: bool = True,
        storage: str = "",
        timing: Timing | None = None,
    ) -> None:
        """`storage`: URL of the door to replicated disks; without it all disks are ordinary."""
        super().__init__(name, directory, programs, timing=timing)
        self.nodes = tuple(nodes)
        self._kubevirt = KubeVirt(self, programs) if kubevirt else None
        self._storage = storage
        self._control_port, self._kubelet_port = free_port(), free_port()
        self.agent = AgentControl(f"http://127.0.0.1:{self._control_port}")
        self._agent_file = directory / "agent.json"
        command = [sys.executable, "-m", "sandbox.kubernetes.agent", str(self._agent_file)]
        self.machines = Child("node-agent", command, directory / "node-agent.log", supervised=True)

    @property
    def kubevirt(self) -> KubeVirt:
        """ProcessError on a cluster that has none."""
        if self._kubevirt is None:
            raise ProcessError(f"{self.name} has no KubeVirt")
        return self._kubevirt

    @property
    def virt_api(self) -> Child:
        """Webhooks and subresources."""
        return self.kubevirt.api

    @property
    def virt_controller(self) -> Child:
        """VirtualMachines and their instances."""
        return self.kubevirt.controller

    @property
    def children(self) -> list[Child]:
        """Without the agent: machines are no part of the control plane."""
        return [*(self._kubevirt.children if self._kubevirt else []), *super().children]

    def bring_up(self) -> None:
        """From nothing to a cluster on which VMs run."""
        super().start()
        super().wait()
        if self._kubevirt:
            self._kubevirt.install()
        self._start_machines()
        if self._kubevirt:
            self._kubevirt.start()
        self.wait()

    def start(self) -> None:
        """Everything that `kill` ended."""
        super().start()
        if self._kubevirt:
            self._kubevirt.start()

    def wait(self) -> None:
        """Until VMs can be created and run, or Pods where there is no KubeVirt."""
        super().wait()
        if self._kubevirt:
            self._kubevirt.wait()
        self.agent.wait()
        wait_until(f"the nodes of {self.name}", _START_SECONDS, self._has_nodes)

    def stop(self) -> None:
        """Everything, and its machines."""
        super().stop()
        self.machines.kill()

    def _start_machines(self) -> None:
        Settings(
            cluster=self.name,
            nodes=self.nodes,
            server=self.url,
            authority=str(self.pki.authority.certificate),
            certificate=str(self.pki.admin.certificate),
            key=str(self.pki.admin.key),
            directory=str(self.directory / "pods"),
            control_port=self._control_port,
            kubelet=Endpoint(self._kubelet_port, str(self.pki.server.certificate), str(self.pki.server.key)),
            handler=self._handler() if self._kubevirt else None,
            storage=self._storage,
        ).write(self._agent_file)
        self.machines.start()

    def _handler(self) -> Endpoint:
        """What makes the agent KubeVirt's virt-handler: its token, for what only it may write, and its endpoint."""
        certificate = self.kubevirt.certificates / "kubevirt-virt-handler-server-certs"
        token = self.service_account_token(NAMESPACE, "kubevirt-handler")
        return Endpoint(self.kubevirt.handler_port, f"{certificate}.crt", f"{certificate}.key", token)

    def _has_nodes(self) -> bool:
        """Ready and without the taint that a node has before it is."""
        listed = {node["metadata"]["name"]: node for node in self.api.items("/api/v1/nodes")}
        return all(name in listed and not _is_new(listed[name]["spec"].get("taints") or []) for name in self.nodes)


def _is_new(taints: Sequence[Mapping[str, str]]) -> bool:
    return any(taint["key"] in ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable") for taint in taints)
