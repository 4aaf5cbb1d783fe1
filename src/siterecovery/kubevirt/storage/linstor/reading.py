"""From LINSTOR's JSON to states. A satellite that is not ONLINE tells nothing: what the controller may still show of it is old."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from siterecovery.kubevirt.storage.linstor.marks import FORCED, QUORUM
from siterecovery.kubevirt.storage.linstor.settings import LinstorSettings
from siterecovery.kubevirt.storage.states import Connection, Disk, Replica, Role, VolumeState, majority

Json = Mapping[str, Any]
_SYNC_TARGET = re.compile(
    r"SyncTarget\((\d+(?:\.\d+)?)%\)"
)  # how some versions of LINSTOR show a disk that is being filled
_STAND_ALONE = "StandAlone"


def clusters_of(nodes: Iterable[Json], settings: LinstorSettings) -> dict[str, str]:
    """Node → cluster."""
    return {
        node["name"]: settings.clusters.get(node["name"]) or (node.get("props") or {}).get(settings.topology, "")
        for node in nodes
    }


def online(nodes: Iterable[Json]) -> frozenset[str]:
    return frozenset(node["name"] for node in nodes if node.get("connection_status") == "ONLINE")


def volume_state(
    name: str,
    definition: Json | None,
    resources: Iterable[Json],
    clusters: Mapping[str, str],
    answering: frozenset[str],
) -> VolumeState:
    """`definition` None: the controller knows no such volume."""
    if definition is None:
        return VolumeState(name, exists=False)
    props = definition.get("props") or {}
    policy = str(props.get(QUORUM, "off"))
    replicas = [
        _replica(resource, clusters.get(resource["node_name"], ""), resource["node_name"] in answering)
        for resource in resources
    ]
    judged = tuple(_with_quorum(replica, replicas, policy) for replica in replicas)
    return VolumeState(name, judged, policy, forced=FORCED in props)


def _replica(resource: Json, cluster: str, answers: bool) -> Replica:
    flags = set(resource.get("flags") or [])
    node, diskful = str(resource["node_name"]), not flags & {"DISKLESS", "DRBD_DISKLESS", "TIE_BREAKER"}
    state = resource.get("state")
    if not answers or not isinstance(state, dict):
        return Replica(node, cluster, diskful, answers=False)
    drbd = (resource.get("layer_object") or {}).get("drbd") or {}
    disk, percent = _disk(resource.get("volumes") or [])
    return Replica(
        node,
        cluster,
        diskful,
        role=_role(state.get("in_use")),
        disk=disk,
        sync_percent=percent,
        may_promote=drbd.get("may_promote"),
        connections={peer: _connection(seen) for peer, seen in (drbd.get("connections") or {}).items()},
    )


def _with_quorum(replica: Replica, replicas: Iterable[Replica], policy: str) -> Replica:
    """LINSTOR shows no quorum of its own; who may promote has it, for the rest the connections tell."""
    quorum = True if replica.may_promote else majority(replica, replicas, policy)
    return Replica(**{**vars(replica), "quorum": quorum})


def _role(in_use: Any) -> Role:
    return Role.UNKNOWN if in_use is None else Role.PRIMARY if in_use else Role.SECONDARY


def _connection(seen: Json) -> Connection:
    if seen.get("connected"):
        return Connection.CONNECTED
    return Connection.STAND_ALONE if seen.get("message") == _STAND_ALONE else Connection.CONNECTING


def _disk(volumes: Iterable[Json]) -> tuple[Disk, float | None]:
    """The worst volume of a resource counts; with the progress of its resync, if there is one."""
    worst, percent = Disk.UNKNOWN, None
    for index, volume in enumerate(volumes):
        state = volume.get("state") or {}
        disk, done = _one_disk(str(state.get("disk_state", "")), state.get("replication_states") or {})
        if index == 0 or list(Disk).index(disk) > list(Disk).index(worst):
            worst = disk
        percent = done if percent is None else min(percent, done or percent)
    return worst, percent


def _one_disk(shown: str, replication: Mapping[str, Json]) -> tuple[Disk, float | None]:
    if found := _SYNC_TARGET.fullmatch(shown):
        return Disk.INCONSISTENT, float(found[1])
    done = [
        float(peer.get("done_percentage") or 0.0)
        for peer in replication.values()
        if str(peer.get("replication_state", "")).upper().replace("_", "")
        in ("SYNCTARGET", "PAUSEDSYNCT", "PAUSEDSYNCTARGET")
    ]
    known = {str(disk): disk for disk in Disk}
    return known.get(shown, Disk.UNKNOWN), max(done, default=None)
