"""Journal entries as they stand in a Failover's status. Pure.

A step's entry is a row of `status.steps`, which people read. What is only the runner's own business (names that begin with `#`: the decision to go
back, items that were given up) is a condition instead: `#undo` is `Undoing`, `#undo:item` is `GivenUp:item`. So one conditional write keeps both."""

import json
from collections.abc import Mapping
from typing import Any

from siterecovery.kubevirt.crds.failover import MOST_RESULT, MOST_STEPS
from siterecovery.kubevirt.domain.resources import Object
from siterecovery.workflow.journal import Entry, State
from siterecovery.workflow.record import UNDO
from siterecovery.workflow.step import JSON, Refused

MOST_MESSAGE = 512
MOST_CONDITION = 4096
_UNDOING, _GIVEN_UP = "Undoing", "GivenUp:"
_ENDED = frozenset({State.DONE, State.FAILED, State.UNDONE, State.UNDO_FAILED})
_CUT = " …"


class Oversized(Refused):
    """A step answered more than a row may hold: per-VM detail belongs elsewhere."""


def load(status: Mapping[str, Any]) -> dict[str, Entry]:
    """All entries, steps in the order of their first write."""
    entries = [_entry_of_row(row) for row in status.get("steps") or ()]
    entries += [_entry_of(item) for item in status.get("conditions") or () if _internal_name(item["type"])]
    return {entry.step: entry for entry in entries}


def put(status: Object, entry: Entry, now: str) -> None:
    """Writes the entry into `status` in place. Raises Oversized, and then nothing was changed."""
    if entry.step.startswith("#"):
        kind = _condition_type(entry.step)
        others = [item for item in status.get("conditions") or () if item["type"] != kind]
        status["conditions"] = [*others, _condition(entry, kind, now)]
        return
    rows = list(status.get("steps") or ())
    place = next((index for index, row in enumerate(rows) if row["name"] == entry.step), len(rows))
    if place >= MOST_STEPS:
        raise Oversized(f"a Failover keeps at most {MOST_STEPS} steps: {entry.step} is one too many")
    rows[place : place + 1] = [_row(entry, rows[place] if place < len(rows) else {}, now)]
    status["steps"] = rows


def cut(text: str, most: int) -> str:
    """No longer than `most`; what was cut shows."""
    return text if len(text) <= most else text[: most - len(_CUT)] + _CUT


def _row(entry: Entry, before: Mapping[str, Any], now: str) -> Object:
    row: Object = {"name": entry.step, "state": str(entry.state), "startedAt": before.get("startedAt") or now}
    if entry.state in _ENDED:
        row["completedAt"] = now
    if entry.value is not None:
        row["result"] = _written(entry.step, entry.value)
    if entry.error:
        row["message"] = cut(entry.error, MOST_MESSAGE)
    if entry.resource_id:
        row["resourceId"] = cut(entry.resource_id, 253)
    return row


def _written(step: str, value: JSON) -> str:
    text = json.dumps(value, separators=(",", ":"), sort_keys=True)
    if len(text) > MOST_RESULT:
        raise Oversized(f"the answer of step {step} is longer than the {MOST_RESULT} characters a row keeps")
    return text


def _entry_of_row(row: Mapping[str, Any]) -> Entry:
    value = json.loads(row["result"]) if row.get("result") is not None else None
    return Entry(row["name"], State(row["state"]), value, row.get("message"), row.get("resourceId"))


def _condition_type(step: str) -> str:
    return _UNDOING if step == UNDO else _GIVEN_UP + step.removeprefix(UNDO + ":")


def _internal_name(kind: str) -> str | None:
    if kind == _UNDOING:
        return UNDO
    return f"{UNDO}:{kind.removeprefix(_GIVEN_UP)}" if kind.startswith(_GIVEN_UP) else None


def _condition(entry: Entry, kind: str, now: str) -> Object:
    return {
        "type": kind,
        "status": "True" if entry.state is State.STARTED else "False",
        "reason": entry.state.name.title().replace("_", ""),
        "message": cut(entry.error or "", MOST_CONDITION),
        "lastTransitionTime": now,
    }


def _entry_of(condition: Mapping[str, Any]) -> Entry:
    step = _internal_name(condition["type"])
    state = next(state for state in State if state.name.title().replace("_", "") == condition["reason"])
    return Entry(step or condition["type"], state, None, condition.get("message") or None)
