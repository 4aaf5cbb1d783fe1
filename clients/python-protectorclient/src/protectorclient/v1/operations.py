"""Operations: the records of what was done. They belong to the site that was asked."""

from protectorclient.v1 import base
from protectorclient.v1.base import Manager, Resource, Resources

TERMINAL = ("completed", "failed")


class OperationManager(Manager):
    def list(
        self,
        *,
        protection_group_id: str | None = None,
        operation_type: str | None = None,
        status: str | None = None,
        limit: int | None = None,
        marker: str | None = None,
    ) -> Resources:
        """Newest first."""
        filters = base.given(
            protection_group_id=protection_group_id,
            operation_type=operation_type,
            status=status,
            limit=limit,
            marker=marker,
        )
        return self._list(self._project_path("operations"), "operations", filters)

    def get(self, operation: str) -> Resource:
        return self._get(self._project_path("operations", operation), "operation")

    def cleanup(self, operation: str) -> Resource:
        """Repeat what an ended operation left behind, in the same record."""
        return self._send("POST", self._project_path("operations", operation, "cleanup"), {}, "operation")

    def cancel(self, operation: str) -> Resource:
        return self._send("POST", self._project_path("operations", operation, "cancel"), {}, "operation")
