"""The SQL journal: durable, in order, and deaf to whoever no longer owns the operation."""

import contextlib
import dataclasses
import itertools
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from siterecovery.protector.domain.errors import PreconditionFailed, Unmet
from siterecovery.protector.domain.secret import Secret
from siterecovery.protector.store import tables
from siterecovery.protector.store.base import Transaction
from siterecovery.protector.store.errors import StoreError, Taken
from siterecovery.protector.store.sql_store import SqlStore
from siterecovery.workflow.journal import Entry, State, Write
from siterecovery.workflow.step import Fenced
from support.records import group, operation
from support.stores import Open, accept, expire


@pytest.fixture
def owned(store: SqlStore) -> SqlStore:
    """Operations o1 and o2, owned by "me" under epoch 1."""
    accept(store, "o1", "o2")
    assert len(store.leases.claim("me", 2)) == 2
    return store


def take_over(raw: sa.Engine, store: SqlStore, owner: str = "other") -> int:
    """The lease of every operation runs out, and `owner` claims them; answers the new epoch of o1."""
    expire(raw)
    return {lease.operation: lease.epoch for lease in store.leases.claim(owner, 10)}["o1"]


def write(operation: str = "o1", epoch: int = 1, *steps: str, **entry: Any) -> Write:
    return Write(operation, epoch, tuple(Entry(step, State.STARTED, **entry) for step in steps or ("a",)))


def progress_to(value: int) -> Any:
    def change(tx: Transaction) -> None:
        found = tx.operations.get("o1")
        assert found is not None
        tx.operations.save(dataclasses.replace(found, progress=value))

    return change


def progress(store: SqlStore) -> int:
    found = store.run(lambda tx: tx.operations.get("o1"))
    assert found is not None
    return found.progress


def test_entries_survive_whole(owned: SqlStore) -> None:
    """An entry is loaded as it was committed, whatever its value and however odd its texts."""
    entries = [
        Entry("servers/é☃", State.DONE, value={"id": 1, "nul": "\0", "deep": [None, True, 1.5, "☃"]}),
        Entry("Servers/é☃", State.FAILED, error="console said \0 and ☃", resource_id="x" * 300),
        Entry("none", State.UNDONE, value=None),
        Entry("text", State.DONE, value="x" * 300_000),
    ]
    assert owned.journal.commit([Write("o1", 1, tuple(entries))]) == [None]
    loaded = list(owned.journal.load("o1").values())
    assert loaded == [entries[0], dataclasses.replace(entries[1], error="console said \\0 and ☃"), *entries[2:]]
    assert owned.run(lambda tx: tx.operations.entries("o1")) == loaded
    assert owned.journal.load("o2") == {}


def test_steps_keep_the_order_of_their_first_write(owned: SqlStore) -> None:
    """A step that moves on stays where it was, within one batch and across batches; the other operation's order is its own."""
    owned.journal.commit([write("o1", 1, "c", "a"), write("o2", 1, "z"), write("o1", 1, "b", "c")])
    owned.journal.commit([Write("o1", 1, (Entry("d", State.STARTED), Entry("a", State.DONE), Entry("d", State.DONE)))])
    loaded = owned.journal.load("o1")
    assert list(loaded) == ["c", "a", "b", "d"]
    assert [entry.state for entry in loaded.values()] == [State.STARTED, State.DONE, State.STARTED, State.DONE]
    assert list(owned.journal.load("o2")) == ["z"]


def test_times_are_the_databases(owned: SqlStore, raw: sa.Engine) -> None:
    """A step keeps when it began; it has an end only while it is through."""
    columns = tables.journal_entries.c

    def times() -> tuple[int, int | None]:
        with raw.connect() as connection:
            row = connection.execute(sa.select(columns.started_at, columns.finished_at)).one()
            return row.started_at, row.finished_at

    owned.journal.commit([Write("o1", 1, (Entry("a", State.STARTED),))])
    begun = times()
    owned.journal.commit([Write("o1", 1, (Entry("a", State.FAILED),))])
    ended = times()
    owned.journal.commit([Write("o1", 1, (Entry("a", State.STARTED),))])
    assert begun[1] is None
    assert ended[0] == begun[0]
    assert ended[1] is not None
    assert ended[1] >= ended[0]
    assert times() == begun


