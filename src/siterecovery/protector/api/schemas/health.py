from typing import Literal

from siterecovery.protector.api.schemas.base import Answer


class Component(Answer):
    """`detail` from 1.2."""

    component: str
    status: Literal["ok", "error", "unknown"]
    detail: str | None = None


class GroupHealth(Answer):
    """`lag_seconds` and `reasons` from 1.2."""

    protection_group_id: str
    name: str
    link: Literal["ok", "error", "unknown"]
    lag_seconds: int | None = None
    rpo_minutes: int | None
    rpo_compliant: bool | None
    failover_ready: bool
    reasons: list[str] | None = None


class Health(Answer):
    components: list[Component]
    protection_groups: list[GroupHealth]


class HealthAnswer(Answer):
    health: Health
