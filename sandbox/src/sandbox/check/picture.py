"""Everything that was seen at once: what the invariants are asked of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from sandbox.check.databases import Database, Row


@dataclass(frozen=True)
class Picture:
    """`databases` by site name; a site that could not be looked at is missing."""

    databases: Mapping[str, Database] = field(default_factory=dict)
    settled: bool = True

    def operations(self) -> Iterator[tuple[Database, Row]]:
        """Every operation with the database it is in; records are site-local."""
        for database in self.databases.values():
            for row in database.rows("operations"):
                yield database, row
