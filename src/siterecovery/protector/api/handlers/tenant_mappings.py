"""Tenant mappings: an administrator says which project on the other site is a project here."""

from siterecovery.protector.api import lookup
from siterecovery.protector.api.call import Answer, Call
from siterecovery.protector.api.schemas.tenant_mappings import (
    CreateTenantMapping,
    TenantMapping,
    TenantMappingAnswer,
    TenantMappingList,
)
from siterecovery.protector.domain import site as domain
from siterecovery.protector.domain.errors import BadRequest, Conflict, NotFound
from siterecovery.protector.store.base import Transaction


def list_tenant_mappings(call: Call) -> Answer:
    def read(tx: Transaction) -> list[TenantMapping]:
        names = lookup.site_names(tx)
        return [TenantMapping.of(mapping, names) for mapping in tx.tenants.mappings()]

    return Answer(TenantMappingList(tenant_mappings=call.services.store.run(read)).wire())


def create_tenant_mapping(call: Call) -> Answer:
    """201. One to one: a project is mapped to one project on a site, and no two to the same (409 `tenant_mapping.exists`)."""
    wanted = call.read(CreateTenantMapping).tenant_mapping

    mapping_id = call.services.new_id()

    def write(tx: Transaction) -> TenantMapping:
        site = lookup.site(tx, wanted.remote_site)
        if site.name == call.services.identity.site_name:
            raise BadRequest(f"Site '{site.name}' is this one, not the other.", code="tenant_mapping.own_site")
        there = tx.tenants.mapping_from(site.id, wanted.remote_project_id)
        here = tx.tenants.mapping(wanted.local_project_id, site.id)
        if any(taken is not None and taken.id != mapping_id for taken in (here, there)):
            raise Conflict(
                f"One of the two projects is mapped already with site '{site.name}'.",
                code="tenant_mapping.exists",
                remedy="Delete the old mapping first.",
            )
        mapping = domain.TenantMapping(mapping_id, wanted.local_project_id, site.id, wanted.remote_project_id)
        tx.tenants.save_mapping(mapping)
        return TenantMapping.of(mapping, {site.id: site.name})

    return Answer(TenantMappingAnswer(tenant_mapping=call.services.store.run(write)).wire(), status=201)


def delete_tenant_mapping(call: Call) -> Answer:
    """204. 409 `tenant_mapping.in_use` while the project has groups with that site."""

    def write(tx: Transaction) -> None:
        wanted = call.params["mapping"]
        mapping = next((item for item in tx.tenants.mappings() if item.id == wanted), None)
        if mapping is None:
            raise NotFound(f"No tenant mapping '{wanted}' exists.", code="tenant_mapping.not_found")
        for group in tx.groups.select(project_id=mapping.local_project_id):
            if mapping.remote_site_id in (group.primary_site_id, group.secondary_site_id):
                raise Conflict(
                    f"The project's protection group '{group.name}' needs the mapping.",
                    code="tenant_mapping.in_use",
                    remedy="Delete the group first.",
                )
        tx.tenants.delete_mapping(mapping.id)

    call.services.store.run(write)
    return Answer(status=204)
