"""Tenant mappings: which project there belongs to a project here. Admin-only."""

from protectorclient.v1 import base
from protectorclient.v1.base import Manager, Resource, Resources


class TenantMappingManager(Manager):
    def list(self) -> Resources:
        return self._list(base.admin_path("tenant-mappings"), "tenant_mappings")

    def create(self, *, local_project_id: str, remote_site: str, remote_project_id: str) -> Resource:
        body = {
            "local_project_id": local_project_id,
            "remote_site": remote_site,
            "remote_project_id": remote_project_id,
        }
        return self._send("POST", base.admin_path("tenant-mappings"), {"tenant_mapping": body}, "tenant_mapping")

    def delete(self, mapping: str) -> None:
        self._delete(base.admin_path("tenant-mappings", mapping))
