from typing import Annotated, Self

from pydantic import Field, SecretStr

from siterecovery.protector.api.schemas.base import Answer, Request
from siterecovery.protector.domain import policy as domain
from siterecovery.protector.domain.secret import MASK

ArrayUrl = Annotated[str, Field(pattern=r"^https?://[^\s@/]+/?$", max_length=255)]
Token = Annotated[SecretStr, Field(min_length=1, max_length=1024)]


class NewPolicy(Request):
    """`replication_interval` in seconds, `rpo_minutes` in minutes."""

    primary_fa_url: ArrayUrl
    primary_fa_api_token: Token
    secondary_fa_url: ArrayUrl
    secondary_fa_api_token: Token
    pure_pg_name: Annotated[str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$")]
    replication_interval: Annotated[int, Field(ge=300, le=34_560_000)] = 300
    rpo_minutes: Annotated[int, Field(ge=1, le=525_600)] = 15


class CreatePolicy(Request):
    policy: NewPolicy


class Policy(Answer):
    protection_group_id: str
    primary_fa_url: str
    primary_fa_api_token: str = MASK
    secondary_fa_url: str
    secondary_fa_api_token: str = MASK
    pure_pg_name: str
    replication_interval: int
    rpo_minutes: int
    status: str
    error_message: str | None

    @classmethod
    def of(cls, policy: domain.Policy) -> Self:
        return cls(
            protection_group_id=policy.group_id,
            primary_fa_url=policy.primary_fa_url,
            secondary_fa_url=policy.secondary_fa_url,
            pure_pg_name=policy.pure_pg_name,
            replication_interval=policy.replication_interval,
            rpo_minutes=policy.rpo_minutes,
            status=policy.status,
            error_message=policy.error_message,
        )


class PolicyAnswer(Answer):
    policy: Policy
