from siterecovery.protector.api.schemas.base import Answer


class ConsistencyGroup(Answer):
    """One generic volume group on each site; `id` is the protection group's: there is one of each."""

    id: str
    primary_group_id: str | None
    secondary_group_id: str | None
    volume_count: int


class ConsistencyGroupAnswer(Answer):
    consistency_group: ConsistencyGroup
