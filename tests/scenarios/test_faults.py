"""What a cloud, an array or the network between them does wrong in the middle of a move. Every scenario ends completed or rolled back, with the
world whole; the next one goes on from there."""

from collections.abc import Iterator

import pytest

from support.desk import ARRAY, AWAY, HOME, Desk, desk
from support.operator import wait_for


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with desk(tmp_path_factory.mktemp("world")) as made:
        yield made


@pytest.fixture
def world(shared: Desk) -> Iterator[Desk]:
    """Healed afterwards, whatever the scenario broke, and looked at by somebody who trusts no Protector."""
    yield shared
    shared.heal()
    shared.pair.check()


def completed(world: Desk, **arguments: object) -> None:
    """The group moves, whole, and loses no write."""
    before = world.generations(world.at())
    move = world.move(**arguments)
    record = move.ended()
    assert (record.status, record.steps_failed) == ("completed", [])
    world.whole(move.target)
    after = world.generations(move.target)
    assert all(after[name] >= before[name] for name in before)


def test_a_copy_that_the_array_made_without_answering_is_made_once(world: Desk) -> None:
    """The array's answer comes after the time limit, the copy was made: the move completes with five volumes, not six."""
    source = world.at()
    for array in ARRAY.values():
        world.fault(array, method="POST", path="/volumes\\?", mode="delay", delay=4.0, times=1)
        world.fault(array, method="POST", path="/protection-group-snapshots", mode="delay", delay=4.0, times=1)
    completed(world)
    assert world.at() != source


def rolled_back(world: Desk, *words: str, **arguments: object) -> None:
    """The move is taken back, the VMs run where they ran, and the record says what happened and what to do."""
    source, before = world.at(), world.generations(world.at())
    record = world.move(**arguments).ended()
    world.heal()
    assert record.status == "failed"
    for word in words:
        assert word in record.error_message
    world.whole(source)
    after = world.generations(source)
    assert all(after[name] >= before[name] for name in before)


def other(world: Desk) -> str:
    return AWAY if world.at() == HOME else HOME


def test_nova_breaks_once_for_every_server(world: Desk) -> None:
    """A stop is answered with 500; one create with 500, one with 500 though it was made, one not at all though it was made: each is looked for,
    made if it is missing, and there are three."""
    target = f"{other(world)}/compute"
    world.fault(f"{world.at()}/compute", method="POST", path="/action", body="os-stop", mode="fail", status=500)
    for name, mode, status in (
        ("db-server", "fail", 500),
        ("web-server-1", "apply_then_fail", 500),
        ("web-server-2", "apply_then_fail", 0),
    ):
        world.fault(target, method="POST", path="/servers$", body=f'"{name}"', mode=mode, status=status)
    completed(world)


def test_nova_goes_on_breaking_for_one_of_three_servers(world: Desk) -> None:
    """One of three servers can never be created: the move is taken back, and the record names Nova, its site and what to do."""
    target = other(world)
    world.fault(
        f"{target}/compute", method="POST", path="/servers$", body='"web-server-1"', mode="fail", status=500, times=None
    )
    rolled_back(world, f"Nova on site {target}", "HTTP 500", "retry")


def test_a_server_that_nova_cannot_stop_keeps_the_group_where_it_is(world: Desk) -> None:
    """Nova refuses to stop one of three servers: nothing moves, the other two are started again."""
    source = world.at()
    id = world.server(source, "db-server")
    world.fault(f"{source}/compute", path=f"/servers/{id}/action", body="os-stop", mode="fail", status=500, times=None)
    rolled_back(world, f"Nova on site {source}", "retry")


def test_a_volume_that_cinder_could_not_manage_is_managed_anew(world: Desk) -> None:
    """Cinder's manage ends in error half-way, once: the failed row is put away, its array volume is not lost, and five are there in the end."""
    world.pair.control("POST", f"/clouds/{other(world)}/manages/fail", {"count": 1, "half": True})
    completed(world)


def test_a_volume_that_cinder_never_manages_takes_the_move_back(world: Desk) -> None:
    """Cinder's manage always ends in error: the move is taken back, no half-managed row is left, and the record says where to look."""
    world.pair.control("POST", f"/clouds/{other(world)}/manages/fail", {"count": 99})
    rolled_back(world, "Volume manage failed", "cinder-volume's log", "retry")


def test_a_snapshot_that_arrives_late_is_waited_for(world: Desk) -> None:
    """The link between the arrays stands still for a while: the move waits, and completes."""
    link(world, frozen=True)
    before, move = world.generations(world.at()), world.move()
    move.reached("(sync_reverse_replication|snapshot_consistency_group)")
    link(world, frozen=False)
    assert move.ended().status == "completed"
    world.whole(move.target)
    after = world.generations(move.target)
    assert all(after[name] >= before[name] for name in before)


def test_a_snapshot_that_never_arrives_takes_the_move_back(world: Desk) -> None:
    """The link stands still for longer than transfer_timeout: the VMs are started again, and the record names the snapshot and the remedy."""
    link(world, frozen=True)
    rolled_back(world, "napshot", "did not arrive", "transfer_timeout", "retry")


