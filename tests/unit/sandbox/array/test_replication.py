"""Asynchronous replication: handshake, transfers, faults, schedule, retention."""

from __future__ import annotations

import pytest

from unit.sandbox.array.pair import GIB, Pair, do, names, refusal


def test_target_must_be_a_connected_array(pair: Pair) -> None:
    """An unknown array, and a known one behind a cut link, are refused as target."""
    do(pair.a, "POST", "/protection-groups", {"names": "pg"}, {})
    query = {"group_names": "pg", "member_names": "array-x"}
    assert "is not connected" in refusal(pair.a, "POST", "/protection-groups/targets", query, {})
    pair.faults.cut_link("site-a", "site-b")
    query["member_names"] = "array-b"
    assert "is not connected" in refusal(pair.a, "POST", "/protection-groups/targets", query, {})


def test_replica_appears_later_and_only_the_target_may_allow(pair: Pair) -> None:
    """The replica takes its time, the source cannot allow, and learns late that the target did."""
    do(pair.a, "POST", "/protection-groups", {"names": "pg"}, {})
    target = {"group_names": "pg", "member_names": "array-b"}
    do(pair.a, "POST", "/protection-groups/targets", target, {})
    assert "already includes" in refusal(pair.a, "POST", "/protection-groups/targets", target, {})
    assert refusal(pair.b, "GET", "/protection-groups", {"names": "array-a:pg"}) == "Protection group does not exist."
    pair.clock.advance(2)
    assert do(pair.b, "GET", "/protection-groups", {"names": "array-a:pg"})[0]["is_local"] is False
    allow = {"allowed": True}
    assert "on the target array" in refusal(pair.a, "PATCH", "/protection-groups/targets", {"group_names": "pg"}, allow)
    remote = {"group_names": "array-a:pg"}
    do(pair.b, "PATCH", "/protection-groups/targets", remote, allow)
    assert "already allowed on" in refusal(pair.b, "PATCH", "/protection-groups/targets", remote, allow)
    assert do(pair.a, "GET", "/protection-groups/targets", {"group_names": "pg"})[0]["allowed"] is False
    pair.clock.advance(1)
    assert do(pair.a, "GET", "/protection-groups/targets", {"group_names": "pg"})[0]["allowed"] is True


def test_handshake_waits_for_a_cut_link(pair: Pair) -> None:
    """A replica that could not appear while the link was cut appears when it is healed."""
    do(pair.a, "POST", "/protection-groups", {"names": "pg"}, {})
    do(pair.a, "POST", "/protection-groups/targets", {"group_names": "pg", "member_names": "array-b"}, {})
    pair.faults.cut_link("site-a", "site-b")
    pair.clock.advance(10)
    assert names(pair.b, "/protection-groups") == []
    pair.faults.heal_link("site-a", "site-b")
    assert names(pair.b, "/protection-groups") == ["array-a:pg"]


def test_nothing_is_sent_before_it_is_allowed(pair: Pair) -> None:
    """A snapshot taken before the target allowed stays at home."""
    pair.volumes("v1")
    do(pair.a, "POST", "/protection-groups", {"names": "pg"}, {})
    do(pair.a, "POST", "/protection-groups/targets", {"group_names": "pg", "member_names": "array-b"}, {})
    pair.clock.advance(5)
    pair.send("dr-1")
    pair.clock.advance(60)
    assert pair.arrived() == []


