"""Two engines of each site on one database. One is frozen in the middle of a move, with calls of its own still on the way; the other takes over and
finishes; the first one is woken. Whatever it does then, and whatever arrives late, the group runs once, on all its disks, and the record is true."""

import contextlib
import dataclasses
import re
import signal
import threading
from collections.abc import Callable, Iterator

import pytest

from protectorclient.exceptions import ProtectorClientError
from support.desk import ARRAY, AWAY, HOME, QUICK, Desk, Move, desk, hold_of
from support.operator import wait_for

LATE = 3.5
"""Seconds that a call may be on its way: less than call_timeout and server_call_timeout, which bound it (DRAIN)."""
ENGINES = ("engine", "engine-2")
CALLS = {"recreate_instances": r"recreate_instances/[^/ ]+(?= )"}
"""Steps whose name others share: a server's ports are made before it."""


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with desk(tmp_path_factory.mktemp("world")) as made:
        for protector in made.pair.sites.values():
            protector.start("engine-2")
        yield made


@pytest.fixture
def world(shared: Desk) -> Iterator[Desk]:
    yield shared
    shared.heal()
    shared.pair.control("POST", "/latency", dataclasses.asdict(QUICK))
    shared.pair.check()


def owner(move: Move) -> str:
    """Which of its site's engines has claimed it last."""
    state = move.desk.pair.sites[move.source].state

    def look() -> str | None:
        claims = {name: (state / f"{name}.log").read_text().count(f"operation {move.id}: claimed") for name in ENGINES}
        return next((name for name, count in claims.items() if count), None)

    return str(wait_for("an engine to claim it", look))


@contextlib.contextmanager
def frozen(move: Move, name: str) -> Iterator[None]:
    move.desk.freeze(move.source, name)
    try:
        yield
    finally:
        move.desk.thaw(move.source, name)


def late(world: Desk, step: str, source: str, target: str) -> None:
    """The step's calls reach their service only after a while."""
    rules = {
        "stop_source_instances": (f"{source}/compute", "/action", "os-stop"),
        "snapshot_consistency_group": (ARRAY[source], "/protection-group-snapshots", None),
        "promote_volumes": (ARRAY[target], "/volumes\\?", None),
        "manage_volumes_cinder": (f"{target}/volume", "manage", None),
        "recreate_instances": (f"{target}/compute", "/servers$", None),
        "update_protection_group": (f"{target}/protector", "/replica/commit", None),
        "delete_source_vm:": (f"{source}/compute", "/servers/", None),
    }
    service, path, body = rules[step]
    method = "DELETE" if step.startswith("delete") else "POST"
    world.fault(service, method=method, path=path, body=body, mode="late", delay=LATE, times=3)


def changes(world: Desk) -> list[str]:
    """What was asked of a cloud or an array, logins aside: both engines are idle, so it can only be the woken one's."""
    services = re.compile(r".*/(compute|volume|network)|array-.*")
    calls = world.pair.control("GET", "/calls")["recent"]
    return [
        f"{c['target']} {c['method']} {c['path']}"
        for c in calls
        if services.fullmatch(c["target"]) and "login" not in c["path"]
    ]


@pytest.mark.parametrize(
    "step",
    [
        "stop_source_instances",
        "snapshot_consistency_group",
        "promote_volumes",
        "manage_volumes_cinder",
        "recreate_instances",
        "update_protection_group",
        "delete_source_vm:",
    ],
)
def test_a_frozen_engine_changes_nothing_when_it_wakes(world: Desk, step: str) -> None:
    """Frozen past its lease with the step's calls on their way: the other engine completes the move; the first one, woken, gives up."""
    before = world.generations(world.at())
    late(world, step, world.at(), AWAY if world.at() == HOME else HOME)
    move = world.move()
    first = owner(move)
    move.reached(CALLS.get(step, step))
    with frozen(move, first):
        record = move.ended()
        world.pair.control("POST", "/calls/reset")
    assert (record.status, record.steps_failed) == ("completed", [])
    lost = f"the lease on operation {move.id}"
    log = world.pair.sites[move.source].state / f"{first}.log"
    wait_for("the woken engine to notice", lambda: True if lost in log.read_text() else None)
    assert len(changes(world)) <= 1, "what was just being sent, at most, which is looked for and removed"
    wait_for("what came late to be looked for", lambda: True if move.settled else None)
    world.whole(move.target)
    after = world.generations(move.target)
    assert all(after[name] >= before[name] for name in before)


def test_an_engine_that_is_asked_to_stop_hands_its_move_over_at_once(world: Desk) -> None:
    """SIGTERM in the middle: the other engine goes on without waiting for a lease to run out, and nothing needs to be drained."""
    move = world.move()
    first = owner(move)
    move.reached("recreate_instances")
    protector = world.pair.sites[move.source]
    protector.kill(first, signal.SIGTERM)
    assert move.ended().status == "completed"
    world.whole(move.target)
    log = world.log(move.source)
    assert f"operation {move.id}: handed over by" in log
    assert f"the lease on operation {move.id}" not in log
    protector.start(first)


def test_both_engines_die_and_one_is_started(world: Desk) -> None:
    """kill -9 of both: the move stands still, the API goes on answering, and the one engine that is started finishes."""
    move = world.move()
    move.reached("manage_volumes_cinder")
    protector = world.pair.sites[move.source]
    for name in ENGINES:
        protector.kill(name)
    assert world.operator.clients[move.source].operations.get(move.id).status == "running"
    protector.start("engine-2")
    assert move.ended().status == "completed"
    world.whole(move.target)
    protector.start("engine")


def test_an_engine_dies_while_it_undoes_and_the_other_one_after_it(world: Desk) -> None:
    """A create fails for good; the engine is killed in the undo, and so is the one that takes over: the third one brings the group home."""
    source, before = world.at(), world.generations(world.at())
    other = AWAY if source == HOME else HOME
    world.pair.control("POST", "/latency", {"delete": 1.5, "start": 1.0})
    world.fault(f"{other}/compute", method="POST", path="/servers$", body='"web-server-1"', status=400, times=None)
    move = world.move()
    protector = world.pair.sites[source]
    first = owner(move)
    for name, step in (
        (first, "recreate_instances"),
        (next(n for n in ENGINES if n != first), "stop_source_instances"),
    ):
        move.reached(step, "undoing")
        protector.kill(name)
        protector.start(name)
    record = move.ended()
    world.heal()
    assert record.status == "failed"
    world.whole(source)
    after = world.generations(source)
    assert all(after[name] >= before[name] for name in before)


def test_the_api_dies_while_it_accepts(world: Desk) -> None:
    """kill -9 of the API during an acceptance: either nothing was accepted and the group is free, or the move runs and completes; never half."""
    source = world.at()
    protector = world.pair.sites[source]
    other = AWAY if source == HOME else HOME
    world.fault(f"{other}/compute", method="GET", path="/limits", mode="late", delay=2.0)
    asked = threading.Thread(target=quietly, args=(world.move,))
    asked.start()
    wait_for(
        "the acceptance to look at the target", lambda: None if world.pair.control("GET", "/faults")["faults"] else True
    )
    protector.kill("api")
    protector.start("api")
    asked.join(60)
    world.pair.answers(source)
    wait_for("the group to be free", lambda: True if hold_of(world.pair, source, world.group) == [None, None] else None)
    world.whole(world.at())
    assert world.move().ended().status == "completed"


def quietly(ask: Callable[[], object]) -> None:
    """An answer that never comes is what the scenario is about."""
    with contextlib.suppress(ProtectorClientError):
        ask()
