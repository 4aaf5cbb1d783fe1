"""Nodes and their taints. `spec.taints` is one atomic list: of five blind patches at a time one is left, so each write is conditional on what was
read, and tried again when somebody else was faster."""

import dataclasses
from collections.abc import Callable, Iterable

from siterecovery.kubevirt.clusters import base
from siterecovery.kubevirt.domain.names import FAILOVER_CONTROLLER, FORCE_IO_ERROR_TAINT
from siterecovery.kubevirt.domain.node import taints_of
from siterecovery.kubevirt.domain.resources import NODES, Object

_TRIES = 8


@dataclasses.dataclass(frozen=True)
class NodeTaint:
    node: str
    key: str
    effect: str
    value: str = ""


async def tainted(cluster: base.Cluster, keys: Iterable[str]) -> list[NodeTaint]:
    """All taints with one of these keys, now."""
    wanted = tuple(keys)
    listing = await cluster.list(NODES)
    return [_told(node, taint) for node in listing.items for taint in taints_of(node, wanted)]


async def remove_taints(cluster: base.Cluster, keys: Iterable[str]) -> list[NodeTaint]:
    """Removes them from every node; answers what it has removed, so that exactly that can be put back. An agent that set them may set them again."""
    wanted = tuple(keys)
    if FORCE_IO_ERROR_TAINT in wanted:
        raise ValueError(f"{FORCE_IO_ERROR_TAINT} says that a volume still fails its I/O: wait for it, never remove it")
    removed: list[NodeTaint] = []
    for node in (await cluster.list(NODES)).items:
        if found := taints_of(node, wanted):
            await _write(cluster, node, lambda taints: [item for item in taints if item.get("key") not in wanted])
            removed += [_told(node, taint) for taint in found]
    return removed


async def restore_taints(cluster: base.Cluster, taints: Iterable[NodeTaint]) -> None:
    """Puts back what was removed and is not there again. A node that is gone has nothing to put back."""
    for taint in taints:
        node = await cluster.find(NODES, taint.node)
        if node is not None:
            await _write(cluster, node, lambda there, taint=taint: _with(there, taint))  # type: ignore[misc]


def _with(there: list[Object], taint: NodeTaint) -> list[Object]:
    if any((item.get("key"), item.get("effect")) == (taint.key, taint.effect) for item in there):
        return there
    value = {"value": taint.value} if taint.value else {}
    return [*there, {"key": taint.key, "effect": taint.effect, **value}]


async def _write(cluster: base.Cluster, node: Object, change: Callable[[list[Object]], list[Object]]) -> None:
    for left in reversed(range(_TRIES)):
        before = (node.get("spec") or {}).get("taints") or []
        after = change(before)
        if after == before:
            return
        metadata = node["metadata"]
        patch = {"metadata": {"resourceVersion": metadata["resourceVersion"]}, "spec": {"taints": after}}
        try:
            await cluster.patch(NODES, metadata["name"], None, patch, manager=FAILOVER_CONTROLLER)
        except base.NotFound:
            return
        except base.Conflict:
            if not left:
                raise
            node = await cluster.get(NODES, metadata["name"])
        else:
            return


def _told(node: Object, taint: Object) -> NodeTaint:
    return NodeTaint(
        node["metadata"]["name"], str(taint["key"]), str(taint.get("effect", "")), str(taint.get("value", ""))
    )
