"""`operation cleanup`: a person asks that what an ended operation left is removed. The same record, only what is left, repeated without harm."""

from typing import Any

from siterecovery.protector.steps import cleanup
from siterecovery.protector.steps.base import World
from siterecovery.workflow.flow import Flow, Phase, for_each, sequence


def operation(world: World) -> Flow:
    """Servers before volumes: a volume is free only when its server is gone. Each entry concerns itself only."""
    record: dict[str, Any] = world.operation.cleanup or {}
    entries = list(enumerate(record.get("entries", ())))
    servers = [(n, entry) for n, entry in entries if entry["resource_type"] == "server"]
    others = [(n, entry) for n, entry in entries if entry["resource_type"] != "server"]
    run = str(record.get("started_at", ""))
    body = sequence(
        *(
            for_each(
                some,
                lambda item: cleanup.CleanUp(world, f"cleanup/{run}/{item[0]}", item[0], item[1]),
                name=lambda item: f"cleanup/{run}/{item[0]}",
                limit=16,
            )
            for some in (servers, others)
        )
    )
    return Flow("cleanup", body, (Phase("cleanup"),), reversible=False)
