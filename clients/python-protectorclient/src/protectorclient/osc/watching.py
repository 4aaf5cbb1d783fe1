"""`--wait`: watch an operation to its end."""

import sys
from typing import Any

from protectorclient.osc.progress import Progress
from protectorclient.v1.base import Resource
from protectorclient.v1.operations import TERMINAL
from protectorclient.v1.waiting import Pace, until


def watch(command: Any, cloud: Any, operation: Resource, pace: Pace) -> Resource:
    """The ended operation. A failed one makes the command exit with 1, after its reasons were told."""
    progress = Progress(sys.stderr, pace.clock)
    progress.update(operation)
    told = set(operation.warnings or [])
    try:
        ended = operation if operation.status in TERMINAL else _until_ended(cloud, str(operation.id), pace, progress)
    except KeyboardInterrupt:
        progress.finish()
        command.tell(
            f"Stopped watching; operation {operation.id} goes on. See: openstack dr operation show {operation.id}"
        )
        raise
    progress.finish()
    command.tell(*(f"Warning: {text}" for text in ended.warnings or [] if text not in told))
    if ended.status == "failed":
        command.outcome = 1
        command.tell(f"Operation {ended.id} failed: {ended.error_message or 'no reason was recorded'}")
    elif ended.steps_failed:
        command.tell(
            f"Operation {ended.id} is completed, but {len(ended.steps_failed)} of its steps failed.",
            f"  See: openstack dr operation show {ended.id}",
        )
    return ended


def _until_ended(cloud: Any, operation: str, pace: Pace, progress: Progress) -> Resource:
    try:
        ended: Resource = until(
            lambda: cloud.client.operations.get(operation),
            lambda item: item.status in TERMINAL,
            pace,
            what=f"Operation {operation}",
            on_read=progress.update,
            on_silence=progress.silence,
        )
    except Exception:
        progress.finish()
        raise
    return ended
