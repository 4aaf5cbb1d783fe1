"""Whose things an actor lists, and what it may make.

The service user is an administrator of the whole cloud: its lists name the tenant's project, and it never *makes* servers, volumes or
groups, which would land in its own project and eat its own quota.
"""

import dataclasses

from siterecovery.protector.domain.errors import CloudRefused


@dataclasses.dataclass(frozen=True)
class Scope:
    """`admin` is the service user on the tenant's project from outside; otherwise the token is of the project itself."""

    project_id: str
    admin: bool

    def filters(self) -> dict[str, str | int]:
        """Query parameters of Nova's and Cinder's lists."""
        return {"all_tenants": 1, "project_id": self.project_id} if self.admin else {}

    def tenant_only(self, what: str) -> None:
        """Refuses what only the tenant's own token may make."""
        if self.admin:
            raise CloudRefused(
                f"{what} must be made with the token of project {self.project_id}, not by the service user: it would belong to the wrong project."
            )
