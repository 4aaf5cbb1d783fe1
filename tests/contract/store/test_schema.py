"""The tables: made by migrations, known to the code, the same on every database."""

import concurrent.futures

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from cryptography.fernet import Fernet

from siterecovery.protector.store.database import connect
from siterecovery.protector.store.errors import SchemaMissing
from siterecovery.protector.store.schema import current_version, head_version, migrate
from siterecovery.protector.store.secrets import Keys
from siterecovery.protector.store.sql_store import open_store
from siterecovery.protector.store.tables import metadata


def test_migrations_and_models_agree(raw: sa.Engine) -> None:
    """What the migrations have made is what the code believes: tables, columns, types, keys and indexes."""
    with raw.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_an_empty_database_is_brought_to_the_newest_version(empty_url: str) -> None:
    """Before: no version and a clear error that says what to run; after: the newest; again: nothing happens."""
    store = open_store(empty_url, Keys([Fernet.generate_key().decode()]), drain=1, lease_ttl=1)
    assert current_version(empty_url) is None
    with pytest.raises(SchemaMissing) as missing:
        store.run(lambda tx: tx.sites.all())
    assert "db sync" in missing.value.remedy
    assert migrate(empty_url) == current_version(empty_url) == head_version()
    assert migrate(empty_url) == head_version()
    assert store.run(lambda tx: tx.sites.all()) == []
    store.close()


def test_two_who_migrate_together_do_it_once(empty_url: str) -> None:
    """Hosts that are installed at the same time may all run the migration."""
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        assert list(pool.map(migrate, [empty_url] * 3)) == [head_version()] * 3


def test_tables_are_as_the_databases_need_them(raw: sa.Engine) -> None:
    """MariaDB: InnoDB, and text that compares by code point; SQLite: a write-ahead log, foreign keys and full synchronisation."""
    with raw.connect() as connection:
        match raw.dialect.name:
            case "mysql":
                kinds = "SELECT DISTINCT engine, table_collation FROM information_schema.tables WHERE table_schema = DATABASE()"
                found = {
                    tuple(row) for row in connection.exec_driver_sql(kinds + " AND table_name <> 'alembic_version'")
                }
                assert found == {("InnoDB", "utf8mb4_bin")}
                assert connection.exec_driver_sql("SELECT @@tx_isolation").scalar_one() == "READ-COMMITTED"
            case "sqlite":
                pragmas = ("journal_mode", "foreign_keys", "synchronous", "busy_timeout")
                found_values = [connection.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in pragmas]
                assert found_values == ["wal", 1, 2, 5000]
            case _:
                isolation = connection.exec_driver_sql("SHOW transaction_isolation").scalar_one()
                assert isolation == "read committed"


@pytest.mark.parametrize("index", ["ix_operations_listed", "ix_operations_by_status", "ix_operations_open"])
def test_listing_is_served_by_an_index(raw: sa.Engine, index: str) -> None:
    """The indexes that keep listing and claiming flat exist under their names."""
    assert index in {found["name"] for found in sa.inspect(raw).get_indexes("operations")}


def test_a_url_with_another_drivers_name_is_ours() -> None:
    """Whatever driver the URL of a known database names, ours is used."""
    assert connect("mariadb+mysqldb://u:p@h/d").url.drivername == "mysql+pymysql"
    assert connect("postgresql://u:p@h/d").url.drivername == "postgresql+psycopg"
