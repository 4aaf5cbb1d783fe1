"""Sites."""

from siterecovery.protector.domain.site import Site
from siterecovery.protector.store import tables
from siterecovery.protector.store.repository import Repository


class SqlSites(Repository[Site]):
    table, kind = tables.sites, Site

    def get(self, site_id: str) -> Site | None:
        return self._get(self.table.c.id == site_id)

    def find(self, name_or_id: str) -> Site | None:
        return self.get(name_or_id) or self._get(self.table.c.name == name_or_id)

    def all(self) -> list[Site]:
        return self._all(order=[self.table.c.name])

    def delete(self, site_id: str) -> None:
        self._delete(site_id)
