"""Everything that was seen at once: what the invariants are asked of."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from sandbox.check.arrays import Array
from sandbox.check.clouds import Site
from sandbox.check.databases import Database, Row
from sandbox.check.ledger import Ledger

_KEPT = re.compile("retained|quarantined|left|kept")
"""Keys of an operation's result that tell what stays, not what it has made."""


@dataclass(frozen=True)
class Group:
    """A protection group by its newest record: the highest (epoch, version), the active site's when both are equal."""

    database: Database
    row: Row

    @property
    def id(self) -> str:
        return str(self.row["id"])

    @property
    def active(self) -> str:
        """The name of the site where it runs."""
        return self.database.site_name(self.row["current_primary_site_id"])

    def rows(self, table: str) -> list[Row]:
        """Its members, volumes, copies, debts."""
        return self.database.rows(table, group_id=self.id)

    @property
    def generation(self) -> Row | None:
        """The committed epoch it is in."""
        epoch = self.row["failover_epoch"]
        return next((entry for entry in self.row["lineage"] if entry["epoch"] == epoch), None)

    def __str__(self) -> str:
        return f"group {self.row['name']} ({self.id})"


@dataclass(frozen=True)
class Picture:
    """All by site name; a site that could not be looked at is missing. `settled`: nothing is said to be under way."""

    databases: Mapping[str, Database] = field(default_factory=dict)
    sites: Mapping[str, Site] = field(default_factory=dict)
    arrays: Mapping[str, Array] = field(default_factory=dict)
    ledger: Ledger = field(default_factory=Ledger)
    settled: bool = True

    def operations(self) -> Iterator[tuple[Database, Row]]:
        """Every operation with the database it is in; records are site-local."""
        for database in self.databases.values():
            for row in database.rows("operations"):
                yield database, row

    @cached_property
    def operations_by_id(self) -> Mapping[str, tuple[Database, Row]]:
        return {row["id"]: (database, row) for database, row in self.operations()}

    def operation_of(self, key: str) -> tuple[Database, Row] | None:
        """Whose `operation/step` this is."""
        return self.operations_by_id.get(key.partition("/")[0])

    @cached_property
    def groups(self) -> Mapping[str, Group]:
        """By id."""
        found: dict[str, Group] = {}
        for database in self.databases.values():
            for row in database.rows("protection_groups"):
                candidate = Group(database, row)
                if row["id"] not in found or _rank(candidate) > _rank(found[row["id"]]):
                    found[row["id"]] = candidate
        return found

    @cached_property
    def spoken(self) -> str:
        """Every record that names what is left to a person: debts, what failed, what is kept, what a cleanup knows of."""
        said: list[object] = []
        for database in self.databases.values():
            said += [(row["resource"], row["detail"]) for row in database.rows("debts")]
            for row in database.rows("operations"):
                kept = {k: v for k, v in (row["result_data"] or {}).items() if _KEPT.search(k)}
                said += [row["steps_failed"], row["error_message"], row["warnings"], row["cleanup"], kept]
            said += [row["error_message"] for row in database.rows("protection_groups")]
        return json.dumps(said)

    def named(self, *names: str | None) -> bool:
        """Whether any of these ids or names stands in such a record."""
        return any(name and name in self.spoken for name in names)


def _rank(group: Group) -> tuple[int, int, bool]:
    row = group.row
    return row["failover_epoch"], row["metadata_version"], group.active == group.database.site
