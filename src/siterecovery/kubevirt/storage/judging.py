"""The rules that hold for every backend: when a side has let go, when it may be started from, what a split brain is. Pure functions of states."""

from collections.abc import Iterable, Mapping, Sequence

from siterecovery.kubevirt.storage.base import Readiness, Reason, Release, SplitBrain, Sync
from siterecovery.kubevirt.storage.states import Connection, Disk, Replica, Role, VolumeState

States = Mapping[str, VolumeState]


def release(states: States, cluster: str) -> Release:
    """A node that belongs to no cluster that is known may be one of this cluster's. A volume without a replica there cannot be open there."""
    held, unknown = [], []
    for state in states.values():
        for replica in (*state.on(cluster), *(state.on("") if cluster else ())):
            if replica.role is Role.PRIMARY:
                held.append((state.volume, replica.node))
            elif replica.role is Role.UNKNOWN:
                unknown.append((state.volume, replica.node))
        if not state.exists:
            unknown.append((state.volume, ""))
    return Release(tuple(held), tuple(unknown))


def readiness(states: States, cluster: str, *, blind: bool, quorum: bool = True) -> Readiness:
    """`blind`: what cannot be known of other sides is no obstacle. `quorum`: the lack of it is one."""
    return Readiness(tuple(reason for state in states.values() for reason in _obstacles(state, cluster, blind, quorum)))


def needs_force(state: VolumeState, cluster: str) -> bool:
    """Whether only missing quorum keeps an UpToDate disk there from being promoted."""
    return not any(
        replica.disk is Disk.UP_TO_DATE and (replica.may_promote or replica.role is Role.PRIMARY)
        for replica in state.on(cluster)
        if replica.diskful
    )


def unrestorable(state: VolumeState) -> Reason | None:
    """Why the quorum of a forced volume has to stay off for now."""
    if not state.forced or state.in_sync():
        return None
    message = f"The quorum of volume {state.volume} stays off until all its replicas are connected and UpToDate."
    return Reason(state.volume, "NotInSync", message, unknown=any(not replica.answers for replica in state.disks()))


def split_brains(states: States) -> tuple[SplitBrain, ...]:
    return tuple(found for state in states.values() for found in _split(state))


def sync(states: States, cluster: str) -> Sync:
    reasons: list[Reason] = []
    percents: list[float] = []
    for state in states.values():
        disks = [replica for replica in state.on(cluster) if replica.diskful]
        percents += [_percent(replica) for replica in disks] or [0.0]
        reasons += _lagging(state, cluster, disks)
    return Sync(not reasons, min(percents, default=100.0), tuple(reasons))


def unprotected(states: States, clusters: Sequence[str]) -> Iterable[Reason]:
    """What keeps volumes from being protected, class rules aside: replicas missing or not UpToDate on one of the clusters, quorum off, nodes that
    belong to no cluster. Nothing: all is well."""
    for state in states.values():
        if not state.exists:
            yield _missing(state)
            continue
        for replica in state.replicas:
            if not replica.cluster:
                yield Reason(
                    state.volume,
                    "NodeOfNoCluster",
                    f"Volume {state.volume} has a replica on {replica.node}, which belongs to no cluster that is known: label its node.",
                )
        for cluster in clusters:
            yield from _side_problems(state, cluster)
        if state.quorum_policy == "off" and not state.forced:
            yield Reason(
                state.volume,
                "NoQuorum",
                f"Volume {state.volume} has no quorum: after an outage nothing in the storage keeps a second copy from running. "
                "Add a third voter (a tiebreaker on the quorum cluster).",
            )


def _obstacles(state: VolumeState, cluster: str, blind: bool, quorum: bool) -> Iterable[Reason]:
    if not state.exists:
        yield _missing(state)
        return
    rivals = list(_rivals(state, cluster, blind))
    yield from rivals
    disks = [replica for replica in state.on(cluster) if replica.diskful]
    good = [replica for replica in disks if replica.disk is Disk.UP_TO_DATE]
    if not good:
        yield _bad_disk(state, cluster, disks)
    elif quorum and not rivals and needs_force(state, cluster):
        yield _no_quorum(state, cluster, good)


