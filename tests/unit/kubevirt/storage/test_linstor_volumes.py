"""Volumes made, removed, copied for a test, and one side of them given up."""

from __future__ import annotations

from dataclasses import replace

import pytest

from siterecovery.kubevirt.storage.base import (
    Exists,
    InUse,
    NewVolume,
    NotPromotable,
    Place,
    Refused,
    Silent,
    StorageError,
    Unreachable,
)
from unit.kubevirt.storage.ground import Ground, changes, play
from unit.sandbox.drbd.worlds import ONE, TWO, VOLUME, A, B, Q, cut_all, heal_all

NEW = NewVolume("pvc-new", 1 << 20, (Place(ONE, A, "pool"), Place(TWO, B)))


def test_a_volume_is_made_with_its_voter() -> None:
    """Both replicas up to date, and LINSTOR's own tiebreaker and quorum."""

    async def story(ground: Ground) -> None:
        await ground.storage.create(NEW)
        assert (await ground.storage.sync(["pvc-new"], TWO)).done
        assert ground.replica(Q, "pvc-new").tiebreaker
        assert ground.props("pvc-new")["DrbdOptions/Resource/quorum"] == "majority"
        assert ground.world.drbd.resources["pvc-new"].size_kib == 1024

    play(story)


@pytest.mark.parametrize("lost", ["resource-definitions$", "volume-definitions", f"resources/{A}", f"resources/{B}"])
def test_a_creation_that_was_cut_short_is_completed(lost: str) -> None:
    """Whichever call's answer is lost, the next attempt ends with one whole volume."""

    async def story(ground: Ground) -> None:
        ground.world.faults.add(
            {"target": "linstor", "method": "POST", "path": lost, "mode": "apply_then_fail", "status": 0}
        )
        with pytest.raises(Unreachable):
            await ground.storage.create(NEW)
        await ground.storage.create(NEW)
        before = len(changes(ground))
        await ground.storage.create(NEW)
        assert len(changes(ground)) == before
        assert sorted(ground.world.drbd.resources["pvc-new"].replicas) == sorted([A, B, Q])

    play(story)


def test_another_volume_of_the_name_is_no_success() -> None:
    """A volume of another size is somebody else's."""

    async def story(ground: Ground) -> None:
        await ground.storage.create(NEW)
        with pytest.raises(Exists, match="2048"):
            await ground.storage.create(replace(NEW, size_bytes=2 << 20))

    play(story)


def test_quorum_off_is_set_by_hand() -> None:
    """A volume that shall have no quorum gets none, and no tiebreaker."""

    async def story(ground: Ground) -> None:
        await ground.storage.create(replace(NEW, quorum="off"))
        assert ground.props("pvc-new")["DrbdOptions/Resource/quorum"] == "off"
        assert Q not in ground.world.drbd.resources["pvc-new"].replicas

    play(story)


def test_removing_spares_what_is_in_use() -> None:
    """Open: refused. Closed: gone. Gone: fine."""

    async def story(ground: Ground) -> None:
        ground.guest()
        with pytest.raises(InUse):
            await ground.storage.remove(VOLUME)
        ground.world.devices.close(ONE, A, VOLUME)
        await ground.storage.remove(VOLUME)
        await ground.storage.remove(VOLUME)
        assert VOLUME not in ground.world.drbd.resources

    play(story)


def test_a_copy_is_of_one_instant_and_disturbs_nobody() -> None:
    """Copies of all volumes hold what was there at one moment, on the target, while the source goes on writing and replicating."""

    async def story(ground: Ground) -> None:
        ground.world.volume("pvc-2", A, B)
        ground.guest()
        copies = await ground.storage.copy({VOLUME: "t-1", "pvc-2": "t-2"}, TWO)
        assert [(copy.volume, copy.handle, copy.node) for copy in copies] == [(VOLUME, "t-1", B), ("pvc-2", "t-2", B)]
        ground.world.devices.write(ONE, A, VOLUME)
        assert ground.world.devices.open(TWO, B, "t-1") == 2
        assert ground.replica(B).generation == 3
        assert set(ground.world.drbd.resources["t-1"].replicas) == {B}
        assert (await ground.storage.states(["t-1"]))["t-1"].side(TWO).in_use

    play(story)


@pytest.mark.parametrize(
    "lost", ["snapshot/multi", "resource-definitions$", "restore-volume-definition", "restore-resource"]
)
def test_a_copy_that_was_cut_short_keeps_its_instant(lost: str) -> None:
    """Repeated after any lost answer it is completed from the snapshot that is there, not from a newer one."""

    async def story(ground: Ground) -> None:
        ground.guest()
        ground.world.faults.add(
            {"target": "linstor", "method": "POST", "path": lost, "mode": "apply_then_fail", "status": 0}
        )
        with pytest.raises(Unreachable):
            await ground.storage.copy({VOLUME: "t-1"}, TWO)
        ground.world.devices.write(ONE, A, VOLUME)
        await ground.storage.copy({VOLUME: "t-1"}, TWO)
        assert ground.world.devices.open(TWO, B, "t-1") == 2

    play(story)


