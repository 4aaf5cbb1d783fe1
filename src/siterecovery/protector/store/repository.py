"""What all repositories share: a dataclass to a row and back, by field name."""

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any, Generic, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import RowMapping

from siterecovery.protector.domain.errors import BadRequest, StaleRow
from siterecovery.protector.store.session import Session, order_us, to_text

T = TypeVar("T")
MANY = 500
"""How many values one `IN (…)` takes: SQLite and drivers have limits."""


class Repository(Generic[T]):
    """`table` has a column for each field of `kind`, and one primary key.

    `created_at` is written once: the first save fills it from the database's clock when the caller left it empty.
    """

    table: sa.Table
    kind: type[T]
    _fields: Sequence[str]
    _key: sa.Column[Any]

    def __init_subclass__(cls) -> None:
        """Looked at once: a repository is made for every transaction."""
        super().__init_subclass__()
        if "kind" in vars(cls):
            cls._fields = [field.name for field in dataclasses.fields(cls.kind)]  # type: ignore[arg-type]
            (cls._key,) = cls.table.primary_key.columns

    def __init__(self, session: Session) -> None:
        self._session = session

    def save(self, value: T) -> None:
        row = self._row(value)
        table, key = self.table, row[self._key.name]
        changes = {name: item for name, item in row.items() if name not in (self._key.name, "created_at")}
        if not self._session.change(table.update().where(self._key == key).values(changes)):
            self._insert(row)

    def _insert(self, row: dict[str, Any]) -> None:
        self._date(row)
        self._session.change(self.table.insert().values(row))

    def _date(self, row: dict[str, Any]) -> None:
        if row.get("created_at") == "":
            row["created_at"] = to_text(self._session.now_us())

    def _save_all(self, values: Sequence[T]) -> None:
        """As `save` for each; a thousand rows are two statements instead of a thousand."""
        rows = {row[self._key.name]: row for row in map(self._row, values)}
        known = self._present(list(rows))
        fresh = [row for key, row in rows.items() if key not in known]
        if known:
            names = [name for name in self._fields if name not in (self._key.name, "created_at")]
            changes = {name: sa.bindparam(f"new_{name}", type_=self.table.c[name].type) for name in names}
            statement = self.table.update().where(self._key == sa.bindparam("known_key")).values(changes)
            bound = [
                {"known_key": key, **{f"new_{name}": row[name] for name in names}}
                for key, row in rows.items()
                if key in known
            ]
            self._session.change(statement, bound)
        for row in fresh:
            self._date(row)
        if fresh:
            self._session.change(self.table.insert(), fresh)

    def _present(self, keys: Sequence[str]) -> set[str]:
        found: set[str] = set()
        for some in chunks(keys):
            rows = self._session.rows(sa.select(self._key).where(self._key.in_(some)))
            found.update(row[self._key.name] for row in rows)
        return found

    def _row(self, value: T) -> dict[str, Any]:
        return {name: getattr(value, name) for name in self._fields}

    def _value(self, row: RowMapping) -> T:
        return self.kind(**{name: row[name] for name in self._fields})

    def _get(self, *conditions: sa.ColumnElement[bool], lock: bool = False) -> T | None:
        """The first that matches, if any."""
        statement = sa.select(self.table).where(*conditions).order_by(self._key).limit(1)
        rows = self._session.rows(statement.with_for_update() if lock else statement, lock=lock)
        return self._value(rows[0]) if rows else None

    def _all(self, *conditions: sa.ColumnElement[bool], order: Sequence[Any] = ()) -> list[T]:
        statement = sa.select(self.table).where(*conditions).order_by(*order, self._key)
        return [self._value(row) for row in self._session.rows(statement)]

    def _delete(self, key: str) -> None:
        self._session.change(self.table.delete().where(self._key == key))


class Versioned(Repository[T]):
    """Rows that several people change at once: a save after a read in the same transaction succeeds only if nobody else has changed the row
    meanwhile (`StaleRow`, on which `Store.run` begins again); a save without a read replaces the row."""

    fixed: frozenset[str] = frozenset({"created_at"})
    """Written when the row is made, never again."""
    unlisted: frozenset[str] = frozenset()
    """Too large for listings."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._revisions: dict[str, int] = {}

    def save(self, value: T) -> None:
        row = self._row(value)
        key = row[self._key.name]
        read = self._revisions.get(key)
        if self._update(key, row, read):
            if read is not None:
                self._revisions[key] = read + 1
        elif read is not None:
            raise StaleRow(f"{self.kind.__name__} {key} was changed by somebody else meanwhile.", remedy="Try again.")
        else:
            self._insert(row)

    def _update(self, key: str, row: dict[str, Any], revision: int | None) -> bool:
        table = self.table
        changes = {name: item for name, item in row.items() if name not in self.fixed and name != self._key.name}
        changes["revision"] = table.c.revision + 1
        statement = table.update().where(self._key == key)
        if revision is not None:
            statement = statement.where(table.c.revision == revision)
        return self._session.change(statement.values(changes)) > 0

    def _insert(self, row: dict[str, Any]) -> None:
        now = self._session.now_us()
        row["created_us"] = order_us(row["created_at"], now)
        row["revision"] = 1
        super()._insert(row)

    def _value(self, row: RowMapping) -> T:
        value = super()._value(row)
        self._revisions[row[self._key.name]] = row["revision"]
        return value

    def _delete(self, key: str) -> None:
        super()._delete(key)
        self._revisions.pop(key, None)

    def _page(
        self,
        *conditions: sa.ColumnElement[bool],
        marker: str | None,
        limit: int | None,
        owned: sa.ColumnElement[bool] | None = None,
    ) -> list[T]:
        """Newest first, after the row `marker`, which must be one that meets `owned`; BadRequest otherwise."""
        created, where = self.table.c.created_us, list(conditions)
        if marker is not None:
            at = self._place(marker, owned)
            # written so that every one of the databases seeks in the index instead of scanning it
            where += [created <= at, sa.or_(created < at, self._key < marker)]
        columns = [column for column in self.table.c if column.name not in self.unlisted]
        statement = sa.select(*columns).where(*where).order_by(created.desc(), self._key.desc())
        rows = self._session.rows(statement if limit is None else statement.limit(limit))
        return [self._value(row) for row in rows]

    def _place(self, marker: str, owned: sa.ColumnElement[bool] | None) -> int:
        statement = sa.select(self.table.c.created_us).where(self._key == marker)
        found = self._session.rows(statement if owned is None else statement.where(owned))
        if not found:
            raise BadRequest(
                f"The marker {marker} is not in the list.", code="marker", remedy="List again from the start."
            )
        return int(found[0]["created_us"])


def chunks(values: Iterable[str]) -> Iterable[list[str]]:
    """In pieces that fit one statement."""
    rest = list(values)
    for start in range(0, len(rest), MANY):
        yield rest[start : start + MANY]
