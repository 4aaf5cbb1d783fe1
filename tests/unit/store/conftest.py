"""A store on SQLite whose clock the test moves."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from siterecovery.protector.store.sql_store import SqlStore
from support.stores import Clock, sqlite_store


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Iterator[SqlStore]:
    made = sqlite_store(tmp_path / "protector.db", clock)
    yield made
    made.close()
