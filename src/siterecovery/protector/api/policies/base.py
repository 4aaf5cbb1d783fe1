"""The three kinds of rule. The API itself already refuses a path whose project is not the token's, an admin's too."""

ADMIN = "role:admin"
ADMIN_OR_OWNER = "role:admin or project_id:%(project_id)s"
"""Reading one's own."""
MEMBER = "role:admin or (role:member and project_id:%(project_id)s)"
"""Changing one's own."""
PEER = "role:admin or role:service"
"""The other site's Protector."""


def rule(resource: str, action: str) -> str:
    return f"protector:{resource}:{action}"


Rules = dict[str, tuple[str, str]]
"""Rule name → (default check, what it is for)."""
