"""What replicas decide when they meet again: resync, split brain, standing down."""

from __future__ import annotations

import pytest

from sandbox.kubernetes.drbd import mending, snapshots
from sandbox.kubernetes.drbd.controller import Refused
from sandbox.kubernetes.drbd.devices import MayNotOpen
from sandbox.kubernetes.drbd.model import Disk
from sandbox.kubernetes.drbd.server import World
from unit.sandbox.drbd.worlds import A2, ONE, TWO, VOLUME, A, B, cut_all, heal_all, replica, world, written


def split(made: World) -> None:
    """Both sides write while apart, then see each other again."""
    made.controller.modify(made.drbd.resources[VOLUME], {"DrbdOptions/Resource/quorum": "off"})
    written(made)
    cut_all(made, ONE)
    made.devices.write(ONE, A, VOLUME)
    made.devices.open(TWO, B, VOLUME)
    made.devices.write(TWO, B, VOLUME)
    heal_all(made)


def test_a_returning_cluster_is_filled_from_the_one_that_went_on() -> None:
    """The old side becomes SyncTarget: inconsistent, with progress, then equal."""
    made = world()
    written(made)
    made.faults.lose(ONE)
    written(made, TWO, B)
    made.faults.restore(ONE)
    old = replica(made, A)
    assert old.disk is Disk.INCONSISTENT
    made.clock.advance(0.4)
    assert old.sync is not None
    assert made.drbd.progress(old.sync) == pytest.approx(0.4)
    made.clock.advance(0.7)
    assert (old.disk, old.generation) == (Disk.UP_TO_DATE, 6)


def test_an_interrupted_resync_goes_on_where_it_was() -> None:
    """Cut in the middle the target stays inconsistent and keeps what came over."""
    made = world()
    written(made)
    made.faults.lose(TWO)
    made.devices.write(ONE, A, VOLUME)
    made.faults.restore(TWO)
    made.clock.advance(0.5)
    made.faults.cut_link(ONE, TWO)
    made.clock.advance(60)
    assert replica(made, B).disk is Disk.INCONSISTENT
    made.faults.heal_link(ONE, TWO)
    made.clock.advance(0.6)
    assert replica(made, B).disk is Disk.UP_TO_DATE


def test_a_paused_resync_stands_still() -> None:
    """The knob stops progress, and lets it go on from there."""
    made = world()
    written(made)
    made.faults.lose(TWO)
    made.devices.write(ONE, A, VOLUME)
    made.faults.restore(TWO)
    made.clock.advance(0.25)
    made.drbd.change_settings(resync_paused=True)
    made.clock.advance(60)
    target = replica(made, B)
    assert target.sync is not None
    assert made.drbd.progress(target.sync) == pytest.approx(0.25)
    made.drbd.change_settings(resync_paused=False)
    made.clock.advance(0.8)
    assert target.disk is Disk.UP_TO_DATE


def test_an_inconsistent_replica_alone_is_not_promoted() -> None:
    """A half-filled disk is no copy."""
    made = world(tiebreaker=False)
    written(made)
    made.faults.lose(TWO)
    made.devices.write(ONE, A, VOLUME)
    made.faults.restore(TWO)
    made.faults.lose(ONE)
    with pytest.raises(MayNotOpen, match="UpToDate"):
        made.devices.open(TWO, B, VOLUME)


def test_two_written_sides_part_for_good() -> None:
    """Both were Primary and written while apart: StandAlone, each keeps its own data, until one gives in."""
    made = world()
    split(made)
    assert replica(made, A).standalone == {B}
    assert (replica(made, A).generation, replica(made, B).generation) == (4, 4)
    assert any(event["event"] == "split_brain" for event in made.history.as_json())
    made.devices.close(ONE, A, VOLUME)
    mending.connect(made.drbd, made.drbd.resources[VOLUME], A)
    assert replica(made, A).standalone == {B}


