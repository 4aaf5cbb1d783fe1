"""Every Failover ends, its record agrees with the world, and its audit trail is complete."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sandbox.kubernetes.check.picture import FINAL, Group, Object, Picture, key_of, rows_of, status_of

_DONE = frozenset({"done"})
_TAKEN_BACK = frozenset({"undone", "undo_failed", "failed", "done"})
_TALES = {"raise_epoch": "AuthorityMoved"}
_MOVES = ("planned", "unplanned")


def findings(picture: Picture) -> Iterator[str]:
    for side, item in picture.failovers():
        status, who = status_of(item), f"Failover {key_of(item)[1]} on {side.name}"
        if status.get("phase") in FINAL:
            yield from _ended(who, item, status)
        elif picture.settled and not (status.get("message") or "").startswith("Not carried out here"):
            yield f"{who} has not ended: {status.get('phase')}, {status.get('message')}"
    for group in picture.groups.values():
        yield from _agrees(group)


def _ended(who: str, item: Object, status: Mapping[str, Any]) -> Iterator[str]:
    phase, message, rows = status["phase"], status.get("message") or "", rows_of(item)
    if not message.strip():
        yield f"{who} is {phase} and does not say why"
    if "Traceback" in message or "Internal error" in message:
        yield f"{who} shows an error of the program instead of a sentence: {message}"
    if not status.get("completedAt") or str(status.get("startedAt") or "") > str(status["completedAt"]):
        yield f"{who} is {phase} from {status.get('startedAt')} to {status.get('completedAt')}"
    allowed = _DONE if phase == "Succeeded" else _TAKEN_BACK
    wrong = [f"{name} {row['state']}" for name, row in rows.items() if row["state"] not in allowed]
    if wrong:
        yield f"{who} is {phase}, and its journal says {', '.join(wrong)}"
    if phase == "Succeeded" and (status.get("progress") != 100 or not rows):
        yield f"{who} is Succeeded at {status.get('progress')} % with {len(rows)} steps"
    for name, row in rows.items():
        if row["state"] == "undo_failed" and name not in message:
            yield f"{who}: {name} could not be taken back, and the message does not say so"
    yield from _trail(who, status, rows)


def _trail(who: str, status: Mapping[str, Any], rows: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    history = status.get("history") or []
    reasons = [entry["reason"] for entry in history]
    if not history or reasons[-1] != status["phase"]:
        yield f"{who}: the last word of its history is {reasons[-1] if reasons else 'missing'}, not {status['phase']}"
        return
    if (status.get("epoch") or 0) > 0 and "Accepted" not in reasons and len(history) < 100:
        yield f"{who}: its history does not tell that it was accepted"
    if (status.get("epoch") or 0) > 1 and "Resumed" not in reasons and len(history) < 100:
        yield f"{who}: it was taken over, and its history does not tell"
    times = [entry["time"] for entry in history]
    if times != sorted(times):
        yield f"{who}: its history is not in the order of time"
    for step, tale in _TALES.items():
        if (rows.get(step) or {}).get("state") == "done" and tale not in reasons and not _idle(rows):
            yield f"{who}: {step} is done, and its history does not tell ({tale})"
    unsealed = [
        name for name, row in rows.items() if not row.get("completedAt") or row["completedAt"] < row["startedAt"]
    ]
    if unsealed:
        yield f"{who}: {', '.join(unsealed)} has no beginning or no end"


def _idle(rows: Mapping[str, Mapping[str, Any]]) -> bool:
    """The group was where it should go."""
    return bool(((rows.get("locate_virtual_machines") or {}).get("result") or {}).get("already"))


def _agrees(group: Group) -> Iterator[str]:
    """The group's authority is what its moves say; the copies know the last of them."""
    raised = []
    ended = []
    for item in group.picture.moves_of(group.key):
        if status_of(item).get("phase") not in FINAL or item["spec"].get("type", "planned") not in _MOVES:
            continue
        row = rows_of(item).get("raise_epoch") or {}
        epoch = (row.get("result") or {}).get("epoch")
        if row.get("state") == "done" and epoch:
            raised.append((int(epoch), item))
        if row:
            ended.append(item)
    if raised:
        yield from _newest(group, *max(raised, key=lambda pair: pair[0]))
    if ended and group.picture.settled:
        yield from _last(group, ended)


def _newest(group: Group, epoch: int, item: Object) -> Iterator[str]:
    name, target = key_of(item)[1], group.picture.canonical(item["spec"]["targetCluster"])
    if group.epoch < epoch:
        yield f"{group} is at epoch {group.epoch}, and Failover {name} has raised it to {epoch}"
    elif group.epoch == epoch and group.active != target:
        yield f"Failover {name} has moved {group} to {target}, which says it is active on {group.active}"


def _last(group: Group, ended: list[Object]) -> Iterator[str]:
    """Of two in one second either may be the last."""
    latest = max(str(status_of(item)["completedAt"]) for item in ended)
    names = {key_of(item)[1] for item in ended if str(status_of(item)["completedAt"]) == latest}
    copy = group.copies.get(group.active)
    told = (status_of(copy).get("lastFailover") or {}) if copy is not None else {}
    if copy is not None and told.get("name") not in names:
        yield f"{group} on {group.active} says its last failover was {told.get('name')}, and it was {' or '.join(sorted(names))}"
        return
    for item in ended:
        if key_of(item)[1] == told.get("name") and told.get("phase") != status_of(item)["phase"]:
            yield f"{group} says that {told['name']} is {told.get('phase')}, and it is {status_of(item)['phase']}"
