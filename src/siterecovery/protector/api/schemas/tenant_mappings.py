from typing import Self

from siterecovery.protector.api.schemas.base import Answer, Name, Ref, Request
from siterecovery.protector.domain.site import TenantMapping as Mapping


class NewTenantMapping(Request):
    local_project_id: Name
    remote_site: Ref
    remote_project_id: Name


class CreateTenantMapping(Request):
    tenant_mapping: NewTenantMapping


class TenantMapping(Answer):
    id: str
    local_project_id: str
    remote_site: str
    remote_site_id: str
    remote_project_id: str

    @classmethod
    def of(cls, mapping: Mapping, site_names: dict[str, str]) -> Self:
        return cls(
            id=mapping.id,
            local_project_id=mapping.local_project_id,
            remote_site=site_names.get(mapping.remote_site_id, mapping.remote_site_id),
            remote_site_id=mapping.remote_site_id,
            remote_project_id=mapping.remote_project_id,
        )


class TenantMappingAnswer(Answer):
    tenant_mapping: TenantMapping


class TenantMappingList(Answer):
    tenant_mappings: list[TenantMapping]
