"""The arrays of a world and the links between them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations

from sandbox.array.array import Array
from sandbox.array.replication import Replication
from sandbox.array.schedule import Schedules
from sandbox.array.settings import Settings
from sandbox.clock import Clock
from sandbox.faults import Faults
from sandbox.history import History


@dataclass
class Link:
    """Two linked arrays. `bandwidth` (bytes/s, shared by all transfers of one direction) None means that every
    transfer simply takes `transfer_seconds`. `frozen` lets the arrays talk while transfers stand still."""

    kind: str = "async-replication"
    up: bool = True
    frozen: bool = False
    bandwidth: float | None = None
    transfer_seconds: float = 1.0


class Fabric:
    """One per world. Arrays are keyed by lower-case name; links stall on faults by themselves."""

    def __init__(self, clock: Clock, faults: Faults) -> None:
        self.clock = clock
        self.faults = faults
        self.history = History(clock)
        self.arrays: dict[str, Array] = {}
        self._links: dict[frozenset[str], Link] = {}
        self.replication = Replication(self)
        self.schedules = Schedules(self)
        faults.listen(self.changed)
        faults.listen(self._note_faults)

    def add(self, name: str, site: str | None = None, settings: Settings | None = None) -> Array:
        """A new array; `site` is its failure domain, by default one of its own."""
        if name.lower() in self.arrays:
            raise ValueError(f"there is an array {name!r} already")
        array = self.arrays[name.lower()] = Array(self, name, site or name, settings)
        return array

    def connect(self, one: str, other: str, kind: str = "async-replication") -> Link:
        """Link two arrays, in both directions."""
        pair = frozenset({self.arrays[one.lower()].name, self.arrays[other.lower()].name})
        if len(pair) != 2:
            raise ValueError("a link needs two different arrays")
        return self._links.setdefault(pair, Link(kind))

    def connect_all(self, names: Iterable[str] | None = None) -> None:
        """Link every pair."""
        for one, other in combinations(names or [array.name for array in self.arrays.values()], 2):
            self.connect(one, other)

    def link(self, one: Array, other: Array) -> Link:
        """The link of two linked arrays."""
        return self._links[frozenset({one.name, other.name})]

    def peers(self, array: Array) -> list[Array]:
        """The arrays linked with this one."""
        return [a for a in self.arrays.values() if frozenset({a.name, array.name}) in self._links]

    def connected(self, one: Array, other: Array) -> bool:
        """Whether the link carries anything now: it is up, both stand, their sites see each other."""
        return (
            self.link(one, other).up
            and not one.down
            and not other.down
            and not self.faults.is_cut(one.site, other.site)
        )

    def _note_faults(self) -> None:
        """A site that is lost, or cannot see the other one, explains what happens next."""
        cut = sorted(sorted(pair) for pair in self.faults.cut)
        self.history.of("")("faults", "changed", "", down=sorted(self.faults.down), cut=cut)

    def changed(self) -> None:
        """Links came or went: stalled work goes on, running work stalls. Whoever edits a Link calls this."""
        self.replication.refresh()
