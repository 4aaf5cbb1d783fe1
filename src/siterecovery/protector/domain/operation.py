"""An operation: what was asked of a group, and the record of what became of it."""

import dataclasses
from typing import Any

from siterecovery.protector.domain.states import OperationStatus, OperationType


@dataclasses.dataclass(frozen=True)
class FailedStep:
    """`step` as people see it; `resource_id` is what is left to be dealt with, if anything."""

    step: str
    error: str
    resource_id: str | None = None


@dataclasses.dataclass(frozen=True)
class Operation:
    """`request` is the body as it was accepted; `plan` is the picture of the group from which the flow is built, taken in the transaction
    that accepted the operation and never changed, so that every engine builds the same flow.

    `epoch` is the claimed failover epoch (None: it moves nothing). `force`: a loss was accepted. `steps_completed` and `steps_failed` are kept with
    every journal commit.
    """

    id: str
    group_id: str
    project_id: str
    type: OperationType
    source_site_id: str | None = None
    target_site_id: str | None = None
    status: OperationStatus = OperationStatus.PENDING
    progress: int = 0
    current_step: str | None = None
    force: bool = False
    request: dict[str, Any] = dataclasses.field(default_factory=dict)
    plan: dict[str, Any] = dataclasses.field(default_factory=dict)
    epoch: int | None = None
    recovery_point_at: str | None = None
    result_data: dict[str, Any] | None = None
    error_message: str | None = None
    warnings: tuple[str, ...] = ()
    steps_completed: tuple[str, ...] = ()
    steps_failed: tuple[FailedStep, ...] = ()
    cancelled_by: str | None = None
    cleanup_requested: bool = False
    cleanup: dict[str, Any] | None = None
    """The newest cleanup a person asked for, as the API shows it (see `domain.cleanup`)."""
    late_calls: int = 0
    """How often an engine that had lost the operation has told that the last of its calls had come back, and up to which of these what came
    late was looked for (`late_calls_settled`)."""
    late_calls_settled: int = 0
    user_id: str | None = None
    request_id: str | None = None
    created_at: str = ""
    started_at: str | None = None
    completed_at: str | None = None

    @property
    def unsettled(self) -> bool:
        return self.late_calls > self.late_calls_settled


@dataclasses.dataclass(frozen=True)
class Report:
    """How far an operation under way is. `progress` never goes back."""

    status: OperationStatus
    progress: int
    current_step: str | None
    steps_completed: tuple[str, ...]
    steps_failed: tuple[FailedStep, ...]

    def on(self, operation: Operation) -> Operation:
        return dataclasses.replace(
            operation,
            status=self.status,
            progress=max(operation.progress, self.progress),
            current_step=self.current_step,
            steps_completed=self.steps_completed,
            steps_failed=self.steps_failed,
        )


@dataclasses.dataclass(frozen=True)
class Debt:
    """Something owed to a site that could not be reached: `kind` is one of fence, schedule_off, cleanup, push.

    Stored with the group, part of the metadata document, paid by sync-force. It never deletes a volume whose content nobody else has.
    """

    id: str
    group_id: str
    site_id: str
    kind: str
    resource: str
    detail: dict[str, Any] = dataclasses.field(default_factory=dict)
    operation_id: str | None = None
    epoch: int = 0
    created_at: str = ""
