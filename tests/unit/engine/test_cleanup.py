"""A cleanup shares the record and the journal of an operation that has ended; that operation's end is none of its business."""

import asyncio
import dataclasses
import time
import types
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from siterecovery.protector.closing import CleanupClosing
from siterecovery.protector.domain.operation import FailedStep, Operation
from siterecovery.protector.domain.states import OperationStatus
from siterecovery.protector.engine import Engine, EngineSettings, Job
from siterecovery.protector.flows import cleanup
from siterecovery.protector.store.sql_store import SqlStore
from siterecovery.workflow.clock import SystemClock
from siterecovery.workflow.journal import Entry, State, Write
from siterecovery.workflow.record import UNDO
from siterecovery.workflow.workers import ThreadWorkers
from support.records import operation
from support.stores import sqlite_store

ENTRY = {
    "step": "delete_source_vm",
    "resource_type": "server",
    "resource_id": "s1",
    "site": "North",
    "observed_status": None,
    "status": "pending",
    "error": None,
}


class World:
    """As much of an operation's world as a cleanup looks at: a site where the server is gone already, or cannot be looked for."""

    source = "north"
    site_names = types.MappingProxyType({"north": "North"})
    plan = SimpleNamespace(group=SimpleNamespace(id="g1"), config=SimpleNamespace(cleanup_timeout_seconds=5))

    def __init__(self, operation: Operation, broken: bool) -> None:
        self.operation = operation
        self.broken = broken

    def service(self, site_id: str) -> Any:
        return SimpleNamespace(compute=self)

    def server(self, server_id: str) -> None:
        if self.broken:
            raise LookupError("the cloud answers nonsense")


def run_cleanup(store: SqlStore, *, broken: bool = False) -> Operation:
    """An engine carries out the cleanup of o1 and is stopped; answers the operation."""

    def planner(operation_id: str) -> Job:
        found = read(store)
        world: Any = World(found, broken)
        flow = cleanup.operation(world)
        return Job(found, flow, CleanupClosing(found, world.plan, flow))

    async def work() -> None:
        workers = ThreadWorkers(2, 1)
        engine = Engine(store, planner, SystemClock(), workers, EngineSettings(poll_interval=0.01))
        running = asyncio.ensure_future(engine.run())
        deadline = time.monotonic() + 20
        while read(store).cleanup_requested and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
        engine.stop()
        await running
        workers.close()

    asyncio.run(work())
    return read(store)


def read(store: SqlStore) -> Operation:
    found = store.run(lambda tx: tx.operations.get("o1"))
    assert found is not None
    return found


def ended(store: SqlStore, **given: Any) -> Operation:
    """o1 was stopped by a person and taken back; the decision is in its journal; one server is left, and a cleanup is asked for."""
    with store.begin() as tx:
        tx.operations.add(operation("o1"))
    (lease,) = store.leases.claim("an earlier engine", 1)
    decision = Entry(UNDO, State.STARTED, error="Cancelled by dana")
    assert store.journal.commit([Write("o1", lease.epoch, (decision,))]) == [None]
    store.leases.release(lease)
    left = dataclasses.replace(
        read(store),
        status=OperationStatus.FAILED,
        error_message="Cancelled by dana",
        cancelled_by="dana",
        steps_completed=("validate_sites",),
        steps_failed=(FailedStep("delete_source_vm", "no", "s1"),),
        cleanup_requested=True,
        cleanup={"status": "running", "started_at": "now", "skipped": 0, "entries": [ENTRY]},
    )
    with store.begin() as tx:
        tx.operations.get("o1", lock=True)
        tx.operations.save(left)
    return left


@pytest.fixture
def store(tmp_path: Path) -> SqlStore:
    return sqlite_store(tmp_path / "protector.sqlite", time.time)


def test_what_a_stopped_operation_left_is_cleaned_up(store: SqlStore) -> None:
    """That the operation was stopped and taken back neither stops its cleanup nor takes it back, and its own outcome stays."""
    ended(store)
    found = run_cleanup(store)
    assert found.cleanup is not None
    assert [entry["status"] for entry in found.cleanup["entries"]] == ["skipped"]
    assert (found.cleanup["status"], found.cleanup["skipped"]) == ("completed", 1)
    assert (found.status, found.error_message) == (OperationStatus.FAILED, "Cancelled by dana")
    assert "validate_sites" in found.steps_completed
    assert found.steps_failed == ()


def test_a_cleanup_that_fails_says_so_in_its_own_record(store: SqlStore) -> None:
    """The entry carries the reason, and the operation's own outcome stays."""
    before = ended(store)
    found = run_cleanup(store, broken=True)
    assert found.cleanup is not None
    (entry,) = found.cleanup["entries"]
    assert (found.cleanup["status"], entry["status"]) == ("failed", "failed")
    assert "the cloud answers nonsense" in entry["error"]
    assert (found.status, found.steps_completed) == (before.status, before.steps_completed)
    assert [failed.resource_id for failed in found.steps_failed] == ["s1"]
