"""One operation in full, in the layout of `kubectl describe`, so that nobody needs access to logs."""

import datetime
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from siterecovery.kubevirt.pgctl.operation import Operation
from siterecovery.kubevirt.pgctl.printing import age, duration, table

_WIDTH = 18


def of(operation: Operation, events: Iterable[Mapping[str, Any]], now: datetime.datetime) -> str:
    """`events`: the cluster's Event objects, which are gone after an hour; the history stays."""
    return "\n".join((*_head(operation, now), *_steps(operation), *_history(operation), *_events(events, now)))


def _head(operation: Operation, now: datetime.datetime) -> Iterator[str]:
    status = operation.status
    target = operation.target
    own = status.get("targetCluster")
    pairs = (
        ("Name", operation.name),
        ("Namespace", operation.namespace),
        ("Cluster", operation.site.name),
        ("Protection Group", operation.group),
        ("Source", status.get("sourceCluster")),
        ("Target", f"{target} ({own})" if own and own != target else target),
        ("Type", operation.type),
        ("Force", str(operation.force).lower()),
        ("Created", f"{operation.created} ({age(operation.created, now)} ago)" if operation.created else None),
        ("Phase", operation.phase.value),
        ("Progress", f"{operation.progress}%"),
        ("Started", status.get("startedAt")),
        ("Completed", status.get("completedAt")),
        ("Message", _indented(operation.message)),
    )
    for name, value in pairs:
        if value:
            yield f"{name + ':':<{_WIDTH}}{value}"


def _indented(text: str) -> str:
    return ("\n" + " " * _WIDTH).join(text.splitlines())


def _steps(operation: Operation) -> Iterator[str]:
    if not operation.steps:
        return
    rows = [(step.get("name"), step.get("state"), _took(step), step.get("message")) for step in operation.steps]
    yield "Steps:"
    yield from _shifted(table(("STEP", "STATE", "TOOK", "MESSAGE"), rows))


def _took(step: Mapping[str, Any]) -> str:
    begun, ended = step.get("startedAt"), step.get("completedAt")
    if not begun or not ended:
        return "-"
    read = datetime.datetime.fromisoformat
    return duration((read(ended) - read(begun)).total_seconds())


def _history(operation: Operation) -> Iterator[str]:
    entries = operation.status.get("history") or ()
    if entries:
        yield "History:"
        rows = [(entry.get("time"), entry.get("reason"), entry.get("message")) for entry in entries]
        yield from _shifted(table(("TIME", "REASON", "MESSAGE"), rows))


def _events(events: Iterable[Mapping[str, Any]], now: datetime.datetime) -> Iterator[str]:
    ordered = sorted(events, key=lambda event: str(event.get("lastTimestamp") or event.get("eventTime") or ""))
    if ordered:
        yield "Events:"
        rows = [
            (
                event.get("type"),
                event.get("reason"),
                age(event.get("lastTimestamp") or event.get("eventTime"), now),
                event.get("message"),
            )
            for event in ordered
        ]
        yield from _shifted(table(("TYPE", "REASON", "AGE", "MESSAGE"), rows))


def _shifted(text: str) -> Iterator[str]:
    yield from (f"  {line}" for line in text.splitlines())
