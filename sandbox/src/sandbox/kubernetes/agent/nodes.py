"""The Node objects: registered by each kubelet, kept alive by its Lease, and by virt-handler's heartbeat."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time

import aiohttp

from sandbox.kubernetes.agent.api import Api
from sandbox.kubernetes.agent.conditions import condition, now
from sandbox.kubernetes.agent.machines import Machines
from sandbox.kubernetes.client import ApiError, Conflict, Missing, Object

_log = logging.getLogger(__name__)
_TICK_SECONDS = 0.5
_LEASE_SECONDS = 4.0
_STATUS_SECONDS = 60.0
_LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
_HANDLERS = "/api/v1/namespaces/kubevirt/pods"
_CAPACITY = {
    "cpu": "256",
    "memory": "1Ti",
    "pods": "2000",
    "ephemeral-storage": "10Ti",
    "devices.kubevirt.io/kvm": "1k",
    "devices.kubevirt.io/tun": "1k",
    "devices.kubevirt.io/vhost-net": "1k",
}
_INFO = {
    "architecture": "amd64",
    "operatingSystem": "linux",
    "kubeletVersion": "v1.36.2",
    "kubeProxyVersion": "",
    **dict.fromkeys(("osImage", "kernelVersion", "containerRuntimeVersion"), "sandbox"),
}
_LABELS = {"kubernetes.io/arch": "amd64", "kubernetes.io/os": "linux"}
# What virt-handler and its labeller find out about a machine; virt-controller asks launchers for them.
_VM_LABELS = {
    "kubevirt.io/schedulable": "true",
    "kubevirt.io/cpumanager": "false",
    "machine-type.node.kubevirt.io/q35": "true",
    "machine-type.node.kubevirt.io/pc": "true",
}


class Heart:
    """Beats for every node that answers. A node that came back registers again, as a kubelet does when it starts."""

    def __init__(self, api: Api, machines: Machines, kubelet_port: int, *, kubevirt: bool) -> None:
        """Without `kubevirt` there are no virt-handlers, and nothing says that VMs may run here."""
        self._api = api
        self._kubelet_port = kubelet_port
        self._kubevirt = kubevirt
        self._machines = machines
        self._leased: dict[str, float] = {}
        self._told: dict[str, float] = {}

    async def run(self) -> None:
        """For ever; a server that does not answer is asked again at the next tick."""
        while True:
            await asyncio.gather(*(self._beat(node) for node in self._machines.modes))
            await asyncio.sleep(_TICK_SECONDS)

    async def _beat(self, node: str) -> None:
        if not self._machines.answers(node):
            self._told.pop(node, None)
            return
        try:
            if node not in self._told:
                await self._register(node)
            if time.monotonic() - self._told.get(node, float("-inf")) > _STATUS_SECONDS:
                await self._tell(node)
                self._told[node] = time.monotonic()
            if time.monotonic() - self._leased.get(node, float("-inf")) > _LEASE_SECONDS:
                await self._renew(node)
                self._leased[node] = time.monotonic()
        except (ApiError, OSError, TimeoutError, aiohttp.ClientError) as error:
            _log.warning("node %s: %r", node, error)

    async def _register(self, node: str) -> None:
        """The Node, and the Pod by which virt-api finds the node's virt-handler."""
        labels = {**_LABELS, **(_VM_LABELS if self._kubevirt else {}), "kubernetes.io/hostname": node}
        await self._create("/api/v1/nodes", {"kind": "Node", "metadata": {"name": node, "labels": labels}, "spec": {}})
        if self._kubevirt:
            await self._register_handler(node)

    async def _register_handler(self, node: str) -> None:
        name = f"virt-handler-{node}"
        spec = {
            "nodeName": node,
            "tolerations": [{"operator": "Exists"}],
            "containers": [{"name": "virt-handler", "image": "sandbox/virt-handler:v1.7.0"}],
        }
        metadata = {"name": name, "labels": {"kubevirt.io": "virt-handler"}}
        await self._create(_HANDLERS, {"kind": "Pod", "metadata": metadata, "spec": spec})
        ready = {**condition("Ready", True), "lastTransitionTime": now()}
        address = {"podIP": "127.0.0.1", "podIPs": [{"ip": "127.0.0.1"}], "hostIP": "127.0.0.1"}
        await self._api.merge(
            f"{_HANDLERS}/{name}/status", {"status": {"phase": "Running", **address, "conditions": [ready]}}
        )

    async def _create(self, path: str, item: Object) -> None:
        with contextlib.suppress(Conflict):  # it registered before
            await self._api.call("POST", path, {"apiVersion": "v1", **item})

    async def _tell(self, node: str) -> None:
        """Ready, and virt-handler's heartbeat. The not-ready taint that admission added is node-lifecycle's to remove."""
        if self._kubevirt:
            beat = {"labels": {"kubevirt.io/schedulable": "true"}, "annotations": {"kubevirt.io/heartbeat": now()}}
            await self._api.merge(f"/api/v1/nodes/{node}", {"metadata": beat})
        ready = {**condition("Ready", True, "KubeletReady", "a played kubelet"), "lastHeartbeatTime": now()}
        info = {**_INFO, **dict.fromkeys(("machineID", "systemUUID", "bootID"), node)}
        status = {
            "capacity": _CAPACITY,
            "allocatable": _CAPACITY,
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}, {"type": "Hostname", "address": node}],
            "nodeInfo": info,
            "daemonEndpoints": {"kubeletEndpoint": {"Port": self._kubelet_port}},
            "conditions": [{**ready, "lastTransitionTime": now()}],
        }
        await self._api.merge(f"/api/v1/nodes/{node}/status", {"status": status})

    async def _renew(self, node: str) -> None:
        spec = {"holderIdentity": node, "leaseDurationSeconds": 40, "renewTime": now(micro=True)}
        try:
            await self._api.merge(f"{_LEASES}/{node}", {"spec": spec})
        except Missing:
            lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "spec": spec}
            await self._api.call("POST", _LEASES, {**lease, "metadata": {"name": node}})
