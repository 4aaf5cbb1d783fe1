"""The whole truth about a resource as JSON, for the control port and for independent checkers."""

from __future__ import annotations

from typing import Any

from sandbox.kubernetes.drbd.model import Resource
from sandbox.kubernetes.drbd.world import Drbd


def picture(drbd: Drbd, resource: Resource) -> dict[str, Any]:
    """Every replica with what DRBD itself knows, whether or not a controller hears of it."""
    return {
        "name": resource.name,
        "size_kib": resource.size_kib,
        "props": dict(resource.props),
        "cut": resource.cut,
        "connected": sorted(sorted(pair) for pair in resource.connected),
        "snapshots": {
            name: {node: held[0] for node, held in taken.held.items()} for name, taken in resource.snapshots.items()
        },
        "primaries": sorted(replica.node for replica in resource.replicas.values() if replica.primary),
        "replicas": {
            name: {
                "cluster": drbd.nodes[name].cluster,
                "diskful": replica.diskful,
                "tiebreaker": replica.tiebreaker,
                "role": "Primary" if replica.primary else "Secondary",
                "openers": replica.openers,
                "disk": str(replica.disk),
                "quorum": replica.quorum,
                "suspended": replica.suspended,
                "force_io_failures": replica.force_io_failures,
                "generation": replica.generation,
                "history": list(replica.history),
                "standalone": sorted(replica.standalone),
                "sync": round(drbd.progress(replica.sync) * 100, 2) if replica.sync else None,
                "quorum_option": replica.options.quorum,
            }
            for name, replica in resource.replicas.items()
        },
    }
