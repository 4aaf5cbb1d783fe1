"""Transactions: whole or not at all, repeated when the database asks for it, and never a silence."""

import dataclasses
import threading
import time

import pytest
import sqlalchemy as sa

from siterecovery.protector.domain.errors import StaleRow
from siterecovery.protector.store.base import Transaction
from siterecovery.protector.store.errors import StoreUnavailable
from siterecovery.protector.store.sql_store import SqlStore
from siterecovery.workflow.journal import Entry, State, Write
from support.databases import Server
from support.records import group, operation
from support.stores import Open

SERVERS = pytest.mark.parametrize("kind", ["mariadb", "postgresql"], indirect=True, scope="session")
"""SQLite has no server that could go away; what becomes of a lost file is a unit test."""


def bump(tx: Transaction, group_id: str = "g1", *, lock: bool = False) -> None:
    found = tx.groups.get(group_id, lock=lock)
    assert found is not None
    tx.groups.save(dataclasses.replace(found, metadata_version=found.metadata_version + 1))


def version(store: SqlStore, group_id: str = "g1") -> int:
    found = store.run(lambda tx: tx.groups.get(group_id))
    assert found is not None
    return found.metadata_version


def test_an_exception_changes_nothing(store: SqlStore) -> None:
    """What a block did before it raised is rolled back, with begin and with run; the exception is the caller's."""

    def fail(tx: Transaction) -> None:
        tx.groups.save(group("g1"))
        raise LookupError("no")

    with pytest.raises(LookupError), store.begin() as tx:
        fail(tx)
    with pytest.raises(LookupError):
        store.run(fail)
    assert store.run(lambda tx: tx.groups.select()) == []


@pytest.mark.parametrize("lock", [True, False])
def test_no_change_is_lost(store: SqlStore, open_again: Open, lock: bool) -> None:
    """Threads of two processes that read, change and save one row at once: every change counts, with and without a lock."""
    store.run(lambda tx: tx.groups.save(group("g1")))
    stores = [store, open_again()]

    def work(number: int) -> None:
        for _ in range(10):
            stores[number % 2].run(lambda tx: bump(tx, lock=lock))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert version(store) == 40


def test_a_stale_save_is_refused(store: SqlStore, open_again: Open) -> None:
    """Outside of run, a save after somebody else's is a StaleRow and changes nothing."""
    store.run(lambda tx: tx.groups.save(group("g1")))
    with store.begin() as tx:
        found = tx.groups.get("g1")
        assert found is not None
        open_again().run(bump)
        with pytest.raises(StaleRow):
            tx.groups.save(dataclasses.replace(found, metadata_version=9))
    assert version(store) == 1


def test_those_who_lock_crosswise_both_get_through(store: SqlStore, open_again: Open) -> None:
    """Two transactions that lock two rows in opposite order: the database ends one, run repeats it, both become true."""
    for id in ("g1", "g2"):
        with store.begin() as tx:
            tx.groups.save(group(id))
    stores, both_hold_one = [store, open_again()], threading.Barrier(2)

    def work(number: int) -> None:
        first, second = ("g1", "g2") if number else ("g2", "g1")
        attempts = iter(range(100))

        def cross(tx: Transaction) -> None:
            bump(tx, first, lock=True)
            if next(attempts) == 0 and store_kind(stores[0]) != "sqlite":  # SQLite has one writer: they cannot cross
                both_hold_one.wait(20)
            bump(tx, second, lock=True)

        stores[number].run(cross)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert (version(store, "g1"), version(store, "g2")) == (2, 2)


def store_kind(store: SqlStore) -> str:
    with store.begin() as tx:
        return str(tx.session.dialect)  # type: ignore[attr-defined]


def test_readers_do_not_wait_for_a_writer(store: SqlStore, open_again: Open) -> None:
    """While a transaction has changed a row and is not through, others read the row as it was, at once."""
    store.run(lambda tx: tx.groups.save(group("g1")))
    with store.begin() as writing:
        bump(writing)
        began = time.monotonic()
        assert version(open_again()) == 0
        assert time.monotonic() - began < 2
    assert version(store) == 1


@SERVERS
def test_a_killed_session_is_replaced(store: SqlStore, raw: sa.Engine) -> None:
    """Work whose session the database kills half-way is repeated on a new one, once and whole."""
    store.run(lambda tx: tx.groups.save(group("g1")))
    attempts = 0

    def work(tx: Transaction) -> None:
        nonlocal attempts
        attempts += 1
        bump(tx)
        if attempts == 1:
            kill_others(raw)
        tx.groups.get("g1")

    store.run(work)
    assert (attempts, version(store)) == (2, 1)


def kill_others(raw: sa.Engine) -> None:
    """Ends every session but this one, as an operator does."""
    with raw.connect() as connection:
        if raw.dialect.name == "postgresql":
            ours = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND usename = current_user"
            connection.exec_driver_sql(ours)
            return
        others = "SELECT id FROM information_schema.processlist WHERE id <> CONNECTION_ID() AND user = 'protector'"
        for (id,) in connection.exec_driver_sql(others).all():
            connection.exec_driver_sql(f"KILL {id}")


@SERVERS
def test_a_database_that_is_away_is_an_error_at_once(store: SqlStore, server: Server) -> None:
    """While the server is down every call raises a retryable error within seconds; when it is back the same store goes on."""
    store.run(lambda tx: tx.operations.add(operation("o1")))
    (lease,) = store.leases.claim("me", 1)
    write = Write("o1", lease.epoch, (Entry("a", State.DONE),))
    server.stop()
    try:
        for call in (
            lambda: store.run(lambda tx: tx.groups.select()),
            lambda: store.journal.commit([write]),
            lambda: store.leases.renew([lease]),
        ):
            began = time.monotonic()
            with pytest.raises(StoreUnavailable) as away:
                call()
            assert away.value.retryable
            assert "s3cret" not in str(away.value)
            assert time.monotonic() - began < 5
    finally:
        server.start()
    assert store.journal.commit([write]) == [None]
    assert store.leases.renew([lease])


def test_the_databases_clock(store: SqlStore) -> None:
    """`now` is UTC in the format of records, and stands still within a transaction."""
    with store.begin() as tx:
        stamp = tx.now()
        assert stamp == tx.now()
    assert abs(time.mktime(time.strptime(stamp, "%Y-%m-%dT%H:%M:%SZ")) - time.mktime(time.gmtime())) < 60
