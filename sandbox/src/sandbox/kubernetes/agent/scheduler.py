"""kube-scheduler: binds Pods that have no node yet, or says on them why not."""

from __future__ import annotations

from collections import Counter

from sandbox.kubernetes.agent.api import Api
from sandbox.kubernetes.agent.conditions import condition, merged
from sandbox.kubernetes.agent.scheduling import place
from sandbox.kubernetes.agent.tables import Table
from sandbox.kubernetes.client import Object

# Nodes and claims that change are looked at when they do; this is for what no watch told.
_AGAIN_SECONDS = 5.0


class Scheduler:
    """Looks at one Pod at a time."""

    def __init__(self, api: Api, pods: Table, nodes: Table, claims: Table) -> None:
        self._api = api
        self._pods, self._nodes, self._claims = pods, nodes, claims

    async def look(self, pod: Object) -> float | None:
        """Bind it, or set PodScheduled=False with reason Unschedulable, which KubeVirt shows as ErrorUnschedulable."""
        load = Counter(str(other["spec"].get("nodeName")) for other in self._pods.items.values())
        node, objection = place(pod, self._nodes.items.values(), self._claims.items, load)
        metadata = pod["metadata"]
        path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}"
        if node:
            target = {"apiVersion": "v1", "kind": "Node", "name": node}
            binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": metadata["name"]}, "target": target}
            await self._api.call("POST", f"{path}/binding", binding)
            return None
        told = merged(pod.get("status", {}), [condition("PodScheduled", False, "Unschedulable", objection)])
        if told != (pod.get("status", {}).get("conditions") or []):
            change = {"metadata": {"resourceVersion": metadata["resourceVersion"]}, "status": {"conditions": told}}
            self._pods.put(await self._api.merge(f"{path}/status", change))
        return _AGAIN_SECONDS
