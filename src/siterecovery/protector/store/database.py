"""Connections: one SQLAlchemy engine per URL, with what each database needs to be safe and to answer in bounded time.

SQLite: WAL, full synchronisation (a commit survives a power cut), foreign keys, transactions begun by us (`session.py`).
MariaDB and MySQL: InnoDB at READ COMMITTED, strict, in UTC; reads wait for what the cluster has already certified on Galera
(`wsrep_sync_wait`), so that an engine that takes over on another node sees its predecessor's journal.
PostgreSQL: READ COMMITTED.
No wait is longer than `CONNECT`, `LOCK_WAIT` or `ANSWER` seconds: a database that is away is an error, not a silence.
"""

import time
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import URL, make_url

from siterecovery.protector.domain.errors import BadRequest
from siterecovery.protector.store.columns import MICROSECONDS, SQLITE_CLOCK

CONNECT = 3
LOCK_WAIT = 5
ANSWER = 10
Clock = Callable[[], float]
"""Seconds since 1970."""

_DRIVERS = {
    "sqlite": "sqlite",
    "mysql": "mysql+pymysql",
    "mariadb": "mysql+pymysql",
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
}


def parse_url(text: str) -> URL:
    """The URL with our driver; BadRequest, without repeating a password, for one that cannot work."""
    try:
        url = make_url(text)
        driver = _DRIVERS[url.drivername.partition("+")[0]]
    except (sa.exc.ArgumentError, KeyError):
        raise BadRequest(
            "The database URL is not understood.",
            code="database_url",
            remedy="Use sqlite:////path/to/file, mysql+pymysql://user:password@host/name or postgresql+psycopg://… .",
        ) from None
    if driver == "sqlite" and url.database in (None, "", ":memory:"):
        raise BadRequest(
            "SQLite needs a file: a database in memory would be another one for each thread.",
            code="database_url",
            remedy="Use sqlite:////path/to/file.",
        )
    return url.set(drivername=driver)


def connect(text: str, *, clock: Clock = time.time, pool_size: int = 10, answer: int = ANSWER) -> sa.Engine:
    """An engine; nothing is connected yet. `clock` is SQLite's only, which has no server to ask for the time; `answer` is how many seconds
    one statement may take."""
    url = parse_url(text)
    match url.get_backend_name():
        case "sqlite":
            engine = sa.create_engine(
                url, pool_size=pool_size, max_overflow=pool_size, pool_timeout=LOCK_WAIT, hide_parameters=True
            )
            sa.event.listen(engine, "connect", lambda connection, record: _prepare_sqlite(connection, clock))
        case "mysql":
            engine = _server(
                url,
                pool_size,
                {
                    "charset": "utf8mb4",
                    "connect_timeout": CONNECT,
                    "read_timeout": answer,
                    "write_timeout": answer,
                },
            )
            sa.event.listen(engine, "connect", lambda connection, record: _prepare_mysql(connection))
        case _:
            engine = _server(
                url,
                pool_size,
                {"connect_timeout": CONNECT, "tcp_user_timeout": answer * 1000, "keepalives_idle": ANSWER},
            )
            sa.event.listen(engine, "connect", lambda connection, record: _prepare_postgres(connection, answer))
    return engine


def _server(url: URL, pool_size: int, arguments: dict[str, Any]) -> sa.Engine:
    return sa.create_engine(
        url,
        connect_args={name: value for name, value in arguments.items() if name not in url.query},
        hide_parameters=True,
        isolation_level="READ COMMITTED",
        pool_pre_ping=True,
        pool_recycle=1800,
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_timeout=LOCK_WAIT,
        pool_use_lifo=True,
    )


def _prepare_sqlite(connection: Any, clock: Clock) -> None:
    connection.isolation_level = None  # the driver begins no transaction behind our back
    connection.create_function(SQLITE_CLOCK, 0, lambda: int(clock() * MICROSECONDS))
    for pragma in (
        f"busy_timeout = {LOCK_WAIT * 1000}",
        "journal_mode = WAL",
        "synchronous = FULL",
        "foreign_keys = ON",
        "journal_size_limit = 67108864",
    ):
        connection.execute(f"PRAGMA {pragma}").close()


def _prepare_mysql(connection: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SET SESSION time_zone = '+00:00', innodb_lock_wait_timeout = %s, "
            "sql_mode = 'STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION,ERROR_FOR_DIVISION_BY_ZERO'",
            (LOCK_WAIT,),
        )
        cursor.execute("SHOW SESSION VARIABLES LIKE 'wsrep_on'")
        if (cursor.fetchone() or ("", "OFF"))[1] == "ON":
            cursor.execute("SET SESSION wsrep_sync_wait = 1")


def _prepare_postgres(connection: Any, answer: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SET lock_timeout = '{LOCK_WAIT}s'")
        cursor.execute(f"SET statement_timeout = '{answer}s'")
        cursor.execute("SET timezone = 'UTC'")
    connection.commit()
