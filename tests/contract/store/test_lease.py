"""Leases: one owner at a time, by the database's clock."""

import dataclasses
import threading

import pytest
import sqlalchemy as sa

from siterecovery.protector.domain.states import OperationStatus
from siterecovery.protector.store import tables
from siterecovery.protector.store.base import Transaction
from siterecovery.protector.store.columns import MICROSECONDS
from siterecovery.protector.store.sql_store import SqlStore
from siterecovery.workflow.lease import Lease
from support.records import operation
from support.stores import DRAIN, TTL, Open, accept, age_take_overs, expire

COLUMNS = tables.operations.c


@pytest.fixture
def one(store: SqlStore) -> SqlStore:
    accept(store, "o1")
    return store


def claim(store: SqlStore, owner: str) -> Lease:
    (lease,) = store.leases.claim(owner, 10)
    return lease


def test_a_new_operation_is_claimed_once(one: SqlStore) -> None:
    """The first owner gets epoch 1 and no drain; nobody else gets anything while the lease holds, and its status is left alone."""
    assert claim(one, "a") == Lease("o1", "a", 1, TTL)
    assert one.leases.claim("b", 10) == []
    assert one.leases.claim("a", 10) == []
    found = one.run(lambda tx: tx.operations.get("o1"))
    assert found is not None
    assert found.status is OperationStatus.PENDING


def test_the_oldest_come_first_up_to_the_limit(store: SqlStore) -> None:
    """A claim takes no more than asked for, in the order in which the operations were accepted."""
    accept(store, "o0", "o1", "o2", "o3")
    assert store.leases.claim("a", 0) == []
    assert [lease.operation for lease in store.leases.claim("a", 3)] == ["o0", "o1", "o2"]
    assert [lease.operation for lease in store.leases.claim("b", 3)] == ["o3"]


def test_whoever_ends_an_operation_gives_its_lease_back(one: SqlStore, raw: sa.Engine) -> None:
    """The write that closes an operation frees it: a clean-up that is asked for later waits for no lease."""
    claim(one, "a")

    def end(tx: Transaction, **more: bool) -> None:
        found = tx.operations.get("o1", lock=True)
        assert found is not None
        tx.operations.save(dataclasses.replace(found, status=OperationStatus.COMPLETED, **more))

    one.run(end)
    with raw.connect() as connection:
        row = connection.execute(sa.select(COLUMNS.lease_owner, COLUMNS.lease_expires_at)).one()
    assert tuple(row) == (None, None)
    one.run(lambda tx: end(tx, cleanup_requested=True))
    assert claim(one, "b") == Lease("o1", "b", 2, TTL)


def test_a_lease_runs_out_by_the_databases_clock(one: SqlStore, open_again: Open) -> None:
    """Unrenewed, the operation is taken over after its ttl, not before, under the next epoch and with the whole drain."""
    short = open_again(lease_ttl=0.5)
    assert claim(short, "a").ttl == 0.5
    assert one.leases.claim("b", 10) == []
    taken: list[Lease] = []
    threading.Event().wait(0.6)
    taken += one.leases.claim("b", 10)
    assert taken == [Lease("o1", "b", 2, TTL, DRAIN)]


def test_a_renewed_lease_goes_on(one: SqlStore, raw: sa.Engine) -> None:
    """A renewal extends what is held, even when it ran out but nobody took it, and leaves out what was taken over."""
    mine = claim(one, "a")
    expire(raw)
    assert one.leases.renew([mine]) == [mine]
    assert one.leases.claim("b", 10) == []
    expire(raw)
    theirs = claim(one, "b")
    assert one.leases.renew([mine]) == []
    (renewed,) = one.leases.renew([theirs])
    assert (renewed.operation, renewed.owner, renewed.epoch) == ("o1", "b", 2)
    assert DRAIN - 5 < renewed.drain_left <= DRAIN


def test_renewing_many_answers_those_still_held(store: SqlStore, raw: sa.Engine) -> None:
    """Of several leases, exactly the lost ones are missing in the answer."""
    accept(store, *(f"o{n}" for n in range(5)))
    leases = store.leases.claim("a", 5)
    with raw.begin() as connection:
        connection.execute(tables.operations.update().where(COLUMNS.id.in_(["o1", "o3"])).values(lease_expires_at=1))
    store.leases.claim("b", 5)
    assert [lease.operation for lease in store.leases.renew(leases)] == ["o0", "o2", "o4"]
    assert store.leases.renew([]) == []


def test_an_operation_that_was_handed_over_needs_no_drain(one: SqlStore) -> None:
    """A release lets another claim at once, under the next epoch, with nothing to wait for."""
    one.leases.release(claim(one, "a"))
    assert claim(one, "b") == Lease("o1", "b", 2, TTL, 0.0)


def test_a_lost_lease_releases_nothing(one: SqlStore, raw: sa.Engine) -> None:
    """Whoever lost a lease cannot give away its successor's."""
    mine = claim(one, "a")
    expire(raw)
    theirs = claim(one, "a")  # the same engine again, under a new epoch
    one.leases.release(mine)
    assert one.leases.renew([theirs])
    assert one.leases.claim("c", 10) == []


