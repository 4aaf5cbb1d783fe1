"""What every replication driver does about groups and recovery points."""

import dataclasses

import pytest

from contract.driver.harness import Scene
from siterecovery.protector.arrays.base import Replication
from siterecovery.protector.domain.errors import CloudNotFound


def test_configure_may_be_repeated(scene: Scene) -> None:
    """Configuring a group that is in place answers True again and leaves its members alone."""
    names = scene.protect("boot")
    assert scene.driver.configure(scene.replication, 600) is True
    assert scene.driver.members(scene.replication) == frozenset(names)


def test_members_are_exactly_those_set(scene: Scene) -> None:
    """Adding and removing changes just those named, and may be repeated."""
    boot, data = scene.protect("boot", "data")
    for _ in range(2):
        scene.driver.set_members(scene.replication, add=[data], remove=[boot])
        assert scene.driver.members(scene.replication) == {data}


def test_a_missing_volume_cannot_be_a_member(scene: Scene) -> None:
    """A volume the array does not have is refused as not found."""
    scene.protect("boot")
    with pytest.raises(CloudNotFound):
        scene.driver.set_members(scene.replication, add=[scene.name("nowhere")])


def test_members_of_an_unknown_group_are_none(scene: Scene) -> None:
    """A group that was never made has no members, no points and no error."""
    assert scene.driver.members(scene.replication) == frozenset()
    assert scene.driver.recovery_point(scene.replication, "dr-never") is None
    assert list(scene.driver.recovery_points(scene.replication)) == []


def test_replicate_now_arrives_with_every_member(scene: Scene) -> None:
    """The recovery point names one snapshot for each member, and its instant in UTC."""
    names = scene.protect("boot", "data")
    point = scene.replicate("dr-now")
    assert set(point.members) == set(names)
    assert point.suffix == "dr-now"
    assert point.progress == 1.0
    assert point.taken_at.endswith("Z")


def test_replicate_now_twice_is_one_snapshot(scene: Scene) -> None:
    """A repeated call after a lost answer keeps the first instant, also when members changed meanwhile."""
    boot, data = scene.protect("boot", "data")
    first = scene.replicate("dr-once")
    scene.driver.set_members(scene.replication, remove=[data])
    again = scene.replicate("dr-once")
    assert again.taken_at == first.taken_at
    assert set(again.members) == {boot, data}


def test_recovery_points_are_newest_first(scene: Scene) -> None:
    """The list holds the complete points, the newest instant first, each with its members."""
    (boot,) = scene.protect("boot")
    scene.replicate("dr-one")
    scene.world.pass_time(30)
    scene.replicate("dr-two")
    points = [point for point in scene.driver.recovery_points(scene.replication) if point.suffix.startswith("dr-")]
    assert [point.suffix for point in points] == ["dr-two", "dr-one"]
    assert all(set(point.members) == {boot} and point.complete for point in points)


def test_recovery_points_need_the_target_only(scene: Scene) -> None:
    """With the source lost, points are found and copied out all the same."""
    (boot,) = scene.protect("boot")
    scene.replicate("dr-dead")
    with scene.world.lost("site-a"):
        newest = scene.driver.recovery_points(scene.replication)[0]
        copy = scene.driver.copy_out("site-b", newest.members[boot], scene.name("dr-copy"), {"operation": "op-1"})
    assert copy.name == scene.name("dr-copy")


def test_destroyed_point_is_gone(scene: Scene) -> None:
    """After its destruction, which may be repeated, a point is no longer offered."""
    scene.protect("boot")
    scene.replicate("dr-old")
    for _ in range(2):
        scene.driver.destroy_recovery_point(scene.replication, "dr-old")
    assert scene.driver.recovery_point(scene.replication, "dr-old") is None
    assert "dr-old" not in [point.suffix for point in scene.driver.recovery_points(scene.replication)]


def test_disallow_stops_what_comes_in(scene: Scene) -> None:
    """A target that was told to, in the source's absence, accepts nothing more."""
    scene.protect("boot")
    scene.replicate("dr-before")
    with scene.world.lost("site-a"):
        scene.driver.disallow(scene.replication)
        scene.driver.disallow(scene.replication)
    scene.driver.replicate_now(scene.replication, "dr-late", keep=True)
    scene.world.pass_time(60)
    late = scene.driver.recovery_point(scene.replication, "dr-late")
    assert late is None or not late.complete


def test_schedule_can_be_switched(scene: Scene) -> None:
    """Off and on again, and off for a group that is gone, without an error."""
    scene.protect("boot")
    for enabled in (False, False, True):
        scene.driver.set_schedule(scene.replication, enabled=enabled)
    gone = dataclasses.replace(scene.replication, group=scene.name("gone"))
    scene.driver.set_schedule(gone, enabled=False)


def test_remove_leaves_no_members_and_may_be_repeated(scene: Scene) -> None:
    """The group is gone at the source; what was replicated can still be recovered."""
    (boot,) = scene.protect("boot")
    scene.replicate("dr-last")
    for _ in range(2):
        scene.driver.remove(scene.replication)
    assert scene.driver.members(scene.replication) == frozenset()
    kept = scene.driver.recovery_point(scene.replication, "dr-last")
    assert kept is not None
    assert boot in kept.members


def test_a_removed_group_can_be_configured_again(scene: Scene) -> None:
    """A policy that is applied again finds its group usable, and empty."""
    (boot,) = scene.protect("boot")
    scene.driver.remove(scene.replication)
    assert scene.until(lambda: scene.driver.configure(scene.replication, 300))
    assert scene.driver.members(scene.replication) == frozenset()
    scene.driver.set_members(scene.replication, add=[boot])
    assert set(scene.replicate("dr-again").members) == {boot}


def test_the_reverse_direction_is_a_group_of_its_own(scene: Scene) -> None:
    """A group from the target back to the source replicates copies there, beside the forward one."""
    (boot,) = scene.protect("boot")
    copy = scene.driver.copy_out("site-b", scene.replicate("dr-there").members[boot], scene.name("moved"), {"e": "2"})
    back = Replication(scene.name("pg-back"), "site-b", "site-a")
    assert scene.until(lambda: scene.driver.configure(back, 300))
    scene.driver.set_members(back, add=[copy.name])
    scene.driver.replicate_now(back, "dr-home", keep=True)
    point = scene.until(lambda: scene.driver.recovery_point(back, "dr-home"), lambda p: p is not None and p.complete)
    assert point is not None
    assert set(point.members) == {copy.name}
    assert scene.driver.members(scene.replication) == {boot}
