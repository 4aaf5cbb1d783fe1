"""What an unplanned move costs, said as soon as it is known: the recovery point, its age, and what may run elsewhere."""

import datetime
from typing import Any

from protectorclient import exceptions
from protectorclient.osc.output import duration
from protectorclient.osc.routing import Place
from protectorclient.v1.base import Resource
from protectorclient.v1.operations import TERMINAL
from protectorclient.v1.waiting import Pace

LOOKS = 3
"""Readings of the operation until its recovery point is expected: it is chosen by the first steps."""


def state(command: Any, place: Place, operation: Resource, pace: Pace) -> Resource:
    """Tell it on stderr. The operation as it was read last."""
    command.tell(f"Operation {operation.id} was accepted")
    for _ in range(LOOKS):
        if operation.recovery_point_at or operation.status in TERMINAL:
            break
        pace.sleep(min(pace.interval, 1.0))
        try:
            operation = place.cloud.client.operations.get(str(operation.id))
        except exceptions.ProtectorClientError as error:
            # The move was accepted and goes on: not being able to look at it must not look like a failure of it.
            command.tell(f"Note: the operation could not be read: {error.message}")
            break
    command.tell(recovery_text(operation, place.group), *(f"Warning: {text}" for text in operation.warnings or []))
    return operation


def recovery_text(operation: Resource, group: Resource) -> str:
    if operation.recovery_point_at:
        return f"Recovery point: {dated(operation.recovery_point_at)}; what was written after it is not on the target"
    if group.last_replication_at:
        return (
            f"The recovery point is not chosen yet; the last known replication was {dated(group.last_replication_at)}"
        )
    return "The recovery point is not chosen yet; `operation show` will tell it"


def dated(moment: str) -> str:
    try:
        age = datetime.datetime.now(datetime.UTC) - datetime.datetime.fromisoformat(moment)
    except (TypeError, ValueError):
        return moment
    return f"{moment} ({duration(age.total_seconds())} ago)"
