"""What the mock's pretend arrays hold: one JSON document in one SQLite row, changed under SQLite's own write lock.

Both sites' engines, on one machine, share it by giving the same `state_path`.
"""

import contextlib
import dataclasses
import json
import sqlite3
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FILE = "mock-arrays.sqlite"
_LOCK_SECONDS = 30.0


@dataclasses.dataclass
class World:
    """`volumes`: site → name → volume. `groups`: source site → name → group, whose `snapshots` are by suffix."""

    volumes: dict[str, dict[str, dict[str, Any]]] = dataclasses.field(default_factory=dict)
    groups: dict[str, dict[str, dict[str, Any]]] = dataclasses.field(default_factory=dict)
    snapshots: dict[str, dict[str, str]] = dataclasses.field(default_factory=dict)
    """Site → snapshot of one volume → the volume's id."""

    def volumes_on(self, site_id: str) -> dict[str, dict[str, Any]]:
        """By name; destroyed ones keep theirs."""
        return self.volumes.setdefault(site_id, {})

    def groups_on(self, site_id: str) -> dict[str, dict[str, Any]]:
        """Groups whose source is this site."""
        return self.groups.setdefault(site_id, {})

    def new_volume(self, site_id: str, name: str, size: int, source: str | None = None) -> dict[str, Any]:
        """`size` in bytes; the name must be free."""
        volume = {
            "id": str(uuid.uuid4()),
            "name": name,
            "size": size,
            "connected": False,
            "destroyed": False,
            "source": source,
            "tags": {},
        }
        self.volumes_on(site_id)[name] = volume
        return volume


class State:
    """The file; it is made when first used."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._path = directory / FILE

    @contextlib.contextmanager
    def change(self) -> Iterator[World]:
        """Read, change, write back: whole or, on an exception, not at all."""
        with self._transaction() as connection:
            world = _read(connection)
            yield world
            text = json.dumps(dataclasses.asdict(world))
            connection.execute("INSERT OR REPLACE INTO world (id, body) VALUES (1, ?)", (text,))

    def look(self) -> World:
        """A copy to read from."""
        with self._transaction() as connection:
            return _read(connection)

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        connection = sqlite3.connect(self._path, timeout=_LOCK_SECONDS, isolation_level=None)
        try:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("CREATE TABLE IF NOT EXISTS world (id INTEGER PRIMARY KEY, body TEXT NOT NULL)")
            yield connection
            connection.execute("COMMIT")
        finally:
            connection.close()  # what was not committed is forgotten


def _read(connection: sqlite3.Connection) -> World:
    row = connection.execute("SELECT body FROM world WHERE id = 1").fetchone()
    return World(**json.loads(row[0])) if row else World()
