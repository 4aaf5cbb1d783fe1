"""Quorum taints, as Piraeus' HA controller keeps them: looked at every few seconds, put back when somebody strips them too early.

That controller runs on each node and manages the taints of its own node only. So a node without power keeps the taints it has, and a
cluster whose API cannot be reached is left for the next round.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from sandbox.kubernetes.drbd.kube import Conflict, Kube
from sandbox.kubernetes.drbd.world import Drbd

LOST_QUORUM = "drbd.linbit.com/lost-quorum"
FORCE_IO_ERROR = "drbd.linbit.com/force-io-error"
OURS = frozenset({LOST_QUORUM, FORCE_IO_ERROR})
_TRIES = 5


class Wanted:
    """Which nodes should carry which taints. `by_hand` (node → keys) overrules what DRBD says."""

    def __init__(self, drbd: Drbd) -> None:
        self._drbd = drbd
        self.by_hand: dict[str, frozenset[str]] = {}

    def of(self, cluster: str) -> dict[str, frozenset[str]]:
        """Node → keys, for every node of the cluster that has power."""
        nodes = [node for node in self._drbd.nodes.values() if node.cluster == cluster and self._drbd.is_up(node)]
        return {node.name: self.by_hand.get(node.name, self._of_node(node.name)) for node in nodes}

    def _of_node(self, node: str) -> frozenset[str]:
        replicas = [resource.replicas[node] for resource in self._drbd.resources.values() if node in resource.replicas]
        keys = set()
        if any(not replica.quorum for replica in replicas):
            keys.add(LOST_QUORUM)
        if any(replica.force_io_failures for replica in replicas):
            keys.add(FORCE_IO_ERROR)
        return frozenset(keys)


class TaintAgent:
    """Keeps one cluster's nodes as wanted. `put_back` counts taints that were added again after they had been there."""

    def __init__(self, kube: Kube, wanted: Callable[[], Mapping[str, frozenset[str]]], period: float = 5.0) -> None:
        self._kube = kube
        self._wanted = wanted
        self.period = period
        self.put_back = 0
        self._added: set[tuple[str, str]] = set()

    async def sync(self) -> None:
        """One round over all nodes."""
        wanted = self._wanted()
        for node in await self._kube.list("/api/v1/nodes"):
            name = node["metadata"]["name"]
            if name in wanted:
                await self._keep(node, wanted[name])

    async def _keep(self, node: dict[str, Any], keys: frozenset[str]) -> None:
        """Read, change, write with the resourceVersion that was read; whoever was faster is respected and the node read again."""
        path = f"/api/v1/nodes/{node['metadata']['name']}"
        for _ in range(_TRIES):
            present = node["spec"].get("taints") or []
            taints = [taint for taint in present if taint["key"] not in OURS or taint["key"] in keys]
            added = keys - {taint["key"] for taint in taints}
            if not added and len(taints) == len(present):
                return
            now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            taints += [{"key": key, "effect": "NoSchedule", "timeAdded": now} for key in sorted(added)]
            version = node["metadata"]["resourceVersion"]
            try:
                await self._kube.merge(path, {"metadata": {"resourceVersion": version}, "spec": {"taints": taints}})
            except Conflict:
                node = await self._kube.get(path)
                continue
            self._count(node["metadata"]["name"], added, keys)
            return

    def _count(self, node: str, added: frozenset[str], keys: frozenset[str]) -> None:
        self.put_back += sum((node, key) in self._added for key in added)
        self._added = {(name, key) for name, key in self._added if name != node} | {(node, key) for key in keys}