def test_members_share_one_instant_and_are_usable_only_when_complete(pair: Pair) -> None:
    """A half-arrived snapshot is listed, its clone refused; what arrives is what the members held at its instant."""
    pair.volumes("v1", "v2")
    pair.replicate("v1", "v2")
    pair.a.write("v1", 5)
    pair.a.write("v2", 6)
    pair.send("dr-1")
    pair.a.write("v1", 99)
    pair.clock.advance(0.25)
    assert pair.transfers()["array-a:pg.dr-1"]["progress"] == pytest.approx(0.25)
    assert pair.transfers()["array-a:pg.dr-1"]["completed"] is None
    assert names(pair.b, "/volume-snapshots") == []
    body = {"source": {"name": "array-a:pg.dr-1.v1"}}
    assert "not been fully replicated" in refusal(pair.b, "POST", "/volumes", {"names": "c"}, body)
    pair.clock.advance(1)
    done = pair.transfers()["array-a:pg.dr-1"]
    assert done["progress"] == 1.0
    assert done["completed"] - done["started"] == 1000
    members = do(pair.b, "GET", "/volume-snapshots", {"filter": "name='array-a:pg.dr-1.*'"})
    assert {member["created"] for member in members} == {done["started"]}
    assert [member["source"]["name"] for member in members] == ["array-a:v1", "array-a:v2"]
    pair.copy("array-a:pg.dr-1.v1", "c1")
    pair.copy("array-a:pg.dr-1.v2", "c2")
    assert (pair.b.read("c1"), pair.b.read("c2")) == (5, 6)


def test_absent_snapshot_is_told_apart(pair: Pair) -> None:
    """Cloning what is not there says so, cloning what is destroyed says that."""
    pair.volumes("v1")
    pair.replicate("v1")
    body = {"source": {"name": "array-a:pg.dr-1.v1"}}
    assert refusal(pair.b, "POST", "/volumes", {"names": "c"}, body) == "No such volume or snapshot."
    pair.send("dr-1")
    pair.clock.advance(2)
    do(pair.b, "PATCH", "/protection-group-snapshots", {"names": "array-a:pg.dr-1"}, {"destroyed": True})
    assert "has been destroyed" in refusal(pair.b, "POST", "/volumes", {"names": "c"}, body)


def test_cut_link_stalls_a_transfer_and_healing_resumes_it(pair: Pair) -> None:
    """Progress stands still while the sites cannot see each other, then goes on from there."""
    pair.volumes("v1")
    pair.replicate("v1")
    pair.send("dr-1")
    pair.clock.advance(0.5)
    pair.faults.cut_link("site-a", "site-b")
    pair.clock.advance(3600)
    assert pair.transfers()["array-a:pg.dr-1"]["progress"] == pytest.approx(0.5)
    assert do(pair.b, "GET", "/array-connections")[0]["status"] == "connecting"
    pair.faults.heal_link("site-a", "site-b")
    pair.clock.advance(0.4)
    assert pair.transfers()["array-a:pg.dr-1"]["completed"] is None
    pair.clock.advance(0.2)
    assert pair.transfers()["array-a:pg.dr-1"]["progress"] == 1.0


def test_frozen_transfers_leave_the_link_up(pair: Pair) -> None:
    """A frozen link shows as connected while nothing moves."""
    pair.volumes("v1")
    pair.replicate("v1")
    pair.link.frozen = True
    pair.fabric.changed()
    pair.send("dr-1")
    pair.clock.advance(100)
    assert pair.transfers() == {}
    assert do(pair.a, "GET", "/array-connections")[0]["status"] == "connected"
    pair.link.frozen = False
    pair.fabric.changed()
    pair.clock.advance(1.1)
    assert pair.transfers()["array-a:pg.dr-1"]["progress"] == 1.0


def test_disallowing_on_the_target_stops_what_comes_in(pair: Pair) -> None:
    """After allowed=false at B nothing more arrives, also with A still sending."""
    pair.volumes("v1")
    pair.replicate("v1")
    pair.send("dr-1")
    pair.clock.advance(0.5)
    do(pair.b, "PATCH", "/protection-groups/targets", {"group_names": "array-a:pg"}, {"allowed": False})
    pair.clock.advance(100)
    assert pair.transfers()["array-a:pg.dr-1"]["progress"] == pytest.approx(0.5)
    pair.send("dr-2")
    pair.clock.advance(100)
    assert pair.arrived() == ["array-a:pg.dr-1"]


