"""What the database can answer instead of the truth, translated once here.

ProtectorError
└── StoreError                500   the database refused the work, and would again
    ├── StoreUnavailable      503   it does not answer, or has lost the connection: retry when it is back
    │   ├── StoreBusy         503   it answers, but other transactions were in the way: `Store.run` has tried for a while
│   └── ConnectionLost    503   the connection broke on the way; whether a commit arrived is not known
    ├── SchemaMissing         500   its tables are missing or older than this release
    └── SecretUnreadable      500   a sealed value does not open with the keys at hand

Two more are the domain's: `Taken`, a `Conflict` (an id or name is taken), and `StaleRow` (the row was changed since it was read).
"""

import contextlib
import enum
import sqlite3
from collections.abc import Iterator

from sqlalchemy import exc

from siterecovery.protector.domain.errors import Conflict, ProtectorError

_BACK = "Try again when it is back."
_SYNC = "Run `protector-manage db sync`."


class StoreError(ProtectorError):
    """`retryable`: the same work may succeed later without anybody doing anything but waiting."""

    code, title = "store_error", "The database refused the work"
    retryable = False


class StoreUnavailable(StoreError):
    status, code, title = 503, "store_unavailable", "The database does not answer"
    retryable = True


class StoreBusy(StoreUnavailable):
    code, title = "store_busy", "The database is busy"


class ConnectionLost(StoreUnavailable):
    pass


class Taken(Conflict):
    code = "taken"


class SchemaMissing(StoreError):
    code, title = "schema_missing", "The database has not been prepared"


class SecretUnreadable(StoreError):
    code, title = "secret_unreadable", "A stored secret cannot be opened"


class Trouble(enum.Enum):
    """What a database error means for the transaction it ended."""

    AGAIN = "a rival transaction won: run it again"
    LOST = "the connection broke: run it again on a new one"
    GONE = "nobody answers"
    TAKEN = "a unique key is taken, or a parent row is missing"
    SCHEMA = "a table or column is missing"
    OTHER = "a mistake of ours"


# MariaDB and MySQL error numbers: deadlock and Galera certification, lock wait, row changed since read, error during commit.
_MYSQL_AGAIN = {1213, 1205, 1020, 1180}
# Too many connections, shutdown, Galera node not ready, connection killed, cannot connect, unknown host, went away, lost.
_MYSQL_GONE = {1040, 1047, 1053, 1927, 2002, 2003, 2005, 2006, 2013, 2055, 4031}
_MYSQL_SCHEMA = {1146, 1054, 1049}
# SQLSTATE: serialisation failure, deadlock, lock not available.
_POSTGRES_AGAIN = {"40001", "40P01", "55P03"}
# Classes: connection exception, insufficient resources, operator intervention (shutdown, cannot connect now, statement timeout).
_POSTGRES_GONE = ("08", "53", "57")
_POSTGRES_SCHEMA = {"42P01", "42703", "3D000"}
_SQLITE_AGAIN = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_SQLITE_GONE = {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY}


def trouble(error: exc.SQLAlchemyError) -> Trouble:
    """Reads the driver's own error number, never its words (SQLite's missing table, which has no number of its own, excepted)."""
    if isinstance(error, exc.TimeoutError):
        return Trouble.AGAIN  # all connections of the pool are taken
    if isinstance(error, exc.IntegrityError):
        return Trouble.TAKEN
    if not isinstance(error, exc.DBAPIError) or error.orig is None:
        return Trouble.OTHER
    if error.connection_invalidated:
        return Trouble.LOST
    return _of_driver(error.orig)


def _of_driver(cause: BaseException) -> Trouble:
    if isinstance(cause, sqlite3.Error):
        return _of_sqlite(cause)
    if cause.args and isinstance(cause.args[0], int):
        return _of_mysql(cause.args[0])
    return _of_postgres(getattr(cause, "sqlstate", None))


def _of_mysql(number: int) -> Trouble:
    if number in _MYSQL_AGAIN:
        return Trouble.AGAIN
    if number in _MYSQL_GONE:
        return Trouble.GONE
    return Trouble.SCHEMA if number in _MYSQL_SCHEMA else Trouble.OTHER


def _of_postgres(state: str | None) -> Trouble:
    if state in _POSTGRES_AGAIN:
        return Trouble.AGAIN
    if state is None or state.startswith(_POSTGRES_GONE):  # no state at all: the connection could not be made
        return Trouble.GONE
    return Trouble.SCHEMA if state in _POSTGRES_SCHEMA else Trouble.OTHER


def _of_sqlite(cause: sqlite3.Error) -> Trouble:
    primary = getattr(cause, "sqlite_errorcode", 0) & 0xFF  # extended codes carry the primary one in the low byte
    if primary in _SQLITE_AGAIN:
        return Trouble.AGAIN
    if primary in _SQLITE_GONE:
        return Trouble.GONE
    return Trouble.SCHEMA if str(cause).startswith(("no such table", "no such column")) else Trouble.OTHER


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """The border: what SQLAlchemy raises inside leaves as an error of the tree above."""
    try:
        yield
    except exc.SQLAlchemyError as error:
        raise translate(error) from error


def translate(error: exc.SQLAlchemyError) -> ProtectorError:
    """The domain's error for a foreign one. Statements and their values are not repeated: they may hold what a tenant wrote."""
    said = _words(error)
    match trouble(error):
        case Trouble.AGAIN:
            return StoreBusy(f"Other work was in the way in the database ({said}).", remedy="Try again.")
        case Trouble.LOST:
            return ConnectionLost(f"The connection to the database broke ({said}).", remedy=_BACK)
        case Trouble.GONE:
            return StoreUnavailable(f"The database does not answer ({said}).", remedy=_BACK)
        case Trouble.TAKEN:
            return Taken("The database refused the row: its id or name is taken, or what it belongs to is gone.")
        case Trouble.SCHEMA:
            return SchemaMissing(f"The database has not been prepared for this release ({said}).", remedy=_SYNC)
        case _:
            return StoreError(f"The database refused the work ({said}).")


def _words(error: exc.SQLAlchemyError) -> str:
    """The kind of the error and its number: enough to look it up, without a value or an address."""
    cause = getattr(error, "orig", None) or error
    number = cause.args[0] if cause.args and isinstance(cause.args[0], int) else None
    number = number or getattr(cause, "sqlstate", None) or getattr(cause, "sqlite_errorname", None)
    return f"{type(cause).__name__} {number}" if number else type(cause).__name__
