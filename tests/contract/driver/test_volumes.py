"""What every replication driver does about volumes, tags and epochs."""

import pytest

from contract.driver.harness import GIB, Scene
from siterecovery.protector.domain.errors import CloudConflict, CloudNotFound, CloudRefused

TAGS = {"group": "g-1", "operation": "op-1"}


def a_copy(scene: Scene, word: str = "copy") -> str:
    """A tagged, unconnected copy on site-b."""
    (boot,) = scene.protect("boot")
    return scene.driver.copy_out("site-b", scene.replicate("dr-x").members[boot], scene.name(word), TAGS).name


def test_copy_is_independent_tagged_and_unconnected(scene: Scene) -> None:
    """A copy has the source's size, our tags and no host; the snapshot it came from may go."""
    name = a_copy(scene)
    scene.driver.destroy_recovery_point(scene.replication, "dr-x")
    found = scene.driver.volume("site-b", name)
    assert found is not None
    assert (found.size, found.connected, found.destroyed) == (GIB, False, False)
    assert TAGS.items() <= found.tags.items()


def test_copy_out_twice_is_one_volume(scene: Scene) -> None:
    """A repeated copy answers the first one."""
    (boot,) = scene.protect("boot")
    snapshot = scene.replicate("dr-x").members[boot]
    made = [scene.driver.copy_out("site-b", snapshot, scene.name("copy"), TAGS) for _ in range(2)]
    assert made[0].id == made[1].id


def test_copy_out_never_takes_a_foreign_name(scene: Scene) -> None:
    """A volume of that name which is not ours is refused and left as it was."""
    (boot,) = scene.protect("boot")
    snapshot = scene.replicate("dr-x").members[boot]
    scene.world.make_volume("site-b", scene.name("foreign"))
    with pytest.raises(CloudConflict):
        scene.driver.copy_out("site-b", snapshot, scene.name("foreign"), TAGS)
    found = scene.driver.volume("site-b", scene.name("foreign"))
    assert found is not None
    assert found.tags == {}


def test_copy_out_of_another_operation_is_refused(scene: Scene) -> None:
    """A copy that another operation made under the same name is not handed out."""
    name = a_copy(scene)
    source = scene.driver.recovery_points(scene.replication)[0].members[scene.name("boot")]
    with pytest.raises(CloudConflict):
        scene.driver.copy_out("site-b", source, name, {**TAGS, "operation": "op-2"})


def test_copy_of_nothing_is_not_found(scene: Scene) -> None:
    """A source that does not exist is told as such."""
    with pytest.raises(CloudNotFound):
        scene.driver.copy_out("site-b", scene.name("nowhere"), scene.name("copy"), TAGS)


def test_copy_of_a_local_snapshot(scene: Scene) -> None:
    """A snapshot of one volume can be taken (twice is one) and copied on its own array."""
    (boot,) = scene.protect("boot")
    taken = {scene.driver.snapshot_copy("site-a", boot, "dr-keep") for _ in range(2)}
    assert len(taken) == 1
    copy = scene.driver.copy_out("site-a", taken.pop(), scene.name("kept"), TAGS)
    assert copy.size == GIB


def test_copy_of_a_member_on_its_own_array(scene: Scene) -> None:
    """At the source a group's snapshot holds its members too: they can be copied out without the target (KEEP_SOURCE)."""
    (boot,) = scene.protect("boot")
    scene.replicate("dr-own")
    source = f"{scene.replication.group}.dr-own.{boot}"
    kept = [scene.driver.copy_out("site-a", source, scene.name("kept"), TAGS) for _ in range(2)]
    assert kept[0].id == kept[1].id
    assert not kept[0].connected


def test_an_absent_volume_is_none(scene: Scene) -> None:
    """Asking for what is not there is no error."""
    assert scene.driver.volume("site-a", scene.name("nowhere")) is None
    assert scene.driver.volume_by_id("site-a", "00000000-0000-4000-8000-000000000000") is None


def test_id_survives_a_rename(scene: Scene) -> None:
    """A volume is found by its id under its new name, and a repeated rename is no error."""
    name = a_copy(scene)
    before = scene.driver.volume("site-b", name)
    assert before is not None
    for _ in range(2):
        scene.driver.rename("site-b", name, scene.name("renamed"))
    after = scene.driver.volume_by_id("site-b", before.id)
    assert after is not None
    assert after.name == scene.name("renamed")
    assert TAGS.items() <= after.tags.items()


def test_rename_of_nothing_is_not_found(scene: Scene) -> None:
    """Neither name exists: that is an error."""
    with pytest.raises(CloudNotFound):
        scene.driver.rename("site-a", scene.name("nowhere"), scene.name("elsewhere"))


def test_volumes_are_found_by_all_their_tags(scene: Scene) -> None:
    """Only living volumes that carry every asked tag are listed."""
    name = a_copy(scene)
    scene.driver.tag("site-b", [name], {"scene": scene.name("only")})
    assert [v.name for v in scene.driver.volumes("site-b", {"scene": scene.name("only"), "group": "g-1"})] == [name]
    assert not scene.driver.volumes("site-b", {"scene": scene.name("only"), "group": "g-2"})
    scene.driver.destroy("site-b", name)
    assert not scene.driver.volumes("site-b", {"scene": scene.name("only")})


def test_destroy_is_recoverable_and_repeatable(scene: Scene) -> None:
    """A destroyed volume keeps its name and says so; destroying it again, or what was never there, is no error."""
    name = a_copy(scene)
    for _ in range(2):
        scene.driver.destroy("site-b", name)
    found = scene.driver.volume("site-b", name)
    assert found is not None
    assert found.destroyed
    scene.driver.destroy("site-b", scene.name("nowhere"))


def test_untagged_volumes_are_never_destroyed(scene: Scene) -> None:
    """What does not carry our tag stays."""
    scene.world.make_volume("site-a", scene.name("theirs"))
    with pytest.raises(CloudRefused):
        scene.driver.destroy("site-a", scene.name("theirs"))
    found = scene.driver.volume("site-a", scene.name("theirs"))
    assert found is not None
    assert not found.destroyed


def test_connected_volumes_are_never_destroyed(scene: Scene) -> None:
    """What a host may be writing to stays, although it is ours."""
    name = a_copy(scene)
    scene.world.connect("site-b", name)
    with pytest.raises(CloudRefused):
        scene.driver.destroy("site-b", name)
    found = scene.driver.volume("site-b", name)
    assert found is not None
    assert found.connected
    assert not found.destroyed


def test_the_greatest_epoch_counts(scene: Scene) -> None:
    """Epochs only ever add up: stamping an older one later does not hide the newer."""
    name = a_copy(scene)
    assert scene.driver.highest_epoch("site-b", name) == 0
    for epoch in (3, 12, 4):
        scene.driver.stamp("site-b", [name], epoch)
    assert scene.driver.highest_epoch("site-b", name) == 12
    assert scene.driver.highest_epoch("site-b", scene.name("nowhere")) == 0


def test_a_healthy_site_says_ok(scene: Scene) -> None:
    """Health is "ok" where everything answers."""
    assert scene.driver.health("site-a") == "ok"
