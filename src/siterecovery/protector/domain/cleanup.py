"""The record of a cleanup that a person asked for: what the client shows while it runs.

`{"status": running|completed|failed, "started_at", "completed_at", "skipped", "deleted", "failures", "retained", "entries": [{"step",
"resource_type", "resource_id", "site", "observed_status", "status": pending|running|done|skipped|failed, "error"}]}`. The API opens it
with what is known to be left; the engine keeps it.
"""

from typing import Any

from siterecovery.protector.domain.operation import FailedStep, Operation

_TYPES = {"vm": "server", "server": "server", "volume": "volume", "array": "array_volume"}


def opened(operation: Operation, *, now: str, site_name: str) -> dict[str, Any]:
    """What is left of the operation: its failed steps that name a resource. What is done already counts as skipped."""
    left = [step for step in operation.steps_failed if step.resource_id is not None]
    done = [step for step in operation.steps_completed if step.startswith("delete_")]
    return {
        "status": "running",
        "started_at": now,
        "completed_at": None,
        "skipped": len(done),
        "deleted": 0,
        "failures": 0,
        "retained": False,
        "entries": [_entry(step, site_name) for step in left],
    }


def is_running(operation: Operation) -> bool:
    return operation.cleanup_requested or (operation.cleanup or {}).get("status") == "running"


def _entry(step: FailedStep, site_name: str) -> dict[str, Any]:
    words = step.step.partition(":")[0].split("_")
    return {
        "step": step.step,
        "resource_type": next((_TYPES[word] for word in reversed(words) if word in _TYPES), "volume"),
        "resource_id": step.resource_id,
        "site": site_name,
        "observed_status": None,
        "status": "pending",
        "error": None,
    }