def test_one_side_discards_and_is_filled() -> None:
    """Only a Secondary may give up its data; then it is filled from the other side."""
    made = world()
    split(made)
    resource = made.drbd.resources[VOLUME]
    with pytest.raises(mending.MayNotDiscard):
        mending.discard(made.drbd, resource, A)
    made.devices.close(ONE, A, VOLUME)
    mending.discard(made.drbd, resource, A)
    made.clock.advance(2)
    assert (replica(made, A).disk, replica(made, A).current) == (Disk.UP_TO_DATE, replica(made, B).current)


def test_a_frozen_primary_gives_in_where_it_is_told_to() -> None:
    """With force-secondary the old Primary demotes, its guest sees I/O errors until it closes, and its disk is filled."""
    made = world()
    made.controller.modify(
        made.drbd.resources[VOLUME], {"DrbdOptions/Resource/on-suspended-primary-outdated": "force-secondary"}
    )
    written(made)
    cut_all(made, ONE)
    written(made, TWO, B)
    heal_all(made)
    made.clock.advance(2)
    old = replica(made, A)
    assert (old.primary, old.force_io_failures, old.generation) == (False, True, 6)
    assert made.wanted.of(ONE)[A] == {"drbd.linbit.com/force-io-error"}
    made.devices.close(ONE, A, VOLUME)
    assert made.wanted.of(ONE)[A] == set()


def test_without_it_two_primaries_stay_apart() -> None:
    """The default of DRBD: the connection is dropped, nothing is overwritten."""
    made = world()
    written(made)
    cut_all(made, ONE)
    written(made, TWO, B)
    heal_all(made)
    assert replica(made, A).standalone == {B}
    assert replica(made, A).generation == 3


def test_nothing_is_changed_under_a_running_guest() -> None:
    """A frozen Primary whose data is older is not filled while its guest has the device open, even when the other side has closed."""
    made = world()
    written(made)
    cut_all(made, ONE)
    written(made, TWO, B)
    made.devices.close(TWO, B, VOLUME)
    heal_all(made)
    made.clock.advance(5)
    assert (replica(made, A).generation, replica(made, A).standalone) == (3, {B})
    made.devices.close(ONE, A, VOLUME)
    mending.connect(made.drbd, made.drbd.resources[VOLUME], A)
    made.clock.advance(5)
    assert replica(made, A).generation == 6


def test_a_satellite_that_is_offline_keeps_its_old_options() -> None:
    """Quorum switched off reaches only who can be reached: the isolated Primary stays fenced, also after it is back in sight of nobody."""
    made = world()
    written(made)
    cut_all(made, ONE)
    told = made.controller.modify(made.drbd.resources[VOLUME], {"DrbdOptions/Resource/quorum": "off"})
    assert [words for _, words in told.entries] == [f"No active connection to satellite '{A}'"]
    assert replica(made, A).suspended
    heal_all(made)
    assert replica(made, A).options.quorum == "off"


def test_a_later_replica_is_filled() -> None:
    """A third replica of a written volume starts inconsistent and is synced."""
    made = world()
    written(made)
    made.controller.place(made.drbd.resources[VOLUME], A2)
    assert replica(made, A2).disk is Disk.INCONSISTENT
    made.clock.advance(2)
    assert replica(made, A2).generation == 3


def test_a_snapshot_holds_its_instant() -> None:
    """What is restored from a snapshot is what the replica held then, on that node alone, and independent of the source."""
    made = world()
    written(made)
    source = made.drbd.resources[VOLUME]
    taken = snapshots.take(made.controller, source, "s1", [B])
    made.devices.write(ONE, A, VOLUME)
    copy = made.controller.define("copy-1", source.size_kib)
    snapshots.restore(made.controller, taken, copy, [B])
    assert made.devices.open(TWO, B, "copy-1") == 3
    assert replica(made, B).generation == 4
    made.devices.close(ONE, A, VOLUME)
    with pytest.raises(Refused, match="has snapshots"):
        made.controller.drop(source)
