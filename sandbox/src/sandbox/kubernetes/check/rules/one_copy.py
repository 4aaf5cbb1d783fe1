"""No VM runs on both sides, nor twice on one: not now, and never before.

A guest whose disk takes no write (its side has lost quorum) executes nothing that counts, which is how DRBD fences a source that nobody can reach:
beside it the other side may start. A VM without such a disk has no such excuse."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from sandbox.kubernetes.check.picture import Picture
from sandbox.kubernetes.check.timeline import Span, meetings, runs, writable


def findings(picture: Picture) -> Iterator[str]:
    yield from _ever(picture)
    yield from _now(picture)


def _ever(picture: Picture) -> Iterator[str]:
    spans = [span for side in picture.sides.values() for span in runs(side.name, side.events)]
    spans = [span for span in spans if picture.judged(span.what.partition("/")[0])]
    written: dict[tuple[str, str], list[Span]] = defaultdict(list)
    for span in writable(picture.disk_events, picture.clusters_of_nodes):
        written[span.what, span.place].append(span)
    for one, other, begin, end in meetings(spans):
        if one.what.partition("/")[2] in picture.excused or _fenced(one, written, begin, end):
            continue
        lasted = f"for {end - begin:.1f} s" if end != float("inf") else "and still does"
        yield f"VM {one.what} ran on {one.place} ({one.id}) while it was started on {other.place} ({other.id}), {lasted}"


def _fenced(span: Span, written: dict[tuple[str, str], list[Span]], begin: float, end: float) -> bool:
    """One of its disks took no write during all of that time."""
    return any(not any(one.begin < end and begin < one.end for one in written[disk, span.place]) for disk in span.disks)


def _now(picture: Picture) -> Iterator[str]:
    sides = [side for side in picture.sides.values() if side.guests is not None or side.instances or side.launchers]
    for what, there in (("a guest", "executing"), ("an instance or a launcher", "occupied")):
        seen: dict[tuple[str, str], list[str]] = defaultdict(list)
        for side in sides:
            for key in getattr(side, there):
                if picture.judged(key[0]) and key[1] not in picture.excused:
                    seen[key].append(side.name)
        yield from _twice(what, seen)


def _twice(what: str, seen: dict[tuple[str, str], list[str]]) -> Iterator[str]:
    for (namespace, name), places in seen.items():
        clusters: Sequence[str] = sorted(places)
        if len(clusters) > 1:
            yield f"VM {namespace}/{name} has {what} on {' and on '.join(clusters)}"