def test_the_drain_outlives_a_hand_over(one: SqlStore, raw: sa.Engine) -> None:
    """Whoever comes third inside the window knows its rest; after it, or after another take-over, the window is none or a new one."""
    claim(one, "a")
    expire(raw)
    second = claim(one, "b")
    age_take_overs(raw, 10)
    one.leases.release(second)
    third = claim(one, "c")
    assert DRAIN - 15 < third.drain_left <= DRAIN - 10
    age_take_overs(raw, DRAIN)
    (renewed,) = one.leases.renew([third])
    assert renewed.drain_left == 0.0
    expire(raw)
    assert claim(one, "d").drain_left == DRAIN


def test_finished_operations_are_claimed_only_for_a_cleanup(store: SqlStore) -> None:
    """Completed and failed ones are left alone, unless a clean-up is asked of them."""

    def work(tx: Transaction) -> None:
        for status in OperationStatus:
            tx.operations.add(operation(f"o-{status}", status=status))
            tx.operations.add(operation(f"c-{status}", status=status, cleanup_requested=True))

    store.run(work)
    left = {f"{kind}-{status}" for kind in "oc" for status in OperationStatus} - {"o-completed", "o-failed"}
    assert {lease.operation for lease in store.leases.claim("a", 100)} == left


def test_finished_operations_are_claimed_when_late_calls_have_come_back(store: SqlStore) -> None:
    """As often as somebody tells so; once it was looked for what they have done, nobody has anything to do any more."""
    accept(store, "op")
    with store.begin() as tx:
        ended = tx.operations.get("op")
        assert ended is not None
        tx.operations.save(dataclasses.replace(ended, status=OperationStatus.COMPLETED))
    assert store.leases.claim("a", 5) == []
    for told in (1, 2):
        store.leases.calls_are_back("op")
        (lease,) = store.leases.claim("a", 5)
        with store.begin() as tx:
            known = tx.operations.get("op")
            assert known is not None
            assert (known.unsettled, known.late_calls) == (True, told)
            tx.operations.save(dataclasses.replace(known, late_calls_settled=told))
        assert store.leases.renew([lease]) == []
        assert store.leases.claim("a", 5) == []


def test_an_operation_that_ends_is_not_claimed_again(one: SqlStore, raw: sa.Engine) -> None:
    """Ending takes it out of the queue, asking for a clean-up puts it back."""
    claim(one, "a")
    one.run(lambda tx: tx.operations.save(operation("o1", status=OperationStatus.COMPLETED)))
    expire(raw)
    assert one.leases.claim("b", 10) == []
    one.run(lambda tx: tx.operations.save(operation("o1", status=OperationStatus.COMPLETED, cleanup_requested=True)))
    assert claim(one, "b").epoch == 2


def test_engines_that_ask_at_once_get_different_operations(store: SqlStore, open_again: Open) -> None:
    """However many threads of several engines claim at once, every operation is given to exactly one, under epoch 1."""
    accept(store, *(f"o{n:03}" for n in range(60)))
    stores = [store, open_again()]
    gate, lock = threading.Barrier(6), threading.Lock()
    got: list[Lease] = []

    def work(number: int) -> None:
        gate.wait()
        while leases := stores[number % 2].leases.claim(f"engine-{number}", 3):
            with lock:
                got.extend(leases)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    rest = store.leases.claim("last", 100)
    assert sorted(lease.operation for lease in [*got, *rest]) == [f"o{n:03}" for n in range(60)]
    assert {lease.epoch for lease in got} == {1}


def test_engines_that_race_for_one_operation(one: SqlStore, raw: sa.Engine, open_again: Open) -> None:
    """Each time a lease runs out, one of those who race for it gets it, and the epoch grows by one."""
    stores = [one, open_again()]
    for epoch in range(1, 8):
        got: list[Lease] = []
        gate = threading.Barrier(4)

        def work(number: int, gate: threading.Barrier = gate, got: list[Lease] = got) -> None:
            gate.wait()
            got.extend(stores[number % 2].leases.claim(f"engine-{number}", 1))

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert [lease.epoch for lease in got or one.leases.claim("late", 1)] == [epoch]
        expire(raw)


def test_engines_are_heard_of(store: SqlStore, raw: sa.Engine) -> None:
    """Each engine is listed with the seconds since its last heartbeat; those of days ago are forgotten."""
    assert store.engines() == []
    for owner in ("a", "b", "a"):
        store.heartbeat(owner)
    with raw.begin() as connection:
        later = tables.engines.c.heard_at - 60 * MICROSECONDS
        connection.execute(tables.engines.update().where(tables.engines.c.owner == "b").values(heard_at=later))
    heard = dict(store.engines())
    assert list(heard) == ["a", "b"]
    assert 0 <= heard["a"] < 30
    assert 60 <= heard["b"] < 90
    with raw.begin() as connection:
        connection.execute(tables.engines.update().values(heard_at=1))
    store.heartbeat("c")
    assert [owner for owner, _ in store.engines()] == ["c"]
