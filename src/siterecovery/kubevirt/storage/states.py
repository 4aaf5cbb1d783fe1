"""The words of the storage promise: what is known of a volume's replicas, per node, and summed up per side (cluster). Plain values, no I/O.

*Unknown* is a value of its own everywhere: a node that does not answer is neither unused nor gone.
"""

import dataclasses
import enum
from collections.abc import Iterable, Mapping


class Role(enum.StrEnum):
    PRIMARY = "Primary"
    """Somebody holds the device open for writing."""
    SECONDARY = "Secondary"
    UNKNOWN = "Unknown"


class Disk(enum.StrEnum):
    """DRBD's disk states; only UpToDate may be started from."""

    UP_TO_DATE = "UpToDate"
    CONSISTENT = "Consistent"
    """Whole, but nobody knows whether it is the newest."""
    OUTDATED = "Outdated"
    """Whole, and known to lack writes."""
    INCONSISTENT = "Inconsistent"
    """Half filled."""
    FAILED = "Failed"
    DISKLESS = "Diskless"
    UNKNOWN = "DUnknown"


class Connection(enum.StrEnum):
    CONNECTED = "Connected"
    CONNECTING = "Connecting"
    """Not connected; DRBD goes on trying."""
    STAND_ALONE = "StandAlone"
    """Not connected, and nobody tries: after a split brain, or between two Primaries."""
    UNKNOWN = "Unknown"


@dataclasses.dataclass(frozen=True)
class Replica:
    """One node's part of a volume. `cluster` is empty when the node belongs to none that is known. `connections` has one entry per peer node."""

    node: str
    cluster: str
    diskful: bool = True
    answers: bool = True
    role: Role = Role.UNKNOWN
    disk: Disk = Disk.UNKNOWN
    sync_percent: float | None = None
    quorum: bool | None = None
    may_promote: bool | None = None
    connections: Mapping[str, Connection] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Side:
    """A volume in one cluster. `disk` is its best one, `connection` its worst one to a disk elsewhere; `unknown` when any of its nodes
    does not answer (`silent` names them) or when there is nothing to ask."""

    volume: str
    cluster: str
    role: Role
    disk: Disk
    connection: Connection
    quorum: bool | None
    in_use: bool | None
    unknown: bool
    may_promote: bool | None = None
    sync_percent: float | None = None
    nodes: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class VolumeState:
    """`exists` False: whoever was asked has answered that there is no such volume. `quorum_policy` is what is configured (`majority`, `off`, …).
    `forced`: its quorum was switched off by us, and is to be restored. `problem`: why the backend could not make it as it was asked to."""

    volume: str
    replicas: tuple[Replica, ...] = ()
    quorum_policy: str = ""
    exists: bool = True
    forced: bool = False
    problem: str = ""

    def on(self, cluster: str) -> tuple[Replica, ...]:
        return tuple(replica for replica in self.replicas if replica.cluster == cluster)

    def disks(self) -> tuple[Replica, ...]:
        return tuple(replica for replica in self.replicas if replica.diskful)

    def side(self, cluster: str) -> Side:
        here = self.on(cluster)
        disks = [replica for replica in here if replica.diskful]
        elsewhere = [replica.node for replica in self.disks() if replica.cluster != cluster]
        silent = tuple(replica.node for replica in here if not replica.answers)
        best = min(disks, key=_rank, default=None)
        role = summed_role(replica.role for replica in here)
        return Side(
            volume=self.volume,
            cluster=cluster,
            role=role if here else Role.UNKNOWN,
            disk=best.disk if best else Disk.UNKNOWN,
            connection=_worst(found.connections.get(node, Connection.UNKNOWN) for found in disks for node in elsewhere),
            quorum=_any_of(replica.quorum for replica in disks),
            in_use=None if not here or role is Role.UNKNOWN else role is Role.PRIMARY,
            unknown=not here or bool(silent) or role is Role.UNKNOWN,
            may_promote=_any_of(replica.may_promote for replica in disks),
            sync_percent=best.sync_percent if best else None,
            nodes=tuple(replica.node for replica in here),
            silent=silent,
        )

    def used_on(self, outside: str = "") -> tuple[str, ...]:
        """The nodes on which it is certainly open, those of the cluster `outside` left out."""
        return tuple(r.node for r in self.replicas if r.role is Role.PRIMARY and (not outside or r.cluster != outside))

    def in_sync(self) -> bool:
        """Every disk answers, is up to date and connected to every other one."""
        disks = self.disks()
        return bool(disks) and all(
            replica.disk is Disk.UP_TO_DATE
            and all(replica.connections.get(peer.node) is Connection.CONNECTED for peer in disks if peer is not replica)
            for replica in disks
        )


def summed_role(roles: Iterable[Role]) -> Role:
    """One Primary makes a side Primary, whatever else is not known; otherwise one unknown makes it unknown."""
    found = set(roles)
    return next((role for role in (Role.PRIMARY, Role.UNKNOWN) if role in found), Role.SECONDARY)


def majority(replica: Replica, replicas: Iterable[Replica], policy: str) -> bool | None:
    """Whether a replica should have quorum, as far as its connections tell; for backends that do not say. None when it does not answer.

    DRBD: a majority of the disks, oneself included; diskless voters only break ties, for a node that has not lost quorum before, which
    cannot be seen from outside. So True may be too good; whether a promotion is allowed is another question (`may_promote`).
    """
    if not replica.answers:
        return None
    if policy == "off":
        return True
    others = [other for other in replicas if other is not replica]
    seen = [other for other in others if replica.connections.get(other.node) is Connection.CONNECTED]
    voters = 1 + sum(other.diskful for other in others)
    present = 1 + sum(other.diskful for other in seen)
    needed = voters if policy == "all" else voters // 2 + 1
    ties = sum(not other.diskful for other in others)
    tie = (
        policy == "majority"
        and voters % 2 == 0
        and present == needed - 1
        and sum(not other.diskful for other in seen) > ties // 2
    )
    return present >= needed or (tie and ties > 0)


def _rank(replica: Replica) -> int:
    return list(Disk).index(replica.disk)


def _worst(found: Iterable[Connection]) -> Connection:
    order = (Connection.STAND_ALONE, Connection.CONNECTING, Connection.UNKNOWN, Connection.CONNECTED)
    return min(found, key=order.index, default=Connection.UNKNOWN)


def _any_of(found: Iterable[bool | None]) -> bool | None:
    """True if any is; None when none is but some are unknown, or there are none."""
    values = list(found)
    return True if True in values else False if values and None not in values else None
