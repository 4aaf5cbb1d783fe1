"""Replication policies; their array tokens are sealed at rest."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import RowMapping

from siterecovery.protector.domain.policy import Policy
from siterecovery.protector.store import tables
from siterecovery.protector.store.repository import Repository
from siterecovery.protector.store.secrets import Keys
from siterecovery.protector.store.session import Session

SEALED = ("primary_fa_token", "secondary_fa_token")


class SqlPolicies(Repository[Policy]):
    table, kind = tables.policies, Policy

    def __init__(self, session: Session, keys: Keys) -> None:
        super().__init__(session)
        self._keys = keys

    def get(self, group_id: str) -> Policy | None:
        return self._get(self.table.c.group_id == group_id)

    def reseal(self, keys: Keys, after: str, limit: int) -> list[str]:
        """Seals the tokens of the next policies with the newest of `keys`; answers the ids of their groups."""
        key = self.table.c.group_id
        statement = sa.select(self.table).where(key > after).order_by(key).limit(limit).with_for_update()
        rows = self._session.rows(statement, lock=True)
        for row in rows:
            tokens = {name: keys.reseal(row[name]) for name in SEALED}
            self._session.change(self.table.update().where(key == row["group_id"]).values(tokens))
        return [row["group_id"] for row in rows]

    def _row(self, value: Policy) -> dict[str, Any]:
        row = super()._row(value)
        return row | {name: self._keys.seal(row[name]) for name in SEALED}

    def _value(self, row: RowMapping) -> Policy:
        return self.kind(**(dict(row) | {name: self._keys.open(row[name]) for name in SEALED}))
