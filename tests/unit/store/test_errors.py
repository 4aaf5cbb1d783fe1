"""Database errors, translated; and what is done again."""

import sqlite3
from pathlib import Path

import psycopg
import pymysql  # type: ignore[import-untyped]
import pytest
from sqlalchemy import exc

from siterecovery.protector.domain.errors import BadRequest, Conflict, ProtectorError, StaleRow
from siterecovery.protector.store.base import Transaction
from siterecovery.protector.store.errors import (
    ConnectionLost,
    SchemaMissing,
    StoreBusy,
    StoreError,
    StoreUnavailable,
    Taken,
    translate,
)
from siterecovery.protector.store.secrets import Keys
from siterecovery.protector.store.session import Session
from siterecovery.protector.store.sql_store import SqlStore, open_store
from support.records import group
from support.stores import KEY, Clock, sqlite_store


def sqlite_error(code: int, words: str = "words") -> sqlite3.Error:
    error = sqlite3.OperationalError(words)
    error.sqlite_errorcode = code
    return error


def postgres_error(state: str | None) -> psycopg.Error:
    error = psycopg.OperationalError("words")
    error.sqlstate = state
    return error


@pytest.mark.parametrize(
    ("cause", "expected"),
    [
        (pymysql.err.OperationalError(1213, "Deadlock found"), StoreBusy),
        (pymysql.err.OperationalError(1205, "Lock wait timeout"), StoreBusy),
        (pymysql.err.OperationalError(1020, "Record has changed"), StoreBusy),
        (pymysql.err.OperationalError(1047, "WSREP has not yet prepared node"), StoreUnavailable),
        (pymysql.err.OperationalError(2003, "Can't connect"), StoreUnavailable),
        (pymysql.err.OperationalError(1045, "Access denied"), StoreError),
        (pymysql.err.ProgrammingError(1146, "no table"), SchemaMissing),
        (postgres_error("40001"), StoreBusy),
        (postgres_error("40P01"), StoreBusy),
        (postgres_error("55P03"), StoreBusy),
        (postgres_error("57P03"), StoreUnavailable),
        (postgres_error(None), StoreUnavailable),
        (postgres_error("42P01"), SchemaMissing),
        (postgres_error("22001"), StoreError),
        (sqlite_error(sqlite3.SQLITE_BUSY), StoreBusy),
        (sqlite_error(sqlite3.SQLITE_BUSY_SNAPSHOT), StoreBusy),
        (sqlite_error(sqlite3.SQLITE_CANTOPEN), StoreUnavailable),
        (sqlite_error(sqlite3.SQLITE_FULL), StoreUnavailable),
        (sqlite_error(sqlite3.SQLITE_ERROR, "no such table: sites"), SchemaMissing),
        (sqlite_error(sqlite3.SQLITE_ERROR), StoreError),
    ],
)
def test_each_database_says_it_differently(cause: Exception, expected: type[StoreError]) -> None:
    """Errors of the three drivers become the same few, by their numbers; only those that pass by themselves are retryable."""
    error = translate(exc.OperationalError("SELECT secret", {"token": "t0ken"}, cause))
    assert type(error) is expected
    assert getattr(error, "retryable", None) is issubclass(expected, StoreUnavailable)
    assert "secret" not in str(error)
    assert "words" not in str(error)


def test_a_broken_connection_and_a_taken_key() -> None:
    """A connection that SQLAlchemy gave up is lost; a broken constraint is a conflict; a full pool is busy."""
    lost = exc.OperationalError("", {}, pymysql.err.OperationalError(2013, ""), connection_invalidated=True)
    assert type(translate(lost)) is ConnectionLost
    assert isinstance(translate(exc.IntegrityError("", {}, sqlite_error(sqlite3.SQLITE_CONSTRAINT))), Conflict)
    assert type(translate(exc.TimeoutError())) is StoreBusy
    assert type(translate(exc.ArgumentError("x"))) is StoreError


@pytest.mark.parametrize("url", ["", "oracle://u:p4ss@h/d", "sqlite://", "sqlite:///:memory:", "nonsense p4ss"])
def test_an_unusable_url_is_refused(url: str) -> None:
    """A URL that cannot work is refused with what to use instead, and without the password in it."""
    with pytest.raises(BadRequest) as refusal:
        open_store(url, Keys([KEY]), drain=1, lease_ttl=1)
    assert refusal.value.remedy
    assert "p4ss" not in str(refusal.value) + refusal.value.remedy


def test_a_missing_directory_is_a_database_that_is_away(tmp_path: Path) -> None:
    """A SQLite file that cannot be opened is a retryable error at once."""
    store = open_store(f"sqlite:///{tmp_path}/absent/protector.db", Keys([KEY]), drain=1, lease_ttl=1)
    with pytest.raises(StoreUnavailable):
        store.run(lambda tx: tx.groups.select())


@pytest.mark.parametrize(
    ("error", "attempts"),
    [
        (StoreBusy("x"), 4),
        (StaleRow("x"), 4),
        (ConnectionLost("x"), 3),
        (Taken("x"), 2),
        (StoreUnavailable("x"), 1),
        (Conflict("x"), 1),
        (LookupError("x"), 1),
    ],
)
def test_how_often_work_is_repeated(store: SqlStore, error: Exception, attempts: int) -> None:
    """Rivals keep work out for a while, a broken connection and a taken key are tried again a few times, the rest is told at once."""
    store._sleep = lambda seconds: None
    made = 0

    def work(tx: Transaction) -> int:
        nonlocal made
        made += 1
        if made < 4:
            raise error
        return made

    if attempts == 4:
        assert store.run(work) == 4
        return
    with pytest.raises(type(error)):
        store.run(work)
    assert made == attempts


def test_patience_ends(tmp_path: Path, clock: Clock) -> None:
    """Work that rivals always keep out ends with their error after the store's patience."""
    store = sqlite_store(tmp_path / "protector.db", clock, patience=0.0)

    def work(tx: Transaction) -> None:
        raise StoreBusy("x")

    with pytest.raises(StoreBusy):
        store.run(work)
    store.close()


def test_a_commit_that_nobody_can_vouch_for_is_repeated(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the answer to a commit is lost, although it arrived, the work is run again and leads to the same rows."""
    commit, lost = Session.commit, iter([True])

    def commit_and_lose_the_answer(session: Session) -> None:
        commit(session)
        if next(lost, False):
            raise ConnectionLost("x")

    monkeypatch.setattr(Session, "commit", commit_and_lose_the_answer)
    made: list[int] = []

    def work(tx: Transaction) -> None:
        made.append(len(tx.groups.select()))
        tx.groups.save(group("g1"))

    store.run(work)
    assert made == [0, 1]
    assert len(store.run(lambda tx: tx.groups.select())) == 1


def test_errors_are_the_domains() -> None:
    """The API can answer each of them: all have a status, a code and a title."""
    for kind in (StoreError, StoreUnavailable, StoreBusy, ConnectionLost, SchemaMissing, Taken):
        assert issubclass(kind, ProtectorError)
        assert (kind.status, bool(kind.code), bool(kind.title)) in {
            (500, True, True),
            (503, True, True),
            (409, True, True),
        }
