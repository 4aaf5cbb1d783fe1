"""The other site's Protector goes away, or somebody there does something else at the same time. One commit counts; everybody is told which."""

import contextlib
import itertools
import threading
from collections.abc import Callable, Iterator

import pytest

from protectorclient.exceptions import Conflict, PreconditionFailed
from support.desk import ARRAY, AWAY, HOME, VMS, Desk, Move, desk, hold_of
from support.operator import wait_for


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with desk(tmp_path_factory.mktemp("world")) as made:
        yield made


@pytest.fixture
def world(shared: Desk) -> Iterator[Desk]:
    yield shared
    shared.heal()
    shared.pair.check()


def deaf_to_commits(world: Desk, mode: str) -> Move:
    """A move whose commit does not reach the target, or is not heard of."""
    target = AWAY if world.at() == HOME else HOME
    world.fault(f"{target}/protector", method="POST", path="/replica/commit", mode=mode, status=0, times=None)
    return world.move()


def test_the_peer_is_away_for_a_moment_when_the_move_is_committed(world: Desk) -> None:
    """The commit is said again until it is heard."""
    move = deaf_to_commits(world, "fail")
    move.reached("update_protection_group", "retried")
    world.heal()
    assert move.ended().status == "completed"
    world.whole(move.target)


def test_the_peer_stays_away_between_the_check_and_the_commit(world: Desk) -> None:
    """The commit is never heard, everything else is: the claim is revoked, the move is taken back, and the record says what to look at."""
    move = deaf_to_commits(world, "fail")
    record = move.ended()
    assert record.status == "failed"
    assert move.target in record.error_message
    assert "protector-api" in record.error_message
    world.whole(move.source)


def test_a_commit_that_was_heard_but_never_answered_counts(world: Desk) -> None:
    """Every answer to the commit is lost. The undo asks first, hears that the move has happened, and goes forward: nothing is taken back."""
    move = deaf_to_commits(world, "apply_then_fail")
    record = move.ended()
    assert record.status == "completed"
    world.whole(move.target)


def test_the_peers_api_dies_before_the_commit_and_is_started_when_the_undo_asks(world: Desk) -> None:
    """VMs were created there, so the source stays stopped until the target has answered; then all is as it was."""
    world.pair.control("POST", "/latency", {"boot": 1.0})
    move = world.move()
    move.reached("recreate_instances")
    world.pair.sites[move.target].kill("api")
    move.reached("revoke_claim", "undoing")
    assert all(guest["status"] != "ACTIVE" for guest in world.state()["clouds"][move.source]["servers"])
    world.pair.sites[move.target].start("api")
    record = move.ended()
    assert record.status == "failed"
    assert "protector-api" in record.error_message
    world.whole(move.source)


def test_two_operators_ask_in_the_same_second(world: Desk) -> None:
    """One is accepted, the other one is told which operation holds the group (409); the accepted one completes."""
    accepted: list[Move] = []
    refused: list[Conflict] = []

    def ask() -> None:
        try:
            accepted.append(world.move())
        except Conflict as conflict:
            refused.append(conflict)

    at_once(ask, ask)
    assert (len(accepted), len(refused)) == (1, 1)
    assert (refused[0].exit_code, accepted[0].id in str(refused[0])) == (4, True)
    assert accepted[0].ended().status == "completed"
    world.whole(accepted[0].target)


def test_a_forced_failover_without_a_recovery_point_stops_nobody(tmp_path_factory: pytest.TempPathFactory) -> None:
    """There is nothing to start from on the target: the group runs on where it is, and the record says what is missing."""
    with desk(tmp_path_factory.mktemp("world")) as world:
        forced = Move(world, world.operator.failover(world.group, AWAY, force=True), AWAY, AWAY)
        record = forced.ended()
        assert record.status == "failed"
        assert "consistency group sync" in record.error_message
        world.whole(HOME)
        assert world.move().ended().status == "completed"
        world.whole(AWAY)
        world.pair.check()


def test_an_array_that_is_lost_does_not_stop_a_forced_failover(world: Desk) -> None:
    """The source's array is away and its site answers: the target's own recovery point is used, the old VMs are stopped, the loss is stated."""
    if world.at() == AWAY:
        world.move().ended()
    replicated(world)
    world.pair.control("POST", f"/targets/{ARRAY[HOME]}/down")
    forced = Move(world, world.operator.failover(world.group, AWAY, force=True), AWAY, AWAY)
    record = forced.ended()
    assert (record.status, bool(record.recovery_point_at)) == ("completed", True)
    wait_for("one copy of each VM", lambda: True if running(world) == {HOME: [], AWAY: sorted(VMS)} else None)


def replicated(world: Desk) -> None:
    """A recovery point has arrived."""
    world.operator.clients[HOME].protection_groups.action(world.group, "sync_volumes")
    wait_for("the sync", lambda: True if hold_of(world.pair, HOME, world.group) == [None, None] else None)


def running(world: Desk) -> dict[str, list[str]]:
    clouds = world.state()["clouds"]
    return {
        site: sorted(s["name"] for s in cloud["servers"] if s["status"] == "ACTIVE") for site, cloud in clouds.items()
    }


def at_once(*asks: Callable[[], None]) -> None:
    """Each in a thread of its own, let loose together."""
    gate = threading.Barrier(len(asks))

    def wait_and_ask(ask: Callable[[], None]) -> None:
        gate.wait(30)
        ask()

    threads = [threading.Thread(target=wait_and_ask, args=(ask,)) for ask in asks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(90)


@pytest.mark.parametrize("step", [None, "recreate_instances"])
def test_users_act_on_both_sites(tmp_path_factory: pytest.TempPathFactory, step: str | None) -> None:
    """A failover asked for at home and forced by the other site's operator, at once or half-way: each VM runs once, and both records agree."""
    with desk(tmp_path_factory.mktemp("world")) as world:
        replicated(world)
        planned: list[Move] = []

        def home() -> None:
            planned.append(world.move())

        def away() -> None:
            with contextlib.suppress(Conflict, PreconditionFailed):  # the planned one was first
                Move(world, world.operator.failover(world.group, AWAY, force=True), AWAY, AWAY).ended()

        if step is None:
            at_once(home, away)
        else:
            home()
            planned[0].reached(step)
            away()

        def copies() -> list[str]:
            return sorted(itertools.chain(*running(world).values()))

        for move in planned:
            assert move.ended().status in ("completed", "failed")
        told = [f"{o.status} {o.error_message}" for c in world.operator.clients.values() for o in c.operations.list()]
        wait_for(f"one copy of each VM: {told}", lambda: True if copies() == sorted(VMS) else None, patience=30.0)
        world.pair.check(within=60)
        wait_for(
            "both records to agree", lambda: True if len({world.record(s).failover_epoch for s in ARRAY}) == 1 else None
        )
