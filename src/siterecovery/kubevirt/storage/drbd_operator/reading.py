"""From DRBDVolume objects to states. Each cluster's object speaks for the replicas of its own cluster only.

A cluster that does not answer, an object without a report, and a report that nobody has renewed for a while are silent replicas.
"""

import datetime
from collections.abc import Mapping
from typing import Any

from siterecovery.kubevirt.domain.resources import Object
from siterecovery.kubevirt.storage.drbd_operator.objects import QUORUM_BEFORE, annotation
from siterecovery.kubevirt.storage.states import Connection, Disk, Replica, Role, VolumeState

Seen = Mapping[str, Mapping[str, Object] | None]
"""cluster → (handle → object); None for a cluster that did not answer."""


def volume_state(handle: str, seen: Seen, now: datetime.datetime, stale: float) -> VolumeState:
    """`stale` seconds without a new report and the operator is taken for dead. Whether a volume exists is known only when all clusters answered,
    or one of them has it."""
    objects = {cluster: found[handle] for cluster, found in seen.items() if found is not None and handle in found}
    if not objects:
        silent = [cluster for cluster, found in seen.items() if found is None]
        return VolumeState(
            handle, tuple(Replica(f"({cluster})", cluster, answers=False) for cluster in silent), exists=bool(silent)
        )
    planned = {
        (item["cluster"], item["node"]): item
        for volume in objects.values()
        for item in volume["spec"].get("replicas") or []
    }
    for cluster, volume in objects.items():
        if _unmade(volume):  # refused, and fresh: what was planned there is not there
            planned = {place: item for place, item in planned.items() if place[0] != cluster}
    reports: dict[tuple[str, str], Mapping[str, Any]] = {}
    for cluster, volume in objects.items():
        if _fresh(volume, now, stale):
            reports |= {
                (cluster, row["node"]): row
                for row in volume["status"].get("replicas") or []
                if row["cluster"] == cluster
            }
    disks = [place for place, item in planned.items() if not item.get("diskless")]
    replicas = [_replica(place, planned.get(place, {}), reports.get(place), disks) for place in planned | reports]
    policies = {str(volume["spec"].get("quorum", "majority")) for volume in objects.values()}
    forced = any(annotation(volume, QUORUM_BEFORE) is not None for volume in objects.values())
    problems = [
        f"{cluster}: {volume['status'].get('message')}" for cluster, volume in objects.items() if _failed(volume)
    ]
    return VolumeState(
        handle,
        tuple(replicas),
        "off" if "off" in policies else min(policies),
        forced=forced,
        problem="; ".join(problems),
    )


def _failed(volume: Object) -> bool:
    """Its operator says that it cannot be made as its spec wants it."""
    return (volume.get("status") or {}).get("phase") == "Failed"


def _unmade(volume: Object) -> bool:
    """And it has never had a replica there."""
    return _failed(volume) and not volume["status"].get("replicas")


def _fresh(volume: Object, now: datetime.datetime, stale: float) -> bool:
    stamp = (volume.get("status") or {}).get("lastObservedAt")
    if not stamp:
        return False
    return (now - datetime.datetime.fromisoformat(stamp)).total_seconds() <= stale


def _replica(
    place: tuple[str, str], planned: Mapping[str, Any], row: Mapping[str, Any] | None, disks: list[tuple[str, str]]
) -> Replica:
    cluster, node = place
    if row is None:
        return Replica(node, cluster, diskful=not planned.get("diskless"), answers=False)
    disk = _word(Disk, row.get("diskState"), Disk.UNKNOWN)
    role = _word(Role, row.get("role"), Role.UNKNOWN)
    connection = _word(Connection, row.get("connection"), Connection.UNKNOWN)
    quorum = row.get("quorum")
    percent = row.get("syncProgress")
    return Replica(
        node,
        cluster,
        diskful=disk is not Disk.DISKLESS,
        role=Role.PRIMARY if row.get("inUse") else role,
        disk=disk,
        sync_percent=float(percent) if percent is not None and disk is not Disk.UP_TO_DATE else None,
        quorum=quorum,
        may_promote=None if quorum is None else bool(quorum) and disk is Disk.UP_TO_DATE,
        # The operator tells one word for all disks elsewhere: the worst.
        connections={peer: connection for there, peer in disks if there != cluster},
    )


def _word(kind: Any, shown: Any, otherwise: Any) -> Any:
    return next((word for word in kind if str(word) == shown), otherwise)
