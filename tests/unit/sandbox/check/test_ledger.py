"""Invariants that only a history can break. A ledger cannot be unwritten, so these tests write on a copy of a real world's: what the
simulators would have noted, had the product done it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from sandbox.check import Finding
from sandbox.check.checking import judge
from sandbox.check.databases import Database
from sandbox.check.ledger import Ledger
from sandbox.check.picture import Picture
from sandbox.history import Event

from .conftest import Story


@pytest.fixture(scope="module")
def real(story: Story) -> Picture:
    """A world on which two VMs were moved away and home again."""
    return story.picture()


def written(real: Picture, *more: Event, change: Callable[[Event], Event] | None = None) -> Picture:
    """The same world with other events, or more of them."""
    events = [change(event) if change is not None else event for event in real.ledger.events]
    added = [dataclasses.replace(event, seq=len(events) + number) for number, event in enumerate(more)]
    return dataclasses.replace(real, ledger=Ledger((*events, *added)))


def recorded(real: Picture, operation: str, **values: Any) -> Picture:
    """The same world with other words in the record of an operation."""
    databases = {}
    for site, database in real.databases.items():
        rows = tuple({**row, **values} if row["id"] == operation else row for row in database.rows("operations"))
        databases[site] = Database(site, {**database.tables, "operations": rows}, database.now_us)
    return dataclasses.replace(real, databases=databases)


def only(picture: Picture, invariant: str, *words: str) -> None:
    (finding,) = judge(picture).findings
    assert finding.invariant == invariant, finding
    for word in words:
        assert word in finding.what, finding


def move(real: Picture, type: str) -> str:
    return next(str(row["id"]) for _, row in real.operations() if row["type"] == type)


def started(real: Picture, operation: str, name: str = "web-server-2") -> Event:
    """How an operation's server came up."""
    events = real.ledger.each("guest", "started")
    return next(event for event in events if event.name == name and real.ledger.key(event.id).startswith(operation))


# ------------------------------------------------------------------------------------------------------ 1 one primary


def test_a_copy_started_beside_a_running_one_is_found(real: Picture) -> None:
    """The server of the failover had been stopped when the failback's was started; had its stop never been, two copies would have run."""
    away, home = started(real, move(real, "failover")), started(real, move(real, "failback"))

    def never_stopped(event: Event) -> Event:
        stopped = event.kind == "guest" and event.event == "stopped" and event.id == away.id
        return dataclasses.replace(event, kind="nothing") if stopped else event

    broken = [
        finding for finding in judge(written(real, change=never_stopped)).findings if finding.invariant == "one_primary"
    ]
    (finding,) = broken
    assert (
        finding.what == f"server {home.id} (web-server-2 on site-a) was started while its copy {away.id} ran on site-b"
    )


def test_a_forced_failover_may_leave_the_old_copy_running_where_it_could_not_reach_it(real: Picture) -> None:
    """Only by force, only the newer one beside the older, and not when its journal says that it had stopped the old one."""
    operation = move(real, "failback")
    away, home = started(real, move(real, "failover")), started(real, operation)

    def never_stopped(event: Event) -> Event:
        stopped = event.kind == "guest" and event.event == "stopped" and event.id == away.id
        return dataclasses.replace(event, kind="nothing") if stopped else event

    def broken(picture: Picture) -> list[Finding]:
        return [finding for finding in judge(picture).findings if finding.invariant == "one_primary"]

    forced = recorded(written(real, change=never_stopped), operation, force=True)
    assert broken(forced) == []
    database, _ = forced.operations_by_id[operation]
    claim = {
        "operation_id": operation,
        "step": f"fence_source/{home.name}",
        "state": "done",
        "value": {"stopped": True},
    }
    entries = (*database.rows("journal_entries"), claim)
    told = dataclasses.replace(database, tables={**database.tables, "journal_entries": entries})
    assert len(broken(dataclasses.replace(forced, databases={**forced.databases, database.site: told}))) == 1


def test_an_old_copy_that_comes_back_beside_the_new_one_is_found(real: Picture) -> None:
    """The one from before the moves, started again while the one of the newest epoch runs."""
    old = next(event for event in real.ledger.each("guest", "started") if not real.ledger.key(event.id))
    broken = judge(written(real, old)).findings
    assert [finding.invariant for finding in broken] == ["one_primary"]
    assert old.id in broken[0].what


