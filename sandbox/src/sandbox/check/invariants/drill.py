"""7. A drill does not disturb: while its servers are there, the primary's guests run on, and replication stays on."""

from __future__ import annotations

from collections.abc import Iterator

from sandbox.check.databases import Row
from sandbox.check.picture import Picture


def findings(picture: Picture) -> Iterator[str]:
    """Only drills with `retain_primary`; without it they pause the primary on purpose."""
    for _, operation in picture.operations():
        if operation["type"] != "test_failover" or not (operation["request"] or {}).get("retain_primary"):
            continue
        span = _span(picture, operation["id"])
        if span is not None:
            yield from _stopped(picture, operation, *span)
            yield from _unscheduled(picture, operation)


def _span(picture: Picture, operation_id: str) -> tuple[int, int] | None:
    """From the first thing the drill made to the last that went (or now)."""
    servers = {id for id in picture.ledger.servers if picture.ledger.key(id).startswith(f"{operation_id}/")}
    seqs = [event.seq for event in picture.ledger.events if event.id in servers]
    if not seqs:
        return None
    gone = picture.ledger.gone("server")
    over = servers <= gone.keys()
    return min(seqs), max(seqs) if over else len(picture.ledger.events)


def _stopped(picture: Picture, operation: Row, first: int, last: int) -> Iterator[str]:
    members = {member["instance_id"]: member["instance_name"] for member in operation["plan"]["members"]}
    for event in picture.ledger.each("guest", "stopped"):
        if event.id in members and first <= event.seq <= last:
            yield f"server {event.id} ({members[event.id]}) on {event.site} was stopped during the drill {operation['id']}"


def _unscheduled(picture: Picture, operation: Row) -> Iterator[str]:
    group = picture.groups.get(operation["group_id"])
    if group is None or group.row["active_test_operation_id"] != operation["id"] or group.generation is None:
        return
    array, name = picture.arrays.get(group.active), group.generation["source_group"]
    found = array.group(name) if array is not None and name else None
    if found is not None and not found.scheduled:
        yield f"{group}: replication of {name} is switched off while the drill {operation['id']} runs"
