"""The policy rules that an operator may change; everything else is fixed as the services ship it.

Cinder guards manage, unmanage and the service list with `rule:admin_api`. The installation guide of the product tells
operators to relax them to `rule:admin_or_owner`, so a world starts relaxed; a test tightens them again.
"""

from __future__ import annotations

from collections.abc import Mapping

from sandbox.cloud.errors import Forbidden
from sandbox.cloud.wire import Call

RELAXED: Mapping[str, str] = {
    "volume_extension:volume_manage": "rule:admin_or_owner",
    "volume_extension:volume_unmanage": "rule:admin_or_owner",
    "volume_extension:services:index": "rule:admin_or_owner",
}
_KNOWN = ("rule:admin_api", "rule:admin_or_owner")


class Policy:
    """Which rule guards which action; an action nobody set is for administrators."""

    def __init__(self, rules: Mapping[str, str] = RELAXED) -> None:
        self.rules: dict[str, str] = {}
        self.change(rules)

    def change(self, rules: Mapping[str, str]) -> None:
        """Set rules; ValueError for a rule that a world does not understand."""
        for action, rule in rules.items():
            if rule not in _KNOWN and not rule.startswith("role:"):
                raise ValueError(f"rule {rule!r} of {action} is unknown; use {', '.join(_KNOWN)} or role:<name>")
        self.rules.update(rules)

    def enforce(self, call: Call, action: str, owner: str = "") -> None:
        """403 unless the caller may do `action` to a thing of project `owner` (empty: the caller's own)."""
        if call.is_admin:
            return
        rule = self.rules.get(action, "rule:admin_api")
        owns = owner in ("", call.project_id)
        if owns and (rule == "rule:admin_or_owner" or rule.removeprefix("role:") in call.who.role_names):
            return
        raise Forbidden(f"Policy doesn't allow {action} to be performed.")
