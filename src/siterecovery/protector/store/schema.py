"""Bringing the database's tables to this release: `protector-manage db sync|version`."""

import contextlib
from collections.abc import Iterator

import alembic.command
import sqlalchemy as sa
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from siterecovery.protector.store.database import connect
from siterecovery.protector.store.errors import StoreBusy, translated

PATIENCE = 600
"""Seconds that one statement of a migration may take."""
_LOCK = "protector_db_sync"
_LOCK_NUMBER = 7_811_208


def migrate(url: str) -> str:
    """Creates or upgrades the tables; answers the version they are at now. Harmless when there is nothing to do, or when two do it together."""
    with _connection(url) as connection, _alone(connection):
        config = _config()
        config.attributes["connection"] = connection
        alembic.command.upgrade(config, "head")
        connection.commit()
        return head_version()


def current_version(url: str) -> str | None:
    """The version of the tables; None when there are none."""
    with _connection(url) as connection:
        return MigrationContext.configure(connection).get_current_revision()


def head_version() -> str:
    """The version this release needs."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    assert head is not None, "the package holds no migrations"
    return head


@contextlib.contextmanager
def _connection(url: str) -> Iterator[sa.Connection]:
    engine = connect(url, answer=PATIENCE)
    try:
        with translated(), engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


@contextlib.contextmanager
def _alone(connection: sa.Connection) -> Iterator[None]:
    """One migration at a time. The lock is the session's: it ends with the connection."""
    match connection.dialect.name:
        case "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        case "mysql":
            if not connection.exec_driver_sql(f"SELECT GET_LOCK('{_LOCK}', 60)").scalar_one():
                raise StoreBusy("Another migration has been running for a minute.", remedy="Wait for it, then retry.")
        case _:
            connection.exec_driver_sql("SET lock_timeout = '60s'")
            connection.exec_driver_sql(f"SELECT pg_advisory_lock({_LOCK_NUMBER})")
    yield


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", "siterecovery.protector.store:migrations")
    return config