def test_copies_of_different_instants_are_refused() -> None:
    """A snapshot of one volume only is the rest of something else: the copies would not fit together."""

    async def story(ground: Ground) -> None:
        ground.world.volume("pvc-2", A, B)
        await ground.storage.copy({VOLUME: "t-1"}, TWO)
        with pytest.raises(Refused, match="different instants"):
            await ground.storage.copy({VOLUME: "t-1", "pvc-2": "t-2"}, TWO)

    play(story)


def test_a_copy_takes_nobodys_name() -> None:
    """A handle that is a real volume's is refused before anything is made."""

    async def story(ground: Ground) -> None:
        ground.world.volume("pvc-2", A, B)
        with pytest.raises(Exists):
            await ground.storage.copy({VOLUME: "pvc-2"}, TWO)
        assert changes(ground) == []

    play(story)


def test_nothing_is_copied_from_a_bad_disk() -> None:
    """A target that is being filled has nothing to test."""

    async def story(ground: Ground) -> None:
        ground.guest()
        ground.world.faults.lose(TWO)
        ground.world.devices.write(ONE, A, VOLUME)
        ground.world.faults.restore(TWO)
        with pytest.raises(NotPromotable, match="UpToDate"):
            await ground.storage.copy({VOLUME: "t-1"}, TWO)

    play(story)


def test_cleaning_up_removes_copies_and_nothing_else() -> None:
    """In use: refused. Not ours: refused. Ours: volume and snapshot gone, also when there is only the snapshot, or nothing."""

    async def story(ground: Ground) -> None:
        await ground.storage.copy({VOLUME: "t-1"}, TWO)
        ground.world.devices.open(TWO, B, "t-1")
        with pytest.raises(InUse, match="in use on two-a"):
            await ground.storage.remove_copy("t-1")
        ground.world.devices.close(TWO, B, "t-1")
        with pytest.raises(Refused, match="no copy of ours"):
            await ground.storage.remove_copy(VOLUME)
        await ground.storage.remove_copy("t-1")
        await ground.storage.remove_copy("t-1")
        assert set(ground.world.drbd.resources) == {VOLUME}
        assert ground.world.drbd.resources[VOLUME].snapshots == {}

    play(story)


def test_a_snapshot_without_its_copy_is_cleaned_up_too() -> None:
    """Cut off right after the snapshot: nothing is left behind."""

    async def story(ground: Ground) -> None:
        ground.world.faults.add(
            {"target": "linstor", "method": "POST", "path": "resource-definitions$", "mode": "fail"}
        )
        with pytest.raises(Unreachable):
            await ground.storage.copy({VOLUME: "t-1"}, TWO)
        assert ground.world.drbd.resources[VOLUME].snapshots
        await ground.storage.remove_copy("t-1")
        assert ground.world.drbd.resources[VOLUME].snapshots == {}

    play(story)


def split(ground: Ground) -> None:
    ground.world.controller.modify(ground.world.drbd.resources[VOLUME], {"DrbdOptions/Resource/quorum": "off"})
    ground.guest()
    cut_all(ground.world, ONE)
    ground.world.devices.write(ONE, A, VOLUME)
    ground.guest(TWO, B)
    heal_all(ground.world)


def test_one_side_is_given_up_only_confirmed_and_unused() -> None:
    """Not confirmed, in use, silent: refused with nothing changed. Then its replica is made anew and filled from the other side."""

    async def story(ground: Ground) -> None:
        split(ground)
        before = len(changes(ground))
        refusals: list[type[StorageError]] = []
        for prepare, confirmed in ((lambda: None, False), (lambda: None, True), (silence, True)):
            prepare(*([ground] if prepare is silence else []))
            with pytest.raises(StorageError) as caught:
                await ground.storage.discard(VOLUME, ONE, confirmed=confirmed)
            refusals.append(type(caught.value))
        assert refusals == [Refused, InUse, Silent]
        assert len(changes(ground)) == before
        ground.world.drbd.nodes[A].answers = True
        await ground.storage.discard(VOLUME, ONE, confirmed=True)
        ground.world.clock.advance(5)
        assert ground.replica(A).current == ground.replica(B).current
        assert await ground.storage.split_brains([VOLUME]) == ()

    def silence(ground: Ground) -> None:
        ground.world.devices.close(ONE, A, VOLUME)
        ground.world.drbd.nodes[A].answers = False

    play(story)


@pytest.mark.parametrize(("method", "path"), [("PUT", "pvc-1$"), ("DELETE", "resources"), ("POST", "resources")])
def test_a_replica_that_was_being_made_anew_is_finished(method: str, path: str) -> None:
    """Whichever answer is lost on the way, the next call ends with the replica in place, and no mark left."""

    async def story(ground: Ground) -> None:
        split(ground)
        ground.world.devices.close(ONE, A, VOLUME)
        rule = {"target": "linstor", "method": method, "path": path, "mode": "apply_then_fail", "status": 0}
        ground.world.faults.add(rule)
        with pytest.raises(Unreachable):
            await ground.storage.discard(VOLUME, ONE, confirmed=True)
        await ground.storage.discard(VOLUME, ONE, confirmed=True)
        ground.world.clock.advance(5)
        assert ground.replica(A).current == ground.replica(B).current
        assert not [key for key in ground.props() if "discarding" in key]

    play(story)
