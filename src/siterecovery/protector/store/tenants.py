"""Tenant mappings and delegations."""

from siterecovery.protector.domain.site import Delegation, TenantMapping
from siterecovery.protector.store import tables
from siterecovery.protector.store.repository import Repository
from siterecovery.protector.store.session import Session


class _Mappings(Repository[TenantMapping]):
    table, kind = tables.tenant_mappings, TenantMapping

    def all(self) -> list[TenantMapping]:
        return self._all()

    def get(self, local_project_id: str, remote_site_id: str) -> TenantMapping | None:
        columns = self.table.c
        return self._get(columns.local_project_id == local_project_id, columns.remote_site_id == remote_site_id)

    def get_from(self, remote_site_id: str, remote_project_id: str) -> TenantMapping | None:
        columns = self.table.c
        return self._get(columns.remote_site_id == remote_site_id, columns.remote_project_id == remote_project_id)

    def delete(self, mapping_id: str) -> None:
        self._delete(mapping_id)


class _Delegations(Repository[Delegation]):
    table, kind = tables.delegations, Delegation

    def get(self, project_id: str) -> Delegation | None:
        return self._get(self.table.c.project_id == project_id)

    def all(self) -> list[Delegation]:
        return self._all()

    def delete(self, project_id: str) -> None:
        self._delete(project_id)


class SqlTenants:
    def __init__(self, session: Session) -> None:
        self._mappings = _Mappings(session)
        self._delegations = _Delegations(session)

    def mappings(self) -> list[TenantMapping]:
        return self._mappings.all()

    def mapping(self, local_project_id: str, remote_site_id: str) -> TenantMapping | None:
        return self._mappings.get(local_project_id, remote_site_id)

    def mapping_from(self, remote_site_id: str, remote_project_id: str) -> TenantMapping | None:
        return self._mappings.get_from(remote_site_id, remote_project_id)

    def save_mapping(self, mapping: TenantMapping) -> None:
        """Conflict when one of the two projects already has a mapping with that site."""
        self._mappings.save(mapping)

    def delete_mapping(self, mapping_id: str) -> None:
        self._mappings.delete(mapping_id)

    def delegation(self, project_id: str) -> Delegation | None:
        return self._delegations.get(project_id)

    def delegations(self) -> list[Delegation]:
        return self._delegations.all()

    def save_delegation(self, delegation: Delegation) -> None:
        self._delegations.save(delegation)

    def delete_delegation(self, project_id: str) -> None:
        self._delegations.delete(project_id)