def test_lost_array_leaves_the_other_usable_and_its_schedule_goes_on_later(pair: Pair) -> None:
    """With A gone B still clones; when A is back, its old schedule sends again."""
    pair.volumes("v1")
    pair.replicate("v1")
    pair.schedule(enabled=True, frequency=300_000)
    pair.clock.advance(2)
    pair.faults.lose("array-a")
    assert pair.a.call("GET", "/arrays")[0] == 503
    pair.clock.advance(1000)
    assert pair.arrived() == ["array-a:pg.1"]
    pair.copy("array-a:pg.1.v1")
    pair.faults.restore("array-a")
    pair.clock.advance(301)
    assert pair.arrived() == ["array-a:pg.1", "array-a:pg.2"]


def test_schedule_sends_a_baseline_then_deltas(pair: Pair) -> None:
    """The first transfer carries what is in use, later ones only what was written since."""
    pair.volumes("v1")
    pair.replicate("v1")
    pair.a.volumes.need("v1").write_rate = 1000.0
    pair.schedule(enabled=True, frequency=300_000)
    pair.clock.advance(302)
    sizes = [item["data_transferred"] for item in pair.transfers().values()]
    assert sizes[0] == GIB // 4 + 4096
    assert sizes[1] == 300 * 1000 + 4096


def test_schedule_frequency_has_a_floor(pair: Pair) -> None:
    """Less than five minutes is refused and changes nothing."""
    do(pair.a, "POST", "/protection-groups", {"names": "pg"}, {})
    body = {"replication_schedule": {"frequency": 299_999, "enabled": True}}
    assert "frequency" in refusal(pair.a, "PATCH", "/protection-groups", {"names": "pg"}, body)
    assert do(pair.a, "GET", "/protection-groups")[0]["replication_schedule"]["enabled"] is False


def test_schedule_waits_for_permission(pair: Pair) -> None:
    """A schedule enabled before the target allows starts as soon as the source learns of it."""
    pair.volumes("v1")
    do(pair.a, "POST", "/protection-groups", {"names": "pg"}, {})
    do(pair.a, "POST", "/protection-groups/targets", {"group_names": "pg", "member_names": "array-b"}, {})
    do(pair.a, "POST", "/protection-groups/volumes", {"group_names": "pg", "member_names": "v1"}, {})
    pair.schedule(enabled=True)
    pair.clock.advance(10)
    do(pair.b, "PATCH", "/protection-groups/targets", {"group_names": "array-a:pg"}, {"allowed": True})
    pair.clock.advance(2.5)
    assert pair.arrived() == ["array-a:pg.1"]


def test_slow_link_never_piles_scheduled_transfers_up(pair: Pair) -> None:
    """While one scheduled transfer is under way, the next turns are skipped."""
    pair.volumes("v1")
    pair.replicate("v1")
    pair.link.transfer_seconds = 1000.0
    pair.schedule(enabled=True, frequency=300_000)
    pair.clock.advance(950)
    assert list(pair.transfers()) == ["array-a:pg.1"]
    assert pair.arrived(pair.a) == ["pg.1"]


def test_replicate_queues_and_replicate_now_does_not(pair: Pair) -> None:
    """Ordinary sends wait for the one before; an urgent one moves at once beside it."""
    pair.volumes("v1")
    pair.replicate("v1")
    pair.link.transfer_seconds = 100.0
    pair.send("dr-1", replicate_now="false", replicate="true")
    pair.send("dr-2", replicate_now="false", replicate="true")
    pair.send("dr-3")
    pair.clock.advance(50)
    assert sorted(pair.transfers()) == ["array-a:pg.dr-1", "array-a:pg.dr-3"]
    pair.clock.advance(60)
    assert pair.transfers()["array-a:pg.dr-2"]["completed"] is None
    pair.clock.advance(100)
    assert all(item["completed"] for item in pair.transfers().values())
    query = {"source_names": "pg", "replicate": "true", "replicate_now": "true"}
    assert "Invalid combination" in refusal(pair.a, "POST", "/protection-group-snapshots", query, {})


