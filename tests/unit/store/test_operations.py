"""Records of operations while many journal writes share a transaction."""

import dataclasses
from pathlib import Path

import pytest
import sqlalchemy as sa

from siterecovery.protector.domain.errors import StaleRow
from siterecovery.protector.domain.states import OperationStatus
from siterecovery.protector.store.base import Transaction
from siterecovery.protector.store.sql_store import SqlStore
from siterecovery.workflow.journal import Entry, State, Write
from support.records import operation
from support.stores import Clock, accept, sqlite_store


def advance(tx: Transaction) -> None:
    found = tx.operations.get("o1")
    assert found is not None
    tx.operations.save(dataclasses.replace(found, progress=found.progress + 1))


def test_a_batch_reads_and_writes_a_record_once(store: SqlStore) -> None:
    """However many writes of a batch change the record of one operation, it is read once and written once."""
    accept(store, "o1")
    store.leases.claim("me", 1)
    writes = [Write("o1", 1, (Entry(f"s{n}", State.DONE),), (advance,)) for n in range(50)]
    said: list[str] = []

    def note(connection: object, cursor: object, statement: str, *rest: object) -> None:
        said.append(statement)

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    store.journal.commit(writes)
    sa.event.remove(sa.Engine, "before_cursor_execute", note)
    assert sum("plan" in statement for statement in said) == 1
    assert sum(statement.startswith("UPDATE") and "progress" in statement for statement in said) == 1
    found = store.run(lambda tx: tx.operations.get("o1"))
    assert found is not None
    assert found.progress == 50


def test_a_record_is_not_cached_beyond_its_lock(store: SqlStore) -> None:
    """A transaction that has not locked the row reads it afresh each time, and cannot overwrite what it has not seen."""
    accept(store, "o1")
    with store.begin() as tx:
        before = tx.operations.get("o1")
        assert before is not None
        store.run(advance)
        after = tx.operations.get("o1")
        assert after is not None
        assert (before.progress, after.progress) == (0, 1)
        store.run(advance)
        with pytest.raises(StaleRow):
            tx.operations.save(dataclasses.replace(after, status=OperationStatus.FAILED))


def test_a_listed_operation_may_be_saved(store: SqlStore) -> None:
    """Saving what a listing answered, where the plan is left out, does not lose the plan."""
    with store.begin() as tx:
        tx.operations.add(operation("o1", plan={"members": ["m1"]}))
    with store.begin() as tx:
        (listed,) = tx.operations.select("p1")
        tx.operations.save(dataclasses.replace(listed, progress=5))
    found = store.run(lambda tx: tx.operations.get("o1"))
    assert found is not None
    assert (found.plan, found.progress) == ({"members": ["m1"]}, 5)


def test_an_operation_gets_the_databases_time(store: SqlStore, clock: Clock) -> None:
    """Without a time of its own an operation is created now; a later save does not move it."""
    accept(store, "o1")
    clock.seconds += 100
    store.run(advance)
    found = store.run(lambda tx: tx.operations.get("o1"))
    assert found is not None
    assert found.created_at == "2026-05-28T20:26:40Z"


def test_a_page_is_found_by_seeking(store: SqlStore) -> None:
    """SQLite answers a page from the index, without sorting: listing stays flat however many operations there are."""
    said: list[tuple[str, object]] = []

    def note(connection: object, cursor: object, statement: str, parameters: object, *rest: object) -> None:
        said.append((statement, parameters))

    accept(store, "o1")
    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    store.run(lambda tx: tx.operations.select("p1", marker="o1"))
    sa.event.remove(sa.Engine, "before_cursor_execute", note)
    statement, parameters = next(entry for entry in said if "ORDER BY" in entry[0])
    with store.begin() as tx:
        plan = tx.session._connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()  # type: ignore[attr-defined]
    told = " ".join(row[3] for row in plan)
    assert "USING INDEX ix_operations_listed (project_id=? AND internal=? AND created_us<?)" in told
    assert "TEMP B-TREE" not in told


def test_a_lease_ends_with_the_clock(store: SqlStore, clock: Clock) -> None:
    """At the end of its time a lease still holds, a moment later it does not; the drain shrinks as the clock goes on."""
    accept(store, "o1")
    (first,) = store.leases.claim("a", 1)
    clock.seconds += first.ttl
    assert store.leases.claim("b", 1) == []
    clock.seconds += 0.001
    (second,) = store.leases.claim("b", 1)
    clock.seconds += 12
    (renewed,) = store.leases.renew([second])
    assert renewed.drain_left == pytest.approx(second.drain_left - 12)


def test_the_lease_is_not_part_of_the_record(store: SqlStore) -> None:
    """Replacing the record of an operation, without having read it, leaves its lease as it is."""
    accept(store, "o1")
    (lease,) = store.leases.claim("a", 1)
    with store.begin() as tx:
        tx.operations.save(operation("o1", progress=9))
    assert store.leases.renew([lease]) == [lease]


def test_a_store_of_another_process_sees_it(store: SqlStore, clock: Clock, tmp_path: Path) -> None:
    """What one store has committed another one on the same file reads at once."""
    other = sqlite_store(tmp_path / "protector.db", clock)
    accept(store, "o1")
    assert [found.id for found in other.run(lambda tx: tx.operations.select("p1"))] == ["o1"]
    other.close()


def test_a_plan_that_is_not_asked_for_is_not_read(store: SqlStore) -> None:
    """Changing a record reads no plan, which can be megabytes, and does not lose it; who asks in the same transaction still gets it."""
    with store.begin() as tx:
        tx.operations.add(operation("o1", plan={"members": ["m1"]}))
    with store.begin() as tx:
        found = tx.operations.get("o1", lock=True, plan=False)
        assert found is not None
        assert found.plan == {}
        tx.operations.save(dataclasses.replace(found, progress=7))
        again = tx.operations.get("o1", lock=True)
        assert again is not None
        assert (again.plan, again.progress) == ({"members": ["m1"]}, 7)
    after = store.run(lambda tx: tx.operations.get("o1"))
    assert after is not None
    assert (after.plan, after.progress) == ({"members": ["m1"]}, 7)
