"""3. No operation creates a thing twice, however often it was resumed; what was deleted again counts, unless the operation was undone."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import pairwise

from sandbox.check.arrays import COPY
from sandbox.check.clouds import KEY
from sandbox.check.picture import Picture
from sandbox.history import Event

_UNIQUE = {
    "sites": ("name",),
    "members": ("group_id", "instance_id"),
    "volumes": ("group_id", "volume_id"),
    "volume_copies": ("lineage_volume_id", "site_id", "epoch", "state"),
    "operations": ("group_id", "type", "request_id"),
}


def findings(picture: Picture) -> Iterator[str]:
    """Servers, volumes, ports, volume groups, array volumes, snapshots, records."""
    yield from _servers(picture)
    yield from _volumes(picture)
    yield from _ports(picture)
    yield from _named(picture)
    yield from _records(picture)


def _servers(picture: Picture) -> Iterator[str]:
    """A build that failed has made no server: its step puts it away and builds anew."""
    failed = {event.id for event in picture.ledger.each("server", "failed")}
    made: dict[str, list[Event]] = defaultdict(list)
    for event in picture.ledger.servers.values():
        key = event.detail["metadata"].get(KEY)
        if key and event.id not in failed:
            made[key].append(event)
    yield from _doubles(picture, "server", made)


def _volumes(picture: Picture) -> Iterator[str]:
    """Only a volume whose managing succeeded is one; the same copy of the array must not have two at a time."""
    created = {event.id: event for event in picture.ledger.each("volume", "created")}
    gone = picture.ledger.gone("volume")
    by_key: dict[str, list[Event]] = defaultdict(list)
    by_copy: dict[tuple[str, str], list[Event]] = defaultdict(list)
    for event in picture.ledger.each("volume", "managed"):
        by_copy[event.site, event.detail["reference"]].append(event)
        key = created[event.id].detail["metadata"].get(KEY)
        if key:
            by_key[key].append(event)
    yield from _doubles(picture, "managed volume", by_key)
    for (site, reference), events in by_copy.items():
        for one, other in pairwise(events):
            if one.id not in gone or gone[one.id].seq > other.seq:
                yield f"array volume {reference} of {site} was managed twice: as {one.id} and as {other.id}"


def _doubles(picture: Picture, kind: str, made: dict[str, list[Event]]) -> Iterator[str]:
    gone = picture.ledger.gone(kind.split()[-1])
    for key, events in made.items():
        found = picture.operation_of(key)
        undone = found is not None and found[1]["status"] == "failed"
        for one, other in pairwise(events):
            if not undone or one.id not in gone or gone[one.id].seq > other.seq:
                yield f"{key} made a {kind} twice on {other.site}: {one.id} and {other.id}"


def _ports(picture: Picture) -> Iterator[str]:
    for site in picture.sites.values():
        marked = [port for port in site.ports if port.description.startswith(f"{KEY}=")]
        for description, count in Counter(port.description for port in marked).items():
            if count > 1:
                ids = ", ".join(port.id for port in marked if port.description == description)
                yield f"{site.name} has {count} ports of {description.partition('=')[2]}: {ids}"


def _named(picture: Picture) -> Iterator[str]:
    """What carries its key as its name or description. A copy is renamed once it is managed, which sets its name free for a late call of a frozen
    engine: what that made has to be destroyed again. Without a take-over there is no such engine."""
    groups = [e for e in picture.ledger.each("volume_group", "created") if KEY in str(e.detail["description"])]
    yield from _repeated("volume group", [(e.site, str(e.detail["description"])) for e in groups])
    destroyed = picture.ledger.gone("array_volume")
    made = [e for e in picture.ledger.each("array_volume", "created") if COPY.match(e.name)]
    copies = [e for e in made if e.id not in destroyed or not _taken_over(picture, e.name)]
    yield from _repeated("array volume", [(e.site, e.name) for e in copies])
    taken = [e for e in picture.ledger.each("array_snapshot", "taken") if ".dr-" in e.name]
    yield from _repeated("array snapshot", [(e.site, e.name) for e in taken])


def _taken_over(picture: Picture, copy: str) -> bool:
    """Whether the operation in a copy's name was ever taken from an engine that had not handed it over."""
    end = copy.split("-")[2]
    rows = (row for id, (_, row) in picture.operations_by_id.items() if id.replace("-", "").endswith(end))
    return any(row["lease_taken_over_at"] is not None for row in rows)


def _repeated(kind: str, things: list[tuple[str, str]]) -> Iterator[str]:
    for (site, name), count in Counter(things).items():
        if count > 1:
            yield f"the {kind} {name} was created {count} times on {site}"


def _records(picture: Picture) -> Iterator[str]:
    for database in picture.databases.values():
        for table, columns in _UNIQUE.items():
            rows = [tuple(row[column] for column in columns) for row in database.rows(table)]
            for values, count in Counter(row for row in rows if None not in row).items():
                if count > 1:
                    told = ", ".join(f"{column} {value}" for column, value in zip(columns, values, strict=True))
                    yield f"{database.site}: {table} has {count} records with {told}"
