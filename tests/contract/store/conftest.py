"""The same suite on SQLite, MariaDB and PostgreSQL."""

import secrets
from collections.abc import Iterator
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
from support.stores import DRAIN, TTL, Open

__all__ = ["mariadb_server", "postgresql_server"]


@pytest.fixture(scope="session", params=["sqlite", "mariadb", "postgresql"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def server(kind: str, request: pytest.FixtureRequest) -> Server | None:
    """None for SQLite."""
    found: Server | None = None if kind == "sqlite" else request.getfixturevalue(f"{kind}_server")
    return found


@pytest.fixture(scope="session")
def url(server: Server | None, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database with this release's tables."""
    address = server.url() if server else f"sqlite:///{tmp_path_factory.mktemp('store')}/protector.db"
    migrate(address)
    return address


@pytest.fixture
def empty_url(server: Server | None, tmp_path: Path) -> str:
    """A database without tables."""
    name = f"empty_{secrets.token_hex(4)}"
    return server.create_database(name) if server else f"sqlite:///{tmp_path}/{name}.db"


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
