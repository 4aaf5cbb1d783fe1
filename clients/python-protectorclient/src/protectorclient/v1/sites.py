"""Sites: the two clouds, as one Protector knows them. Admin-only, but for the short list that a tenant may read."""

from typing import Any

from protectorclient.v1 import base
from protectorclient.v1.base import Manager, Resource, Resources


class SiteManager(Manager):
    def identity(self) -> Resource:
        """How this Protector calls itself (`site_name`), and its public keys."""
        return self._get(base.admin_path("identity"), "identity")

    def list(self) -> Resources:
        return self._list(base.admin_path("sites"), "sites")

    def list_for_project(self) -> Resources:
        """What a tenant may know: id, name, type, status, region and which of them is local."""
        return self._list(self._project_path("sites"), "sites")

    def get(self, site: str) -> Resource:
        return self._get(base.admin_path("sites", self.find_id(site)), "site")

    def find_id(self, site: str) -> str:
        return site if base.is_id(site) else str(base.pick(self.list(), site, "site").id)

    def create(self, **attributes: Any) -> Resource:
        """`attributes` are those of the API; an `id` makes both Protectors call the site by the same one."""
        return self._send("POST", base.admin_path("sites"), {"site": base.given(**attributes)}, "site")

    def update(self, site: str, **attributes: Any) -> Resource:
        return self._send(
            "PATCH", base.admin_path("sites", self.find_id(site)), {"site": base.given(**attributes)}, "site"
        )

    def delete(self, site: str) -> None:
        self._delete(base.admin_path("sites", self.find_id(site)))

    def validate(self, site: str) -> Resource:
        return self._send("POST", base.admin_path("sites", self.find_id(site), "validate"), {}, "validation")

    def volume_types(self, site: str) -> Resources:
        return self._list(base.admin_path("sites", self.find_id(site), "volume-types"), "volume_types")
