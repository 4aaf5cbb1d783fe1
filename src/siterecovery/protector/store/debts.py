"""Debts: what is owed to a site that could not be reached."""

from siterecovery.protector.domain.operation import Debt
from siterecovery.protector.store import tables
from siterecovery.protector.store.repository import Repository


class SqlDebts(Repository[Debt]):
    table, kind = tables.debts, Debt

    def of_group(self, group_id: str) -> list[Debt]:
        """Oldest first."""
        return self._all(self.table.c.group_id == group_id, order=[self.table.c.created_at])

    def all(self) -> list[Debt]:
        return self._all(order=[self.table.c.created_at])

    def delete(self, debt_id: str) -> None:
        self._delete(debt_id)
