"""`operation cleanup`: a person asks that what an ended operation left is removed. The same record, only what is left, repeated without harm."""

from typing import Any

from siterecovery.protector.steps import cleanup
from siterecovery.protector.steps.base import World
from siterecovery.workflow.flow import Flow, Node, Phase, attempt, for_each, sequence


def operation(world: World) -> Flow:
    """Servers before volumes: a volume is free only when its server is gone. Each entry concerns itself only."""
    record: dict[str, Any] = world.operation.cleanup or {}
    entries = [item for item in enumerate(record.get("entries", ())) if item[1]["status"] != "skipped"]
    run = f"cleanup/{record.get('started_at', '')}"
    body = sequence(
        _deleted(world, run, [item for item in entries if item[1]["resource_type"] == "server"]),
        *_left_groups(world, run, [entry for _, entry in entries if entry["resource_type"] == "volume"]),
        _deleted(world, run, [item for item in entries if item[1]["resource_type"] != "server"]),
    )
    return Flow("cleanup", body, (Phase("cleanup"),), reversible=False)


def _deleted(world: World, run: str, items: list[tuple[int, dict[str, Any]]]) -> Node:
    return for_each(
        items,
        lambda item: cleanup.CleanUp(world, f"{run}/{item[0]}", item[0], item[1]),
        name=lambda item: f"{run}/{item[0]}",
        limit=16,
    )


def _left_groups(world: World, run: str, entries: list[dict[str, Any]]) -> list[Node]:
    by_site: dict[str, list[str]] = {}
    for entry in entries:
        by_site.setdefault(cleanup.site_of(world, entry), []).append(entry["resource_id"])
    return [
        attempt(cleanup.LeaveGroup(world, f"{run}/leave_group/{site_id}", site_id, ids))
        for site_id, ids in by_site.items()
    ]