# ---------------------------------------------------------------------------------------------------------- 2 no loss


def test_a_planned_move_that_lost_writes_is_found(real: Picture) -> None:
    """The target started below the generation at which the source had stopped."""
    home = started(real, move(real, "failback"))

    def older(event: Event) -> Event:
        return dataclasses.replace(event, detail={**event.detail, "generation": 1}) if event.seq == home.seq else event

    only(written(real, change=older), "no_loss", home.id, "was started at generation 1,", "had stopped at")


def test_a_server_started_from_another_machines_disk_is_found(real: Picture) -> None:
    """The guest that came up must be the one that was stopped."""
    home = started(real, move(real, "failback"))

    def foreign(event: Event) -> Event:
        return dataclasses.replace(event, detail={**event.detail, "identity": 4711}) if event.seq == home.seq else event

    broken = judge(written(real, change=foreign)).findings
    assert Finding("no_loss", broken[0].what) in broken
    assert broken[0].what.endswith(f"server {home.id} (web-server-2) was started from a disk that is not its member's")


def test_a_server_started_from_disks_of_two_instants_is_found(real: Picture) -> None:
    """All disks of a VM come from one recovery point."""
    home = started(real, move(real, "failback"), "web-server-1")

    def torn(event: Event) -> Event:
        if event.seq != home.seq:
            return event
        first, second = event.detail["volumes"]
        return dataclasses.replace(event, detail={**event.detail, "volumes": [first, {**second, "generation": 3}]})

    only(written(real, change=torn), "no_loss", home.id, "disks of different instants")


def test_a_forced_move_below_its_recovery_point_is_found(real: Picture) -> None:
    """A loss was accepted up to the recovery point, not beyond it."""
    operation = move(real, "failover")
    away = started(real, operation)

    def older(event: Event) -> Event:
        return dataclasses.replace(event, detail={**event.detail, "generation": 1}) if event.seq == away.seq else event

    broken = judge(recorded(written(real, change=older), operation, force=True)).findings
    assert any(
        f"{away.id} (web-server-2) was started at generation 1, its recovery point holds" in f.what for f in broken
    )


def test_what_a_forced_move_left_is_deleted_only_by_a_cleanup_that_names_it(real: Picture) -> None:
    """Three volumes of the old primary were deleted, as after a planned move; by force each is a finding, unless a person's cleanup named it."""
    operation = move(real, "failover")
    broken = judge(recorded(real, operation, force=True)).findings
    assert [finding.invariant for finding in broken] == ["no_loss"] * 3
    plan = real.operations_by_id[operation][1]["plan"]
    entries = [{"resource_id": volume["volume_id"]} for volume in plan["volumes"]]
    assert (
        judge(recorded(real, operation, force=True, cleanup={"status": "completed", "entries": entries})).findings == ()
    )


# ---------------------------------------------------------------------------------------------------- 3 nothing twice


def twin(event: Event) -> tuple[Event, Event]:
    """A second one of the same key, and its deletion."""
    made = dataclasses.replace(event, id="twin")
    return made, dataclasses.replace(made, event="deleted", detail={})


def test_a_server_made_twice_is_found_even_when_one_is_gone(real: Picture) -> None:
    """One key, two servers; deleting one of them again does not make it right in an operation that was completed."""
    operation = move(real, "failback")
    event = real.ledger.servers[started(real, operation).id]
    only(written(real, *twin(event)), "nothing_twice", f"{operation}/recreate_instances/web-server-2", event.id, "twin")


def test_a_server_made_anew_after_a_failed_build_is_not_twice(real: Picture) -> None:
    """A build that Nova could not do has made nothing."""
    event = real.ledger.servers[started(real, move(real, "failback")).id]
    made, gone = twin(event)
    assert judge(written(real, made, dataclasses.replace(gone, event="failed"), gone)).findings == ()


def test_a_copy_that_is_managed_twice_is_found(real: Picture) -> None:
    """One array volume stands for one Cinder volume."""
    event = next(iter(real.ledger.each("volume", "managed")))
    asked = next(it for it in real.ledger.each("volume", "created") if it.id == event.id)
    picture = written(real, dataclasses.replace(asked, id="twin"), dataclasses.replace(event, id="twin"))
    only(picture, "nothing_twice", asked.detail["metadata"]["protector:key"], event.id, "twin")