def test_bandwidth_is_shared(pair: Pair) -> None:
    """Two transfers at once take twice as long as one."""
    pair.volumes("v1", "v2")
    pair.replicate("v1", group="pg1")
    pair.replicate("v2", group="pg2")
    pair.link.bandwidth = (GIB // 4 + 4096) / 10
    pair.send("dr-1", "pg1")
    pair.send("dr-1", "pg2")
    pair.clock.advance(15)
    halves = {**pair.transfers("array-a:pg1"), **pair.transfers("array-a:pg2")}
    assert [item["progress"] for item in halves.values()] == [pytest.approx(0.75), pytest.approx(0.75)]
    pair.clock.advance(5.1)
    done = {**pair.transfers("array-a:pg1"), **pair.transfers("array-a:pg2")}
    assert all(item["completed"] for item in done.values())


def test_later_member_is_missing_in_older_points_and_a_removed_one_stays(pair: Pair) -> None:
    """A group snapshot holds the members of its instant."""
    pair.volumes("v1", "v2")
    pair.replicate("v1")
    pair.send("dr-1")
    do(pair.a, "POST", "/protection-groups/volumes", {"group_names": "pg", "member_names": "v2"}, {})
    do(pair.a, "DELETE", "/protection-groups/volumes", {"group_names": "pg", "member_names": "v1"})
    pair.send("dr-2")
    pair.clock.advance(5)
    assert names(pair.b, "/volume-snapshots", filter="name='array-a:pg.dr-1.*'") == ["array-a:pg.dr-1.v1"]
    assert names(pair.b, "/volume-snapshots", filter="name='array-a:pg.dr-2.*'") == ["array-a:pg.dr-2.v2"]


def test_retention_takes_the_schedules_snapshots_and_never_ours(pair: Pair) -> None:
    """On the target old scheduled points go by policy; a suffix of ours goes only when it asked for retention."""
    pair.volumes("v1")
    pair.replicate("v1")
    retention = {"target_retention": {"all_for_sec": 3600, "per_day": 0, "days": 0}}
    do(pair.a, "PATCH", "/protection-groups", {"names": "pg"}, retention)
    pair.send("dr-keep")
    pair.send("dr-reap", apply_retention="true")
    pair.schedule(enabled=True, frequency=300_000)
    pair.clock.advance(2)
    pair.schedule(enabled=False)
    pair.clock.advance(3598)
    assert sorted(pair.arrived()) == ["array-a:pg.1", "array-a:pg.dr-keep", "array-a:pg.dr-reap"]
    pair.clock.advance(10)
    assert pair.arrived() == ["array-a:pg.dr-keep"]
    assert len(pair.arrived(pair.a)) == 3


def test_retention_keeps_so_many_a_day(pair: Pair) -> None:
    """Past the first hours `per_day` points of each day are left, for `days` days."""
    pair.volumes("v1")
    pair.replicate("v1")
    retention = {"target_retention": {"all_for_sec": 3600, "per_day": 2, "days": 2}}
    do(pair.a, "PATCH", "/protection-groups", {"names": "pg"}, retention)
    pair.schedule(enabled=True, frequency=3_600_000)
    pair.clock.advance(5 * 86_400)
    assert 4 <= len(pair.arrived()) <= 8


def test_reverse_group_is_independent(pair: Pair) -> None:
    """A group of B's own copies replicates home while the forward group keeps running."""
    pair.volumes("v1")
    pair.replicate("v1")
    pair.a.write("v1", 3)
    pair.send("dr-1")
    pair.clock.advance(2)
    pair.copy("array-a:pg.dr-1.v1", "w1")
    pair.b.write("w1", 30)
    do(pair.b, "POST", "/protection-groups", {"names": "pg"}, {})
    do(pair.b, "POST", "/protection-groups/targets", {"group_names": "pg", "member_names": "array-a"}, {})
    pair.clock.advance(2)
    do(pair.a, "PATCH", "/protection-groups/targets", {"group_names": "array-b:pg"}, {"allowed": True})
    pair.clock.advance(1)
    do(pair.b, "POST", "/protection-groups/volumes", {"group_names": "pg", "member_names": "w1"}, {})
    query = {"source_names": "pg", "replicate_now": "true"}
    do(pair.b, "POST", "/protection-group-snapshots", query, {"suffix": "dr-2"})
    pair.send("dr-3")
    pair.clock.advance(2)
    pair.copy("array-b:pg.dr-2.w1", "v1", pair.a, overwrite="true")
    assert pair.a.read("v1") == 30
    assert "array-a:pg.dr-3" in pair.arrived()


def test_group_rename_takes_its_snapshots_along_on_both_sides(pair: Pair) -> None:
    """After a rename the points have the new group's name, at home and on the target."""
    pair.volumes("v1")
    pair.replicate("v1")
    pair.send("dr-1")
    pair.clock.advance(2)
    do(pair.a, "PATCH", "/protection-groups", {"names": "pg"}, {"name": "pg-new"})
    assert pair.arrived(pair.a) == ["pg-new.dr-1"]
    assert pair.arrived() == ["array-a:pg-new.dr-1"]


def test_removed_target_keeps_what_arrived(pair: Pair) -> None:
    """Without its target the group sends nothing; the replica stays while it has snapshots."""
    pair.volumes("v1")
    pair.replicate("v1")
    pair.send("dr-1")
    pair.clock.advance(2)
    pair.send("dr-2")
    do(pair.a, "DELETE", "/protection-groups/targets", {"group_names": "pg", "member_names": "array-b"})
    pair.clock.advance(10)
    assert pair.arrived() == ["array-a:pg.dr-1"]
    missing = {"group_names": "pg", "member_names": "array-b"}
    assert "could not be found" in refusal(pair.a, "DELETE", "/protection-groups/targets", missing)


def test_saved_transfer_goes_on_after_a_restart(pair: Pair) -> None:
    """State saved in mid-transfer and loaded elsewhere finishes there, with schedule and content intact."""
    pair.volumes("v1")
    pair.replicate("v1")
    pair.a.write("v1", 42)
    pair.send("dr-1")
    pair.clock.advance(0.5)
    saved_a, saved_b = pair.a.dump(), pair.b.dump()
    later = Pair()
    later.a.load(saved_a)
    later.b.load(saved_b)
    for array in (later.a, later.b):
        later.fabric.replication.resume(array)
    assert later.transfers()["array-a:pg.dr-1"]["progress"] == pytest.approx(0.5)
    later.clock.advance(0.6)
    later.copy("array-a:pg.dr-1.v1")
    assert later.b.read("copy") == 42
    assert later.a.dump()["volumes"] == saved_a["volumes"]


def test_group_is_restored_in_one_call(pair: Pair) -> None:
    """A group made from a replicated point brings all its volumes, and collides with existing names."""
    pair.volumes("v1", "v2")
    pair.replicate("v1", "v2")
    pair.a.write("v2", 9)
    pair.send("dr-1")
    pair.clock.advance(2)
    do(pair.b, "POST", "/protection-groups", {"names": "back", "source_names": "array-a:pg.dr-1"}, {})
    assert names(pair.b, "/volumes") == ["v1", "v2"]
    assert pair.b.read("v2") == 9
    again = {"names": "back2", "source_names": "array-a:pg.dr-1"}
    assert "already exists" in refusal(pair.b, "POST", "/protection-groups", again, {})
    assert names(pair.b, "/protection-groups", filter="is_local") == ["back"]


def test_transfers_of_no_time_still_arrive(pair: Pair) -> None:
    """A world without transfer time gets its points on the next tick instead of an error."""
    pair.volumes("v1")
    pair.replicate("v1")
    pair.link.transfer_seconds = 0.0
    pair.send("dr-1")
    pair.clock.advance(0.01)
    assert pair.transfers()["array-a:pg.dr-1"]["progress"] == 1.0
