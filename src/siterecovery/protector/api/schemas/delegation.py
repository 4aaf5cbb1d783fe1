from typing import Self

from siterecovery.protector.api.schemas.base import Answer
from siterecovery.protector.domain import site as domain


class Delegation(Answer):
    project_id: str
    trust_id: str
    trustor_user_id: str
    status: str
    reason: str
    checked_at: str | None

    @classmethod
    def of(cls, delegation: domain.Delegation) -> Self:
        return cls(
            project_id=delegation.project_id,
            trust_id=delegation.trust_id,
            trustor_user_id=delegation.trustor_user_id,
            status=delegation.status,
            reason=delegation.reason,
            checked_at=delegation.checked_at,
        )


class DelegationAnswer(Answer):
    delegation: Delegation
