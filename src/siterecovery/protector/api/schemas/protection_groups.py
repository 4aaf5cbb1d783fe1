from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from siterecovery.protector.api.schemas.base import Answer, Limit, Mapping, Name, Query, Ref, Request, Text
from siterecovery.protector.api.schemas.policy import Policy
from siterecovery.protector.api.schemas.versions import Link
from siterecovery.protector.domain import policy as policies
from siterecovery.protector.domain.protection_group import ProtectionGroup as Group
from siterecovery.protector.domain.states import GroupStatus

IpPolicy = Literal["keep", "release"]


class NewProtectionGroup(Request):
    name: Name
    description: Text = ""
    replication_type: Literal["async", "sync"]
    primary_site: Ref
    secondary_site: Ref
    volume_type: Ref
    secondary_volume_type: Ref | None = None
    network_mapping: Mapping = Field(default_factory=dict)
    flavor_mapping: Mapping = Field(default_factory=dict)
    ip_policy: IpPolicy = "keep"


class CreateProtectionGroup(Request):
    protection_group: NewProtectionGroup


class ProtectionGroupChange(Request):
    """A key that is missing stays as it is; a mapping is replaced whole."""

    name: Name | None = None
    description: Text | None = None
    network_mapping: Mapping | None = None
    flavor_mapping: Mapping | None = None
    ip_policy: IpPolicy | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.model_dump(exclude_none=True):
            raise ValueError("name at least one key to change")
        return self


class UpdateProtectionGroup(Request):
    protection_group: ProtectionGroupChange


class ProtectionGroupFilters(Query):
    name: str | None = None
    status: GroupStatus | None = None
    limit: Limit | None = None
    marker: Annotated[str, Field(description="The id of the last group of the page before")] | None = None


class ProtectionGroup(Answer):
    id: str
    name: str
    description: str
    project_id: str
    status: str
    replication_type: str
    primary_site_id: str
    primary_site: str
    secondary_site_id: str
    secondary_site: str
    current_primary_site_id: str
    current_primary_site: str
    volume_type_id: str | None
    volume_type: str
    secondary_volume_type: str
    consistency_group_id: str | None
    member_count: int
    failover_count: int
    last_failover_at: str | None
    last_replication_at: str | None
    failover_epoch: int
    metadata_version: int
    remote_sync_status: str
    remote_sync_version: int | None
    network_mapping: dict[str, str]
    flavor_mapping: dict[str, str]
    ip_policy: str
    active_test_operation_id: str | None
    hold_operation_id: str | None
    error_message: str | None
    created_at: str | None
    updated_at: str | None

    @classmethod
    def fields_of(cls, group: Group, *, site_names: dict[str, str], member_count: int) -> dict[str, object]:
        def named(site_id: str) -> str:
            return site_names.get(site_id, site_id)

        same = {name: getattr(group, name) for name in cls.model_fields if hasattr(group, name)}
        return same | {
            "primary_site": named(group.primary_site_id),
            "secondary_site": named(group.secondary_site_id),
            "current_primary_site": named(group.current_primary_site_id),
            "volume_type_id": group.extra.get("volume_type_id"),
            "consistency_group_id": group.id if group.cinder_groups else None,
            "member_count": member_count,
            "created_at": group.created_at or None,
            "updated_at": group.updated_at or None,
        }

    @classmethod
    def of(cls, group: Group, *, site_names: dict[str, str], member_count: int) -> Self:
        return cls.model_validate(cls.fields_of(group, site_names=site_names, member_count=member_count))


class ProtectionGroupWithPolicy(ProtectionGroup):
    policy: Policy | None

    @classmethod
    def shown(
        cls, group: Group, *, site_names: dict[str, str], member_count: int, policy: policies.Policy | None
    ) -> Self:
        fields = cls.fields_of(group, site_names=site_names, member_count=member_count)
        return cls.model_validate(fields | {"policy": Policy.of(policy) if policy else None})


class ProtectionGroupAnswer(Answer):
    protection_group: ProtectionGroupWithPolicy


class ProtectionGroupList(Answer):
    protection_groups: list[ProtectionGroup]
    protection_groups_links: list[Link] = Field(default_factory=list)
