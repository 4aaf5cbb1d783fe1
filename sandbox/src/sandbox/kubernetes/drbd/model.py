"""What there is: nodes, replicated resources, one replica of each per node, snapshots.

A guest's write raises the *generation* of every replica that has it, so that a test can tell which data came up. What DRBD
decides by its data generation identifiers is decided here by a replica's *history*: names of data sets, the present one last. Whose
present name lies in another's history is older than that one; where neither lies in the other's, the two have diverged.
"""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum


class Disk(StrEnum):
    """DRBD's disk states, as far as this world knows them."""

    UP_TO_DATE = "UpToDate"
    OUTDATED = "Outdated"
    INCONSISTENT = "Inconsistent"
    DISKLESS = "Diskless"


@dataclass
class Node:
    """One satellite. `name` is LINSTOR's and Kubernetes' alike; `pool` is empty for a node that only breaks ties.

    `answers` is the controller's connection to the satellite alone: without it DRBD goes on, and nobody at the controller knows how.
    """

    name: str
    cluster: str
    pool: str = "pool"
    answers: bool = True
    powered: bool = True
    props: dict[str, str] = field(default_factory=dict)
    uuid: str = field(default_factory=lambda: str(uuid.uuid4()))


@dataclass(frozen=True)
class Options:
    """DRBD's options as a satellite has applied them; a satellite that is offline keeps the old ones."""

    quorum: str = "off"
    on_no_quorum: str = "suspend-io"
    on_suspended_primary_outdated: str = "disconnect"
    rr_conflict: str = "disconnect"


@dataclass
class Sync:
    """A replica being filled from another one. `done` (0–1) was reached when `since` (seconds of the world's clock) began."""

    source: str
    since: float
    done: float = 0.0


@dataclass
class Replica:
    """One node's part of a resource. `openers` counts open devices: the first promotes, the last demotes."""

    node: str
    diskful: bool = True
    tiebreaker: bool = False
    temporary: bool = False
    disk: Disk = Disk.UP_TO_DATE
    openers: int = 0
    primary: bool = False
    quorum: bool = True
    force_io_failures: bool = False
    options: Options = field(default_factory=Options)
    generation: int = 0
    history: list[str] = field(default_factory=list)
    missed: set[str] = field(default_factory=set)
    standalone: set[str] = field(default_factory=set)
    sync: Sync | None = None
    uuid: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def current(self) -> str:
        """The name of the data set it holds; empty when it holds none."""
        return self.history[-1] if self.history else ""

    @property
    def votes_on_ties(self) -> bool:
        """Whether it is a diskless voter."""
        return not self.diskful and not self.temporary

    @property
    def suspended(self) -> bool:
        """Whether its writes wait for quorum."""
        return self.primary and not self.quorum and self.options.on_no_quorum == "suspend-io"


@dataclass
class Snapshot:
    """What each of some replicas held at one instant; `held` is node → (generation, history)."""

    name: str
    held: dict[str, tuple[int, list[str]]]
    taken_at: float = 0.0
    uuid: str = field(default_factory=lambda: str(uuid.uuid4()))


_minors = itertools.count(1000)


@dataclass
class Resource:
    """A volume on several nodes. `connected` holds pairs of node names; `props` are its resource definition's. Without
    `by_linstor` LINSTOR knows nothing of it: DRBD Operators made it."""

    name: str
    size_kib: int = 0
    group: str = "DfltRscGrp"
    props: dict[str, str] = field(default_factory=dict)
    replicas: dict[str, Replica] = field(default_factory=dict)
    connected: set[frozenset[str]] = field(default_factory=set)
    snapshots: dict[str, Snapshot] = field(default_factory=dict)
    connection_props: dict[frozenset[str], dict[str, str]] = field(default_factory=dict)
    cut: bool = False
    by_linstor: bool = True
    minor: int = field(default_factory=lambda: next(_minors))
    uuid: str = field(default_factory=lambda: str(uuid.uuid4()))

    def pairs(self) -> Iterator[tuple[Replica, Replica]]:
        """Every two replicas once; those with two disks first, because they decide what the others may see."""
        every = list(itertools.combinations(self.replicas.values(), 2))
        return iter(sorted(every, key=lambda pair: not (pair[0].diskful and pair[1].diskful)))

    def is_connected(self, one: str, other: str) -> bool:
        """Whether two nodes talk to each other about this resource."""
        return frozenset({one, other}) in self.connected

    def peers(self, node: str) -> list[Replica]:
        """The replicas directly connected to this one."""
        return [peer for name, peer in self.replicas.items() if name != node and self.is_connected(node, name)]

    def partition(self, node: str) -> set[str]:
        """Every node that can be reached from this one, over others too; itself included."""
        reached, edge = {node}, [node]
        while edge:
            for peer in self.peers(edge.pop()):
                if peer.node not in reached:
                    reached.add(peer.node)
                    edge.append(peer.node)
        return reached

    def primary_near(self, node: str) -> Replica | None:
        """The Primary in this node's partition, itself included."""
        return next((self.replicas[name] for name in self.partition(node) if self.replicas[name].primary), None)

    def diskful(self) -> list[Replica]:
        """The replicas that hold data."""
        return [replica for replica in self.replicas.values() if replica.diskful]


def new_data() -> str:
    """A name for a data set that nobody has had before."""
    return uuid.uuid4().hex[:16].upper()