def link(world: Desk, *, frozen: bool) -> None:
    world.pair.control("POST", f"/arrays/{ARRAY[HOME]}/links/{ARRAY[AWAY]}", {"frozen": frozen})


def test_every_token_expires_again_and_again(world: Desk) -> None:
    """All tokens of both clouds, and the arrays' sessions, end at once at three places of a move: new ones are fetched, and it completes."""
    move = world.move()
    for step in ("get_latest_snapshot", "recreate_instances", "update_protection_group"):
        move.reached(step)
        for site in (HOME, AWAY):
            world.pair.control("POST", f"/clouds/{site}/tokens/expire", {})
            world.pair.control("POST", f"/arrays/{ARRAY[site]}/kill-sessions", {})
    assert move.ended().status == "completed"
    world.whole(move.target)


def test_neutron_cannot_give_an_address_again(world: Desk) -> None:
    """The address is in use on the target: the VM gets a free one, and the record says which could not be kept."""
    target = other(world)
    refusal = '{"NeutronError": {"type": "IpAddressAlreadyAllocated", "message": "IP address already allocated.", "detail": ""}}'
    world.fault(f"{target}/network", method="POST", path="/ports", mode="fail", status=409, body_text=refusal)
    record = world.move(ip_policy="keep").ended()
    assert record.status == "completed"
    assert any("could not be kept" in note for note in record.result_data["notes"])
    world.whole(target)


def test_neutron_has_no_quota_for_a_port(world: Desk) -> None:
    """No port can be made: the move is taken back, and the record says whose quota it is and what to do."""
    target = other(world)
    refusal = (
        '{"NeutronError": {"type": "OverQuota", "message": "Quota exceeded for resources: [\'port\'].", "detail": ""}}'
    )
    world.fault(
        f"{target}/network", method="POST", path="/ports", mode="fail", status=409, times=None, body_text=refusal
    )
    rolled_back(world, f"Neutron on site {target}", "Quota exceeded", "Raise the project's quota")


@pytest.mark.parametrize("side", ["source", "target"])
def test_an_array_that_cannot_be_reached_stops_a_planned_move(world: Desk, side: str) -> None:
    """Either array is away: the move fails before it has stopped anything, and says which array it is and what helps in a disaster."""
    site = world.at() if side == "source" else other(world)
    world.pair.control("POST", f"/targets/{ARRAY[site]}/down")
    before = world.generations(world.at())
    rolled_back(world, "The array of", "retry", "forced failover")
    assert before.keys() == world.generations(world.at()).keys()


def test_a_copy_that_could_not_be_tagged_is_taken_back(world: Desk) -> None:
    """The target's array makes a copy and refuses its tags: nothing of the move stays on it."""
    world.fault(ARRAY[other(world)], method="PUT", path="/volumes/tags", status=400)
    rolled_back(world, "volumes/tags/batch")


def test_an_array_that_goes_away_in_the_middle_takes_the_move_back(world: Desk) -> None:
    """The target's array is lost between the copies and their tags, and comes back: the move ends one way or the other, with the world whole."""
    array = ARRAY[other(world)]
    world.fault(array, method="PUT", path="/volumes/tags", mode="delay", delay=2.0, times=5)
    move = world.move()
    wait_for("a copy to be made", lambda: True if move.copies else None)
    world.pair.control("POST", f"/targets/{array}/down")
    move.reached("promote_volumes", "failed")
    world.pair.control("POST", f"/targets/{array}/up")
    record = move.ended()
    world.whole(move.target if record.status == "completed" else move.source)


def test_a_guest_that_does_not_shut_down_stays_where_it_is(world: Desk) -> None:
    """One guest ignores the shutdown and no hard stop is allowed: the others are started again, and the record says what may be allowed."""
    world.pair.control("POST", f"/clouds/{world.at()}/guests/hang", {"servers": ["db-server"]})
    source = world.at()
    record = world.move().ended()
    assert record.status == "failed"
    assert "db-server did not shut down" in record.error_message
    assert "--allow-hard-stop" in record.error_message
    world.whole(source)


def test_a_guest_that_does_not_shut_down_is_stopped_hard_where_that_is_allowed(world: Desk) -> None:
    """The clean shutdown has its time first; the other guests stop cleanly, and the group moves."""
    source = world.at()
    world.pair.control("POST", f"/clouds/{source}/guests/hang", {"servers": ["db-server"]})
    move = world.move(allow_hard_stop=True)
    assert move.ended().status == "completed"
    world.whole(move.target)


def test_a_guest_that_was_stopped_hard_runs_on_when_the_move_is_taken_back(world: Desk) -> None:
    """A hard stop loses nothing while it can be taken back: the guest goes on where it was."""
    source = world.at()
    world.pair.control("POST", f"/clouds/{source}/guests/hang", {"servers": ["db-server"]})
    world.fault(f"{other(world)}/compute", method="POST", path="/servers$", status=400, times=None)
    rolled_back(world, "Nova on site", allow_hard_stop=True)
