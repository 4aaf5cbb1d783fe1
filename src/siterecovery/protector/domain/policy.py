"""The replication policy: which arrays, which array group, how often, how much may be lost."""

import dataclasses

from siterecovery.protector.domain.secret import Secret
from siterecovery.protector.domain.states import PolicyStatus


@dataclasses.dataclass(frozen=True)
class Policy:
    """`replication_interval` in seconds (300 by default), `rpo_minutes` in minutes. Primary and secondary are the group's sites."""

    group_id: str
    primary_fa_url: str
    primary_fa_token: Secret
    secondary_fa_url: str
    secondary_fa_token: Secret
    pure_pg_name: str
    replication_interval: int = 300
    rpo_minutes: int = 15
    status: PolicyStatus = PolicyStatus.APPLYING
    error_message: str | None = None