@pytest.mark.parametrize(
    ("kind", "event"), [("array_volume", "created"), ("array_snapshot", "taken"), ("volume_group", "created")]
)
def test_what_bears_its_key_is_made_once(real: Picture, kind: str, event: str) -> None:
    """Array volumes and snapshots by their names, volume groups by their descriptions."""
    ours = [
        it
        for it in real.ledger.each(kind, event)
        if it.name.startswith(("dr-", "drkeep-"))
        or ".dr-" in it.name
        or "protector:key" in str(it.detail.get("description"))
    ]
    only(written(real, dataclasses.replace(ours[0], id="twin")), "nothing_twice", "was created 2 times")


def test_a_copy_that_a_frozen_engine_made_late_must_be_gone(real: Picture) -> None:
    """Its name was free again once the first one was managed. Destroyed, it is no finding where the operation was taken over; otherwise it is."""
    operation = move(real, "failback")
    tail = operation.replace("-", "")[-12:]
    made = next(e for e in real.ledger.each("array_volume", "created") if e.name.startswith("dr-") and tail in e.name)
    twin = dataclasses.replace(made, id="twin")
    taken_over = recorded(real, operation, lease_taken_over_at=1)
    only(written(taken_over, twin), "nothing_twice", made.name, "was created 2 times")
    gone = dataclasses.replace(twin, event="destroyed", detail={})
    assert judge(written(taken_over, twin, gone)).findings == ()
    only(written(real, twin, gone), "nothing_twice", made.name, "was created 2 times")


def test_two_records_of_one_request_are_found(real: Picture) -> None:
    """An accepted request is one operation, however often its answer was lost."""
    _, row = real.operations_by_id[move(real, "failback")]
    database = real.databases["site-b"]
    rows = (*database.rows("operations"), {**row, "id": "again", "steps_completed": []})
    told = dataclasses.replace(database, tables={**database.tables, "operations": rows})
    only(dataclasses.replace(real, databases={**real.databases, "site-b": told}), "nothing_twice", row["request_id"])


# ------------------------------------------------------------------------------------------------------------ 7 drill


def drilled(real: Picture, *, retain: bool = True) -> tuple[Picture, Event]:
    """A drill began after the moves and is still on; what the source's guest then did is the caller's to write."""
    database = real.databases["site-a"]
    _, moved = real.operations_by_id[move(real, "failover")]
    home = started(real, move(real, "failback"))
    members = [{"instance_id": home.id, "instance_name": home.name}]
    row = {
        **moved,
        "id": "drill-1",
        "type": "test_failover",
        "request": {"retain_primary": retain},
        "plan": {"members": members, "volumes": []},
        "request_id": None,
    }
    told = dataclasses.replace(database, tables={**database.tables, "operations": (*database.rows("operations"), row)})
    marks = {"protector:key": "drill-1/recreate_instances/vm", "protector:test": "drill-1"}
    made = Event(0, 0.0, "site-b", "server", "created", "test-vm", "vm", {"metadata": marks, "volumes": []})
    picture = dataclasses.replace(real, databases={**real.databases, "site-a": told})
    return written(picture, made), home


def test_a_primary_that_is_stopped_during_a_drill_is_found(real: Picture) -> None:
    """With `retain_primary` the primary's guests run on for as long as the drill's servers are there."""
    picture, home = drilled(real)
    assert judge(picture).findings == ()
    detail = {"identity": home.detail["identity"], "generation": 10**6, "clean": True}
    stopped = Event(0, 0.0, "site-a", "guest", "stopped", home.id, home.name, detail)
    only(written(picture, stopped), "drill", home.id, "was stopped during the drill drill-1")
    picture, _ = drilled(real, retain=False)
    assert judge(written(picture, stopped)).findings == ()


def test_a_drill_runs_a_copy_beside_its_primary(real: Picture) -> None:
    """A test's server is a copy on purpose, and no second primary."""
    picture, home = drilled(real)
    copy = dataclasses.replace(home, id="test-vm", site="site-b")
    assert judge(written(picture, copy)).findings == ()
