"""Members: the VMs of a group."""

from collections.abc import Sequence

import sqlalchemy as sa

from siterecovery.protector.domain.member import Member
from siterecovery.protector.store import tables
from siterecovery.protector.store.repository import Repository, chunks


class SqlMembers(Repository[Member]):
    table, kind = tables.members, Member

    def get(self, member_id: str) -> Member | None:
        return self._get(self.table.c.id == member_id)

    def of_group(self, group_id: str) -> list[Member]:
        return self._all(self.table.c.group_id == group_id, order=[self.table.c.index, self.table.c.created_at])

    def elsewhere(self, member_ids: Sequence[str], group_id: str) -> list[str]:
        """Those of them that another group knows."""
        columns = self.table.c
        return [
            row["id"]
            for ids in chunks(member_ids)
            for row in self._session.rows(
                sa.select(columns.id).where(columns.id.in_(ids), columns.group_id != group_id).order_by(columns.id)
            )
        ]

    def by_instance(self, instance_id: str) -> Member | None:
        return self._get(self.table.c.instance_id == instance_id)

    def save(self, *members: Member) -> None:
        """Inserts or replaces, each kind in one go."""
        self._save_all(members)

    def delete(self, member_id: str) -> None:
        self._delete(member_id)

    def count(self, group_ids: Sequence[str]) -> dict[str, int]:
        """0 for a group without members."""
        counts = dict.fromkeys(group_ids, 0)
        group = self.table.c.group_id
        for ids in chunks(group_ids):
            counted = sa.select(group, sa.func.count().label("members")).where(group.in_(ids)).group_by(group)
            counts.update({row["group_id"]: row["members"] for row in self._session.rows(counted)})
        return counts
