"""Protection groups, lineage and claim included."""

from siterecovery.protector.domain.errors import Conflict
from siterecovery.protector.domain.protection_group import ProtectionGroup
from siterecovery.protector.store import tables
from siterecovery.protector.store.repository import Versioned


class SqlGroups(Versioned[ProtectionGroup]):
    """`updated_at` is the caller's to set: it is part of the metadata that both sites share."""

    table, kind = tables.protection_groups, ProtectionGroup

    def get(self, group_id: str, *, lock: bool = False) -> ProtectionGroup | None:
        return self._get(self.table.c.id == group_id, lock=lock)

    def find(self, project_id: str, name_or_id: str) -> ProtectionGroup | None:
        mine = self.table.c.project_id == project_id
        found = self._get(mine, self.table.c.id == name_or_id)
        if found is not None:
            return found
        named = self._all(mine, self.table.c.name == name_or_id)
        if len(named) > 1:
            raise Conflict(
                f"{len(named)} protection groups are named {name_or_id}.",
                code="protection_group.ambiguous",
                remedy="Use the id: " + ", ".join(group.id for group in named),
            )
        return named[0] if named else None

    def select(
        self,
        *,
        project_id: str | None = None,
        name: str | None = None,
        status: str | None = None,
        marker: str | None = None,
        limit: int | None = None,
    ) -> list[ProtectionGroup]:
        """Newest first; keyset paging by (created_at, id)."""
        columns = self.table.c
        owned = None if project_id is None else columns.project_id == project_id
        where = [] if owned is None else [owned]
        if name is not None:
            where.append(columns.name == name)
        if status is not None:
            where.append(columns.status == status)
        return self._page(*where, marker=marker, limit=limit, owned=owned)

    def delete(self, group_id: str) -> None:
        """The rows that hang on it go by their foreign keys."""
        self._delete(group_id)
