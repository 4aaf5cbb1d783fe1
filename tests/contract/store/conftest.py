"""The same suite on SQLite, MariaDB and PostgreSQL."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from cryptography.fernet import Fernet

from siterecovery.protector.store.database import connect
from siterecovery.protector.store.schema import migrate
from siterecovery.protector.store.secrets import Keys
from siterecovery.protector.store.sql_store import SqlStore, open_store
from siterecovery.protector.store.tables import metadata
from support.databases import Server, mariadb_server, postgresql_server

__all__ = ["mariadb_server", "postgresql_server"]

DRAIN = 30.0
TTL = 60.0
Open = Callable[..., SqlStore]


@pytest.fixture(scope="session", params=["sqlite", "mariadb", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database with this release's tables."""
    if request.param == "sqlite":
        address = f"sqlite:///{tmp_path_factory.mktemp('store')}/protector.db"
    else:
        server: Server = request.getfixturevalue(f"{request.param}_server")
        address = server.url()
    migrate(address)
    return address


@pytest.fixture
def key() -> str:
    return Fernet.generate_key().decode()


@pytest.fixture
def raw(url: str) -> Iterator[sa.Engine]:
    """The database without our store: to look into it, and to empty it after each test."""
    engine = connect(url)
    yield engine
    with engine.begin() as connection:
        for table in reversed(metadata.sorted_tables):
            connection.execute(table.delete())
    engine.dispose()


@pytest.fixture
def open_again(url: str, key: str, raw: sa.Engine, tmp_path: Path) -> Iterator[Open]:
    """Opens one more store on the database, as another process would."""
    opened: list[SqlStore] = []

    def one(*, drain: float = DRAIN, lease_ttl: float = TTL, keys: Keys | None = None) -> SqlStore:
        opened.append(open_store(url, keys or Keys([key]), drain=drain, lease_ttl=lease_ttl))
        return opened[-1]

    yield one
    for store in opened:
        store.close()


@pytest.fixture
def store(open_again: Open) -> SqlStore:
    return open_again()
