"""The record of a cleanup that a person asked for: what the client shows while it runs.

`{"status": running|completed|failed, "started_at", "completed_at", "skipped", "deleted", "failures", "retained", "entries": [{"step",
"resource_type", "resource_id", "site", "observed_status", "status": pending|running|done|skipped|failed, "error"}]}`. The API opens it
with what is known to be left; the engine keeps it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from siterecovery.protector.domain.member import CopyState, VolumeCopy
from siterecovery.protector.domain.operation import Operation
from siterecovery.protector.domain.plan import Plan
from siterecovery.protector.domain.states import OperationStatus

_TYPES = {"vm": "server", "server": "server", "volume": "volume", "array": "array_volume"}
FOR_A_PERSON = frozenset({CopyState.STALE, CopyState.RETAINED, CopyState.QUARANTINED})
"""Copies that no operation deletes by itself."""


def opened(
    operation: Operation,
    *,
    now: str,
    site_name: str,
    copies: Sequence[VolumeCopy] = (),
    site_names: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """What is left of the operation. Its failed steps that name a resource; then what it kept by design and only a person deletes: the
    volumes it retained, put into quarantine or owned up to have lost (`copies`), and the VMs of a site that a forced move left behind.
    What is done already counts as skipped; what an earlier clean-up deleted stays in the record."""
    gone = [{**entry, "status": "skipped"} for entry in (operation.cleanup or {}).get("entries", ()) if _over(entry)]
    left = [_entry(step.step, step.resource_id, site_name) for step in operation.steps_failed if step.resource_id]
    named = {entry["resource_id"] for entry in (*gone, *left)}
    kept = [*_left_servers(operation, site_name), *_kept_volumes(operation, copies, site_names or {})]
    told = {entry["step"] for entry in gone}
    done = [step for step in operation.steps_completed if step.startswith("delete_") and step not in told]
    return {
        "status": "running",
        "started_at": now,
        "completed_at": None,
        "skipped": len(done),
        "deleted": 0,
        "failures": 0,
        "retained": False,
        "entries": [*gone, *left, *(entry for entry in kept if entry["resource_id"] not in named)],
    }


def _over(entry: dict[str, Any]) -> bool:
    return entry["status"] in ("done", "skipped")


def _left_servers(operation: Operation, site_name: str) -> list[dict[str, Any]]:
    """A forced move stops the old site's VMs when it can reach them, and never deletes them."""
    moved = operation.force and operation.status is OperationStatus.COMPLETED
    if not moved or operation.source_site_id == operation.target_site_id:
        return []
    plan = Plan.from_json(operation.plan)
    return [_entry(f"delete_source_vm:{plan.labels[m.id]}", m.instance_id, site_name) for m in plan.members]


def _kept_volumes(
    operation: Operation, copies: Sequence[VolumeCopy], site_names: Mapping[str, str]
) -> list[dict[str, Any]]:
    labels = Plan.from_json(operation.plan).labels if copies else {}
    entries = []
    for copy in copies:
        if copy.operation_id != operation.id or copy.state not in FOR_A_PERSON:
            continue
        kind = "delete_source_volume" if copy.volume_id else "delete_array_volume"
        step = f"{kind}:{labels.get(copy.lineage_volume_id, copy.lineage_volume_id)}"
        entries.append(_entry(step, copy.volume_id or copy.array_volume_name, site_names.get(copy.site_id, "")))
    return entries


def is_running(operation: Operation) -> bool:
    return operation.cleanup_requested or (operation.cleanup or {}).get("status") == "running"


def _entry(step: str, resource_id: str | None, site_name: str) -> dict[str, Any]:
    words = step.partition(":")[0].split("_")
    return {
        "step": step,
        "resource_type": next((_TYPES[word] for word in words if word in _TYPES), "volume"),
        "resource_id": resource_id,
        "site": site_name,
        "observed_status": None,
        "status": "pending",
        "error": None,
    }
