from typing import Annotated, Any, Literal, Self

from pydantic import Field

from siterecovery.protector.api import microversion
from siterecovery.protector.api.microversion import Microversion
from siterecovery.protector.api.schemas.base import Answer, Limit, Query
from siterecovery.protector.api.schemas.versions import Link
from siterecovery.protector.domain import operation as domain
from siterecovery.protector.domain.states import DOCUMENTED_TYPES, OperationStatus

OLD_STEP_NAMES = {
    "validate_sites": "validate_target_site",
    "promote_volumes": "promote_volumes_on_flasharray",
    "manage_volumes_cinder": "manage_volumes_into_cinder",
    "update_protection_group": "update_protection_group_state",
}
"""What the operations page of the first version calls the steps; the names of others are the same."""


class OperationFilters(Query):
    protection_group_id: Annotated[str, Field(description="An id or a name")] | None = None
    operation_type: str | None = None
    status: OperationStatus | None = None
    limit: Limit | None = None
    marker: Annotated[str, Field(description="The id of the last operation of the page before")] | None = None
    sort: Literal["created_at:desc", "-created_at"] | None = None


class FailedStep(Answer):
    step: str
    error: str
    resource_id: str | None


class Operation(Answer):
    """`result_data` is left out below 1.1; below 1.2 `steps_failed` are names."""

    id: str
    protection_group_id: str
    protection_group_name: str | None
    operation_type: str
    status: str
    progress: int
    current_step: str | None
    source_site_id: str | None
    source_site: str | None
    target_site_id: str | None
    target_site: str | None
    started_at: str | None
    completed_at: str | None
    error_message: str | None
    steps_completed: list[str]
    steps_failed: list[FailedStep] | list[str]
    result_data: dict[str, Any] | None = None
    recovery_point_at: str | None
    warnings: list[str]
    force: bool
    cancelled_by: str | None
    cleanup: dict[str, Any] | None
    created_at: str | None

    @classmethod
    def of(
        cls,
        operation: domain.Operation,
        version: Microversion,
        *,
        site_names: dict[str, str],
        group_name: str | None,
    ) -> Self:
        def named(site_id: str | None) -> str | None:
            return site_names.get(site_id, site_id) if site_id else None

        same = {name: getattr(operation, name) for name in cls.model_fields if hasattr(operation, name)}
        return cls.model_validate(
            same
            | {
                "protection_group_id": operation.group_id,
                "protection_group_name": group_name,
                "operation_type": operation.type,
                "source_site": named(operation.source_site_id),
                "target_site": named(operation.target_site_id),
                "current_step": step_name(operation.current_step, version) if operation.current_step else None,
                "steps_completed": [step_name(step, version) for step in operation.steps_completed],
                "steps_failed": failed_steps(operation.steps_failed, version),
                "result_data": operation.result_data,
                "warnings": list(operation.warnings),
                "created_at": operation.created_at or None,
            }
        )

    def on_wire(self, version: Microversion) -> dict[str, Any]:
        hidden = set() if version >= microversion.RESULT_DATA else {"result_data"}
        return self.model_dump(mode="json", exclude=hidden)


class OperationAnswer(Answer):
    operation: Operation


class OperationList(Answer):
    operations: list[Operation]
    operations_links: list[Link] = Field(default_factory=list)


def step_name(step: str, version: Microversion) -> str:
    if version >= microversion.STEP_OBJECTS:
        return step
    head, colon, rest = step.partition(":")
    return OLD_STEP_NAMES.get(head, head) + colon + rest


def failed_steps(steps: tuple[domain.FailedStep, ...], version: Microversion) -> list[FailedStep] | list[str]:
    if version >= microversion.STEP_OBJECTS:
        return [FailedStep(step=item.step, error=item.error, resource_id=item.resource_id) for item in steps]
    return [step_name(item.step, version) for item in steps]


def is_known_type(name: str) -> bool:
    return name in DOCUMENTED_TYPES