def test_a_batch_is_one_transaction(owned: SqlStore) -> None:
    """Many writes of several operations, with their changes, become true in a single commit."""
    writes = [Write(f"o{1 + n % 2}", 1, (Entry(f"s{n}", State.DONE),), (progress_to(n),)) for n in range(200)]
    with counted_commits() as commits:
        assert owned.journal.commit(writes) == [None] * 200
    assert len(commits) == 1
    assert len(owned.journal.load("o1")) == len(owned.journal.load("o2")) == 100
    assert progress(owned) == 199


@contextlib.contextmanager
def counted_commits() -> Iterator[list[object]]:
    """Gathers the connections on which something is committed meanwhile, in this process."""
    seen: list[object] = []

    def note(connection: sa.Connection) -> None:
        seen.append(connection)

    sa.event.listen(sa.Engine, "commit", note)
    try:
        yield seen
    finally:
        sa.event.remove(sa.Engine, "commit", note)


def test_a_predecessor_writes_nothing(owned: SqlStore, raw: sa.Engine, open_again: Open) -> None:
    """After a take-over the first owner's writes, entries and changes alike, are refused; the new owner's are accepted."""
    other = open_again()
    epoch = take_over(raw, other)
    late = Write("o1", 1, (Entry("a", State.DONE),), (progress_to(50),))
    (answer,) = owned.journal.commit([late])
    assert isinstance(answer, Fenced)
    assert (owned.journal.load("o1"), progress(owned)) == ({}, 0)
    assert other.journal.commit([dataclasses.replace(late, epoch=epoch)]) == [None]
    assert (list(owned.journal.load("o1")), progress(owned)) == (["a"], 50)


def test_one_fenced_write_spoils_no_other(owned: SqlStore, raw: sa.Engine) -> None:
    """In a batch, writes under an old epoch, a future one or of an unknown operation are refused, and only those."""
    epoch = take_over(raw, owned, "me again")
    writes = [
        write("o1", 1, "a"),
        write("o1", epoch, "b"),
        write("o1", epoch + 1, "c"),
        write("o2", epoch, "d"),
        write("o9", 1, "e"),
    ]
    answers = owned.journal.commit(writes)
    assert [type(answer) for answer in answers] == [Fenced, type(None), Fenced, type(None), Fenced]
    assert (list(owned.journal.load("o1")), list(owned.journal.load("o2"))) == (["b"], ["d"])


def test_one_refused_change_spoils_no_other(owned: SqlStore) -> None:
    """A write whose changes raise is answered with what they raised and leaves nothing; the others of its batch become true once."""
    refusal = PreconditionFailed([Unmet("x", "No.")])

    def refuse(tx: Transaction) -> None:
        tx.groups.save(group("half"))
        raise refusal

    def collide(tx: Transaction) -> None:
        tx.operations.add(operation("o2"))

    spoilt = [
        Write("o1", 1, (Entry("b", State.DONE),), (refuse,)),
        Write("o1", 1, (Entry("c", State.DONE),), (collide,)),
    ]
    answers = owned.journal.commit(
        [write("o1", 1, "a"), *spoilt, Write("o1", 1, (Entry("d", State.DONE),), (progress_to(7),))]
    )
    assert answers[0] is None
    assert answers[1] is refusal
    assert isinstance(answers[2], Taken)
    assert answers[3] is None
    assert (list(owned.journal.load("o1")), progress(owned)) == (["a", "d"], 7)
    assert owned.run(lambda tx: tx.groups.get("half")) is None


def test_one_write_that_cannot_be_stored_spoils_no_other(owned: SqlStore) -> None:
    """A value that is no JSON, such as a secret, is answered for its own write and shown to nobody; the others become true."""
    answers = owned.journal.commit(
        [write("o1", 1, "a"), write("o1", 1, "b", value=Secret("t0ken")), write("o2", 1, "c")]
    )
    assert [type(answer) for answer in answers] == [type(None), StoreError, type(None)]
    assert "t0ken" not in str(answers[1])
    assert (list(owned.journal.load("o1")), list(owned.journal.load("o2"))) == (["a"], ["c"])


