"""Asks oslo.policy. `enforcer` is made by processes: it knows the operator's policy.yaml."""

from typing import Any

from oslo_policy import policy as oslo_policy

from siterecovery.protector.api.call import Caller
from siterecovery.protector.domain.errors import Forbidden


class Permissions:
    def __init__(self, enforcer: oslo_policy.Enforcer) -> None:
        self._enforcer = enforcer

    def check(self, rule: str, caller: Caller, project_id: str | None) -> None:
        """Raises Forbidden. `project_id` is the path's; without one the rule is about the caller's own project."""
        target = {"project_id": project_id or caller.project_id or ""}
        credentials: dict[str, Any] = {
            "user_id": caller.user_id,
            "project_id": caller.project_id,
            "roles": sorted(caller.roles),
        }
        if not self._enforcer.authorize(rule, target, credentials, do_raise=False):
            raise Forbidden(
                f"Policy does not allow {rule}.",
                code="policy_forbidden",
                remedy="Ask for the role that the rule needs, or ask an administrator.",
            )


def check_project(caller: Caller, project_id: str) -> None:
    """The path's project must be the token's: an administrator's token, too, speaks for its own project only."""
    if caller.project_id != project_id:
        raise Forbidden(
            "The token is not for the project of the path.",
            code="project_mismatch",
            remedy="Use a token that is scoped to that project.",
        )