def _rivals(state: VolumeState, cluster: str, blind: bool) -> Iterable[Reason]:
    """Other places where it is open, or may be. A cluster without any disk of it (a tiebreaker's) runs no VMs and need not answer."""
    sides = {replica.cluster for replica in state.disks()}
    for replica in state.replicas:
        if replica.cluster == cluster:
            continue
        if replica.role is Role.PRIMARY:
            yield Reason(
                state.volume,
                "InUseElsewhere",
                f"Volume {state.volume} is in use on {replica.node}{_of(replica)}: stop its VM there first.",
            )
        elif replica.role is Role.UNKNOWN and not blind and replica.cluster in sides:
            yield Reason(
                state.volume,
                "SourceUnknown",
                f"Nobody can tell whether volume {state.volume} is in use on {replica.node}{_of(replica)}: the node does not answer.",
                unknown=True,
            )


def _bad_disk(state: VolumeState, cluster: str, disks: Sequence[Replica]) -> Reason:
    volume = state.volume
    if not disks:
        return Reason(volume, "NotReplicated", f"Volume {volume} has no replica with a disk in {cluster}.")
    best = min(disks, key=lambda replica: list(Disk).index(replica.disk))
    where = f"Volume {volume} on {best.node} in {cluster}"
    match best.disk:
        case Disk.UNKNOWN:
            return Reason(volume, "TargetUnknown", f"{where}: the node does not answer.", unknown=True)
        case Disk.INCONSISTENT:
            done = f" ({best.sync_percent:.0f} % done)" if best.sync_percent is not None else ""
            return Reason(
                volume, "Inconsistent", f"{where} is Inconsistent, a copy only half filled{done}: wait for the resync."
            )
        case Disk.OUTDATED:
            return Reason(
                volume,
                "Outdated",
                f"{where} is Outdated: writes of the other side are missing. Reconnect the sites first.",
            )
        case _:
            return Reason(volume, "NotUpToDate", f"{where} is {best.disk}, not UpToDate.")


def _no_quorum(state: VolumeState, cluster: str, good: Sequence[Replica]) -> Reason:
    unknown = any(replica.may_promote is None for replica in good)
    return Reason(
        state.volume,
        "NoQuorum",
        f"Volume {state.volume} may not be promoted in {cluster}: {good[0].node} has no quorum (policy {state.quorum_policy or 'unknown'}).",
        unknown=unknown,
    )


def _split(state: VolumeState) -> Iterable[SplitBrain]:
    disks, told = state.disks(), set()
    for replica in disks:
        for peer in disks:
            pair = frozenset({replica.node, peer.node})
            if replica.connections.get(peer.node) is Connection.STAND_ALONE and pair not in told:
                told.add(pair)
                names = tuple(sorted(pair))
                message = f"Volume {state.volume}: split-brain, {names[0]} and {names[1]} have parted (StandAlone) and do not reconnect."
                yield SplitBrain(state.volume, names, message)
    used = state.used_on()
    if len({replica.cluster for replica in state.replicas if replica.node in used}) > 1:
        message = f"Volume {state.volume}: split-brain, Primary on {' and '.join(sorted(used))} at once."
        yield SplitBrain(state.volume, tuple(sorted(used)), message)


def _lagging(state: VolumeState, cluster: str, disks: Sequence[Replica]) -> Iterable[Reason]:
    volume = state.volume
    if not state.exists:
        yield _missing(state)
    elif state.problem:
        yield Reason(volume, "Failed", f"Volume {volume} could not be made: {state.problem}")
    elif not disks:
        yield Reason(volume, "NotReplicated", f"Volume {volume} has no replica with a disk in {cluster}.")
    for replica in disks:
        if replica.disk is not Disk.UP_TO_DATE:
            yield _bad_disk(state, cluster, [replica])
            continue
        for peer in state.disks():
            if peer.cluster != cluster and replica.connections.get(peer.node) is not Connection.CONNECTED:
                seen = replica.connections.get(peer.node, Connection.UNKNOWN)
                message = f"Volume {volume}: {replica.node} is not connected to {peer.node} ({seen})."
                yield Reason(volume, "NotConnected", message, unknown=seen is Connection.UNKNOWN)


def _side_problems(state: VolumeState, cluster: str) -> Iterable[Reason]:
    disks = [replica for replica in state.on(cluster) if replica.diskful]
    if not any(replica.disk is Disk.UP_TO_DATE for replica in disks):
        yield _bad_disk(state, cluster, disks)


def _percent(replica: Replica) -> float:
    if replica.disk is Disk.UP_TO_DATE:
        return 100.0
    return replica.sync_percent or 0.0


def _missing(state: VolumeState) -> Reason:
    return Reason(state.volume, "NoSuchVolume", f"There is no volume {state.volume} in the storage.")


def _of(replica: Replica) -> str:
    return f" in {replica.cluster}" if replica.cluster else ""