@pytest.mark.parametrize("kind", ["mariadb", "postgresql"], indirect=True, scope="session")
def test_changes_that_were_overtaken_are_made_again(owned: SqlStore, open_again: Open) -> None:
    """A change that read a row somebody else then changed is run again on the new row; neither change is lost. (On SQLite nobody can.)"""
    other, overtakes = open_again(), iter([True])
    with owned.begin() as tx:
        tx.groups.save(group("g1"))

    def overtake() -> None:
        with other.begin() as tx:
            found = tx.groups.get("g1")
            assert found is not None
            tx.groups.save(dataclasses.replace(found, failover_count=1))

    def change(tx: Transaction) -> None:
        found = tx.groups.get("g1")
        assert found is not None
        if next(overtakes, False):
            thread.start()
            thread.join(30)
        tx.groups.save(dataclasses.replace(found, metadata_version=1))

    thread = threading.Thread(target=overtake)
    assert owned.journal.commit([Write("o1", 1, (Entry("a", State.DONE),), (change,))]) == [None]
    thread.join(30)
    found = owned.run(lambda tx: tx.groups.get("g1"))
    assert found is not None
    assert (found.failover_count, found.metadata_version) == (1, 1)


def test_a_write_without_entries_is_guarded_too(owned: SqlStore, raw: sa.Engine) -> None:
    """Changes alone are committed under the same epoch check."""
    assert owned.journal.commit([Write("o1", 1, (), (progress_to(3),))]) == [None]
    take_over(raw, owned)
    (answer,) = owned.journal.commit([Write("o1", 1, (), (progress_to(4),))])
    assert isinstance(answer, Fenced)
    assert progress(owned) == 3


def test_writing_the_same_again_is_no_fence(owned: SqlStore) -> None:
    """A repeated commit matches its operation's row although nothing about it is new."""
    assert [owned.journal.commit([write()]) for _ in range(3)] == [[None]] * 3


def test_committing_nothing(owned: SqlStore) -> None:
    """An empty batch has no answers."""
    assert owned.journal.commit([]) == []


def test_a_take_over_while_the_first_owner_still_writes(owned: SqlStore, raw: sa.Engine, open_again: Open) -> None:
    """Two owners write at full speed across a take-over: what the first wrote after it is refused, what it was told is durable stays."""
    other = open_again()
    accepted: list[str] = []
    refused: list[str] = []
    go, enough = threading.Event(), threading.Event()

    def first() -> None:
        for n in itertools.count():
            (answer,) = owned.journal.commit([write("o1", 1, f"first/{n:06}")])
            (accepted if answer is None else refused).append(f"first/{n:06}")
            if n == 20:
                go.set()
            if len(refused) > 3 or enough.is_set():
                return

    writer = threading.Thread(target=first)
    writer.start()
    assert go.wait(30)
    deadline = time.monotonic() + 60
    epoch = 0
    try:
        # the first owner does not renew; its lease is made to run out until the claim is through
        while not epoch and time.monotonic() < deadline:
            expire(raw)
            epoch = next((lease.epoch for lease in other.leases.claim("other", 10) if lease.operation == "o1"), 0)
        seen_by_the_second = list(other.journal.load("o1"))
        taken = other.journal.commit([write("o1", epoch, "second")])
        writer.join(5)  # its next writes are refused, so that it ends by itself
    finally:
        enough.set()
        writer.join()
    assert taken == [None]
    assert refused
    assert list(owned.journal.load("o1")) == [*accepted, "second"]
    assert seen_by_the_second == accepted, "nothing of the first owner's arrived after the claim"


def test_two_engines_commit_to_their_own_operations_at_once(owned: SqlStore, open_again: Open) -> None:
    """Batches of different operations from several threads and stores all become true."""
    stores = [owned, open_again()]
    failures: list[Exception] = []

    def work(store: SqlStore, operation: str, name: str) -> None:
        for n in range(20):
            batch = [Write(operation, 1, (Entry(f"{name}/{n}/{i}", State.DONE),)) for i in range(5)]
            failures.extend(answer for answer in store.journal.commit(batch) if answer is not None)

    threads = [threading.Thread(target=work, args=(stores[n % 2], f"o{1 + n % 2}", f"thread-{n}")) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    assert len(owned.journal.load("o1")) == len(owned.journal.load("o2")) == 200


def test_entries_go_with_their_operation(owned: SqlStore, raw: sa.Engine) -> None:
    """Removing an operation's row removes its entries."""
    owned.journal.commit([write()])
    with raw.begin() as connection:
        connection.execute(tables.operations.delete())
    assert owned.journal.load("o1") == {}
