"""Whose word counts: nodes that respond, and the taints of those that have lost their quorum. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from siterecovery.kubevirt.domain.resources import Object


def unresponsive(nodes: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    """Nodes whose kubelet has gone silent (Ready is Unknown), or whose virt-handler has (KubeVirt then marks them unschedulable, after five
    minutes) while the kubelet does not say Ready either."""
    return frozenset(node["metadata"]["name"] for node in nodes if _silent(node))


def _silent(node: Mapping[str, Any]) -> bool:
    ready = next((item for item in (node.get("status") or {}).get("conditions") or () if item["type"] == "Ready"), None)
    if ready is not None and ready.get("status") == "Unknown":
        return True
    schedulable = (node["metadata"].get("labels") or {}).get("kubevirt.io/schedulable")
    return schedulable == "false" and (ready is None or ready.get("status") != "True")


def taints_of(node: Mapping[str, Any], keys: Iterable[str]) -> list[Object]:
    wanted = set(keys)
    return [dict(taint) for taint in (node.get("spec") or {}).get("taints") or () if taint.get("key") in wanted]
