"""5. With an engine running again every operation reaches an end, and takes its hold, claim and lease with it."""

from __future__ import annotations

from collections.abc import Iterator

from sandbox.check.databases import TERMINAL, Database, Row
from sandbox.check.picture import Picture

_PASSING = {
    "protection_groups": ("creating", "failing_over", "failing_back", "deleting"),
    "members": ("adding", "recovering", "removing"),
    "policies": ("applying",),
}


def findings(picture: Picture) -> Iterator[str]:
    """Nothing is asked of a world that is still moving."""
    if not picture.settled:
        return
    for database in picture.databases.values():
        for operation in database.rows("operations"):
            yield from _of_operation(database, operation)
        for group in database.rows("protection_groups"):
            yield from _of_group(database, group)
        for table, states in _PASSING.items():
            for row in database.rows(table):
                if row["status"] in states:
                    name = row.get("name") or row.get("instance_name") or row.get("group_id")
                    yield f"{database.site}: {table} {name} ({row.get('id') or row['group_id']}) is still {row['status']}"


def _of_operation(database: Database, operation: Row) -> Iterator[str]:
    who = f"{database.site}: {operation['type']} {operation['id']}"
    if operation["status"] not in TERMINAL:
        yield f"{who} is still {operation['status']}, in step {operation['current_step']}"
        return
    if operation["lease_owner"] is not None and (operation["lease_expires_at"] or 0) > database.now_us:
        yield f"{who} has ended {operation['status']}, and {operation['lease_owner']} still holds its lease"
    if operation["open"]:
        yield f"{who} has ended {operation['status']}, and is still open for engines"
    if (operation["cleanup"] or {}).get("status") == "running" or operation["cleanup_requested"]:
        yield f"{who} has a cleanup that has not ended"


def _of_group(database: Database, group: Row) -> Iterator[str]:
    who = f"{database.site}: group {group['name']} ({group['id']})"
    if group["hold_operation_id"] is not None:
        yield f"{who} is still held by operation {group['hold_operation_id']}"
    if group["remote_hold"] is not None:
        yield f"{who} is still held by the peer's operation {group['remote_hold']}"
    if (group["claim"] or {}).get("state") == "open":
        yield f"{who} has an open claim of epoch {group['claim']['epoch']} by operation {group['claim']['operation_id']}"
