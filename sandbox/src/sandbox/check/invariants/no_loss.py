"""2. A planned move loses no write; a forced one none that its recovery point holds; what it left behind stays until a person's cleanup."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

from sandbox.check.databases import Database, Row
from sandbox.check.picture import Picture
from sandbox.cloud.guests import IDENTITY
from sandbox.history import Event

_MOVES = ("failover", "failback")


def findings(picture: Picture) -> Iterator[str]:
    """Every move that committed."""
    for database, operation in picture.operations():
        if operation["type"] not in _MOVES or operation["status"] != "completed":
            continue
        left = _departures(picture, operation)
        for server, started in _arrivals(picture, operation["id"]).items():
            yield from _whole(started, server)
            if _forced(operation):
                yield from _since_recovery_point(picture, database, operation, started)
            else:
                yield from _since_stop(left, operation, started)
        if _forced(operation):
            yield from _deleted(picture, operation)


def _forced(operation: Row) -> bool:
    """A loss was accepted: by force, or by going back to what the first site still holds."""
    unreversed = operation["type"] == "failback" and not (operation["request"] or {}).get("reverse_replication")
    return bool(operation["force"]) or unreversed


def _arrivals(picture: Picture, operation_id: str) -> Mapping[str, Event]:
    """The first start of each server that the operation made and that stayed."""
    gone = picture.ledger.gone("server")
    first: dict[str, Event] = {}
    for event in picture.ledger.each("guest", "started"):
        mine = picture.ledger.key(event.id).startswith(f"{operation_id}/recreate_instances/")
        if mine and (event.id not in gone or not _undone_by(picture, operation_id, gone[event.id])):
            first.setdefault(event.id, event)
    return first


def _undone_by(picture: Picture, operation_id: str, deleted: Event) -> bool:
    """A forced operation takes back the one VM whose recovery failed; nobody counts on its content."""
    found = picture.operations_by_id[operation_id]
    entry = found[0].entries(operation_id).get(picture.ledger.key(deleted.id).partition("/")[2])
    return entry is not None and entry["state"] == "undone"


def _whole(started: Event, server_id: str) -> Iterator[str]:
    """All disks are of one instant, because the guest writes the same number to each of them."""
    held = {(disk["identity"], disk["generation"]) for disk in started.detail["volumes"]}
    if len(held) > 1:
        told = ", ".join(f"{disk['volume_id']} at {disk['generation']}" for disk in started.detail["volumes"])
        yield f"server {server_id} ({started.name}) was started from disks of different instants: {told}"


def _departures(picture: Picture, operation: Row) -> Mapping[int, list[Event]]:
    """What the guests that were to be moved did, by identity."""
    members = {member["instance_id"] for member in operation["plan"]["members"]}
    found: dict[int, list[Event]] = defaultdict(list)
    for event in picture.ledger.each("guest"):
        if event.id in members:
            found[event.detail["identity"]].append(event)
    return found


def _since_stop(left: Mapping[int, list[Event]], operation: Row, started: Event) -> Iterator[str]:
    identity, generation = started.detail["identity"], started.detail["generation"]
    who = f"{operation['type']} {operation['id']}: server {started.id} ({started.name})"
    before = [event for event in left.get(identity, ()) if event.seq < started.seq]
    if before and generation < before[-1].detail["generation"]:
        stopped = before[-1]
        yield f"{who} was started at generation {generation}, {stopped.id} had stopped at {stopped.detail['generation']}"
    elif not before and any(events[0].name == started.name for events in left.values()):
        yield f"{who} was started from a disk that is not its member's"


def _since_recovery_point(picture: Picture, database: Database, operation: Row, started: Event) -> Iterator[str]:
    chosen = database.entries(operation["id"]).get("get_latest_snapshot")
    held = _contents(picture, (chosen["value"] or {}) if chosen is not None else {})
    identity, generation = started.detail["identity"], started.detail["generation"]
    if held and identity not in held:
        yield f"{operation['type']} {operation['id']}: server {started.id} ({started.name}) is not in its recovery point"
    elif generation < held.get(identity, 0):
        yield (
            f"{operation['type']} {operation['id']}: server {started.id} ({started.name}) was started at generation "
            f"{generation}, its recovery point holds {held[identity]}"
        )


def _contents(picture: Picture, point: Row) -> dict[int, int]:
    """Generation by guest in a replicated group snapshot `<array>:<group>.<suffix>`; empty for volumes that were kept."""
    array, _, name = str(point.get("name", "")).partition(":")
    for event in picture.ledger.each("array_snapshot", "taken"):
        if event.name == name and event.detail["array"] == array:
            return {content // IDENTITY: content % IDENTITY for content in event.detail["members"].values() if content}
    return {}


def _deleted(picture: Picture, operation: Row) -> Iterator[str]:
    """KEEP_STALE: what the old primary holds goes only by a cleanup that named it."""
    cleaned = {
        entry["resource_id"]
        for _, other in picture.operations()
        for entry in (other["cleanup"] or {}).get("entries", ())
    }
    old = {volume["volume_id"]: volume["name"] for volume in operation["plan"]["volumes"]}
    for event in picture.ledger.each("volume", "deleted"):
        if (
            event.id in old
            and event.id not in cleaned
            and operation["plan"]["source_site_id"] != operation["plan"]["target_site_id"]
        ):
            yield (
                f"{operation['type']} {operation['id']} accepted a loss, and the old volume {event.id} ({old[event.id]}) on "
                f"{event.site} was deleted without a cleanup that named it"
            )
