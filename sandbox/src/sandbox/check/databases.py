"""One Protector's database, read as plain SQL rows: the tables are asked of the database itself, never of the product."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from sandbox.check.places import CheckError

Row = Mapping[str, Any]

_JSON = frozenset(
    [
        "capabilities",
        "cinder_groups",
        "network_mapping",
        "flavor_mapping",
        "lineage",
        "claim",
        "extra",
        "rebuild",
        "image_metadata",
        "metadata",
        "request",
        "plan",
        "result_data",
        "warnings",
        "steps_completed",
        "steps_failed",
        "cleanup",
        "value",
        "detail",
    ]
)
_SECRET = frozenset({"primary_fa_token", "secondary_fa_token", "signing_key", "sealing_key"})
_TABLES = [
    "sites",
    "protection_groups",
    "members",
    "volumes",
    "volume_copies",
    "policies",
    "operations",
    "journal_entries",
    "debts",
    "tenant_mappings",
    "delegations",
    "engines",
]
TERMINAL = frozenset({"completed", "failed"})


@dataclass(frozen=True)
class Database:
    """The rows of one site's database by table; JSON columns are parsed, secret ones are not even read."""

    site: str
    tables: Mapping[str, tuple[Row, ...]] = field(default_factory=dict)
    now_us: int = 0

    def rows(self, table: str, **wanted: Any) -> list[Row]:
        """The rows with these values."""
        return [row for row in self.tables.get(table, ()) if all(row[key] == value for key, value in wanted.items())]

    def one(self, table: str, **wanted: Any) -> Row | None:
        """The first of them, if any."""
        return next(iter(self.rows(table, **wanted)), None)

    def site_name(self, site_id: str | None) -> str:
        """What a site's id is called; the id itself when this database does not know it."""
        found = self.one("sites", id=site_id)
        return str(found["name"]) if found is not None else str(site_id)

    def entries(self, operation_id: str) -> dict[str, Row]:
        """An operation's journal by step."""
        return {str(row["step"]): row for row in self.rows("journal_entries", operation_id=operation_id)}


def read(site: str, url: str) -> Database:
    """Everything, as of one transaction. CheckError when the database does not answer or has no tables."""
    try:
        with _engine(site, url).connect() as connection:
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql("BEGIN")  # Python's own driver begins with the first change only
            found = sa.MetaData()
            found.reflect(connection, only=lambda name, _: name in _TABLES)
            tables = {name: tuple(_rows(connection, table)) for name, table in found.tables.items()}
            now_us = _now_us(connection)
    except (sa.exc.SQLAlchemyError, ImportError) as error:
        raise CheckError(f"the database of {site} cannot be read: {error}") from error
    missing = sorted(set(_TABLES) - tables.keys())
    if missing:
        raise CheckError(f"the database of {site} has no {', '.join(missing)}; was `protector-manage db sync` run?")
    return Database(site, tables, now_us)


def _engine(site: str, url: str) -> sa.Engine:
    """One that changes nothing: SQLite would make a file that is not there."""
    place = sa.make_url(url)
    if place.get_backend_name() != "sqlite":
        return sa.create_engine(place, poolclass=sa.pool.NullPool, isolation_level="REPEATABLE READ")
    if place.database not in (None, "", ":memory:") and not Path(str(place.database)).exists():
        raise CheckError(f"the database of {site} is not there: {place.database}")
    return sa.create_engine(place, poolclass=sa.pool.NullPool)


def _rows(connection: sa.Connection, table: sa.Table) -> Iterable[Row]:
    columns = [column for column in table.columns if column.name not in _SECRET]
    for row in connection.execute(sa.select(*columns)).mappings():
        yield {name: _parsed(name, value) for name, value in row.items()}


def _parsed(name: str, value: Any) -> Any:
    if name in _JSON and isinstance(value, str):
        return json.loads(value)
    return value


def _now_us(connection: sa.Connection) -> int:
    """Microseconds since 1970 by the database's own clock, which leases are measured with."""
    statements = {
        "sqlite": "SELECT CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)",
        "postgresql": "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)",
    }
    statement = statements.get(connection.dialect.name, "SELECT CAST(UNIX_TIMESTAMP(NOW(6)) * 1000000 AS SIGNED)")
    return int(connection.execute(sa.text(statement)).scalar_one())
