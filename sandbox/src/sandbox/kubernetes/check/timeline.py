"""From what machines and disks have written down to spans of time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

from sandbox.kubernetes.check.picture import Object


@dataclass
class Span:
    """Something was so at a place from `begin` to `end` (infinite while it is so still), in seconds of the world's clock."""

    what: str
    place: str
    begin: float
    end: float = float("inf")
    id: str = ""
    disks: Mapping[str, int] = field(default_factory=dict)

    def overlap(self, other: Span) -> tuple[float, float] | None:
        begin, end = max(self.begin, other.begin), min(self.end, other.end)
        return (begin, end) if begin < end else None

    def within(self, begin: float, end: float) -> bool:
        """It was so for all of that time."""
        return self.begin <= begin and end <= self.end


def runs(cluster: str, events: Sequence[Object]) -> list[Span]:
    """Each run of each guest of one cluster; `id` is its instance's."""
    open_: dict[str, Span] = {}
    every: list[Span] = []
    for event in events:
        if event["kind"] != "guest":
            continue
        detail = event["detail"]
        if event["event"] == "started":
            span = Span(event["name"], cluster, event["time"], id=event["id"], disks=detail["disks"])
            open_[event["id"]] = span
            every.append(span)
        elif event["id"] in open_:
            span = open_.pop(event["id"])
            span.end, span.disks = event["time"], detail["disks"]
    return every


def writable(events: Sequence[Object], places: Mapping[str, str]) -> list[Span]:
    """When each replica was Primary and had quorum, so that a guest above it could write; `id` is the node."""
    primary: dict[str, bool] = defaultdict(bool)
    quorum: dict[str, bool] = defaultdict(lambda: True)
    open_: dict[str, Span] = {}
    every: list[Span] = []
    for event in events:
        if event["kind"] != "replica" or event["event"] not in ("promoted", "demoted", "quorum", "no_quorum"):
            continue
        volume, _, node = event["id"].rpartition("/")
        if event["event"] in ("promoted", "demoted"):
            primary[event["id"]] = event["event"] == "promoted"
        else:
            quorum[event["id"]] = event["event"] == "quorum"
        may = primary[event["id"]] and quorum[event["id"]]
        if may and event["id"] not in open_:
            open_[event["id"]] = span = Span(volume, places.get(node, node), event["time"], id=node)
            every.append(span)
        elif not may and event["id"] in open_:
            open_.pop(event["id"]).end = event["time"]
    return every


def meetings(spans: Sequence[Span]) -> Iterator[tuple[Span, Span, float, float]]:
    """Every two of the same thing that were so at the same time, the earlier first."""
    by_thing: dict[str, list[Span]] = defaultdict(list)
    for span in spans:
        by_thing[span.what].append(span)
    for own in by_thing.values():
        for one, other in combinations(sorted(own, key=lambda span: span.begin), 2):
            met = one.overlap(other)
            if met is not None:
                yield one, other, *met
