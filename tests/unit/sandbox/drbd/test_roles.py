"""Who may be Primary, what quorum does, and which data comes up."""

from __future__ import annotations

import pytest

from sandbox.kubernetes.drbd.devices import MayNotOpen, MayNotWrite, NoSuchVolume
from sandbox.kubernetes.drbd.model import Disk
from unit.sandbox.drbd.worlds import A2, HOME, ONE, TWO, VOLUME, A, B, Q, cut_all, heal_all, replica, world, written


def test_opening_promotes_and_closing_demotes() -> None:
    """A node is Primary because a device is open there, and only as long as it is."""
    made = world()
    made.devices.open(ONE, A, VOLUME)
    made.devices.open(ONE, A, VOLUME)
    made.devices.close(ONE, A, VOLUME)
    assert replica(made, A).primary
    made.devices.close(ONE, A, VOLUME)
    assert not replica(made, A).primary


def test_no_second_primary_while_connected() -> None:
    """Opening on the other side is refused as long as the first side is Primary, and works after it closed, with the same data."""
    made = world()
    generation = written(made)
    with pytest.raises(MayNotOpen, match="Multiple primaries"):
        made.devices.open(TWO, B, VOLUME)
    made.devices.close(ONE, A, VOLUME)
    assert made.devices.open(TWO, B, VOLUME) == generation == 3


def test_unknown_volumes_and_nodes_are_told_apart_from_refusals() -> None:
    """A volume nobody knows is an ordinary disk to the agent, not a refusal."""
    made = world()
    for cluster, node, volume in ((ONE, A, "pvc-9"), (ONE, "nowhere", VOLUME), (TWO, A, VOLUME)):
        with pytest.raises(NoSuchVolume):
            made.devices.open(cluster, node, volume)


def test_linstor_gives_two_replicas_a_tiebreaker_and_quorum() -> None:
    """Two disks and a third node: majority; no third node: off."""
    assert replica(world(), Q).tiebreaker
    assert replica(world(), A).options.quorum == "majority"
    assert replica(world(tiebreaker=False), A).options.quorum == "off"


def test_a_lost_cluster_leaves_quorum_with_the_other() -> None:
    """Power gone at one site: the other, with the tiebreaker, may promote and has every write that was acknowledged."""
    made = world()
    generation = written(made)
    made.faults.lose(ONE)
    assert replica(made, B).quorum
    assert made.devices.open(TWO, B, VOLUME) == generation
    assert not replica(made, A).primary


def test_an_isolated_primary_freezes() -> None:
    """Seen by nobody, a Primary has no quorum: its guest's writes hang, while the other side may take over."""
    made = world()
    written(made)
    cut_all(made, ONE)
    assert replica(made, A).suspended
    with pytest.raises(MayNotWrite, match="suspend-io"):
        made.devices.write(ONE, A, VOLUME)
    made.devices.open(TWO, B, VOLUME)


def test_io_error_instead_of_suspending() -> None:
    """With on-no-quorum io-error the write fails instead of hanging."""
    made = world()
    made.controller.modify(made.drbd.resources[VOLUME], {"DrbdOptions/Resource/on-no-quorum": "io-error"})
    written(made)
    cut_all(made, ONE)
    with pytest.raises(MayNotWrite, match="io-error"):
        made.devices.write(ONE, A, VOLUME)


def test_a_replica_that_sees_the_primary_only_over_the_tiebreaker_is_outdated() -> None:
    """The link between the sites alone is cut: the Primary goes on with the tiebreaker, the other side knows that it misses writes."""
    made = world()
    written(made)
    made.faults.cut_link(ONE, TWO)
    assert replica(made, A).quorum
    assert replica(made, B).disk is Disk.OUTDATED
    with pytest.raises(MayNotOpen):
        made.devices.open(TWO, B, VOLUME)
    made.devices.close(ONE, A, VOLUME)
    with pytest.raises(MayNotOpen, match="UpToDate"):
        made.devices.open(TWO, B, VOLUME)


def test_lost_quorum_does_not_come_back_by_the_tiebreaker() -> None:
    """A node that lost quorum needs a majority of disks again; the tiebreaker only keeps what one has."""
    made = world()
    cut_all(made, ONE)
    cut_all(made, TWO)
    assert not replica(made, B).quorum
    made.faults.heal_link(TWO, HOME)
    assert not replica(made, B).quorum
    with pytest.raises(MayNotOpen, match="No quorum"):
        made.devices.open(TWO, B, VOLUME)
    heal_all(made)
    assert replica(made, B).quorum


def test_a_node_without_a_replica_attaches_without_a_vote() -> None:
    """A guest on a node without a disk works over the network, is Primary, and leaves nothing when it closes."""
    made = world()
    assert made.devices.open(ONE, A2, VOLUME) == 0
    assert made.devices.write(ONE, A2, VOLUME) == 1
    assert replica(made, B).generation == 1
    made.faults.lose(ONE)
    assert replica(made, B).quorum
    made.faults.restore(ONE)
    made.devices.close(ONE, A2, VOLUME)
    assert A2 not in made.drbd.resources[VOLUME].replicas


def test_three_disks_need_two() -> None:
    """With three replicas a single node is a minority."""
    made = world()
    made.controller.place(made.drbd.resources[VOLUME], A2)
    assert Q not in made.drbd.resources[VOLUME].replicas
    made.faults.lose(ONE)
    assert not replica(made, B).quorum


def test_a_promotion_can_be_made_to_fail() -> None:
    """The knob refuses exactly as often as asked."""
    made = world()
    made.devices.fail_next[VOLUME] = 1
    with pytest.raises(MayNotOpen, match="asked to"):
        made.devices.open(ONE, A, VOLUME)
    made.devices.open(ONE, A, VOLUME)


def test_an_outage_that_comes_link_by_link_leaves_no_copy_to_start_from() -> None:
    """While the tiebreaker still saw both, the Primary could have gone on writing: the other side is outdated, and stays so."""
    made = world()
    written(made)
    made.faults.cut_link(ONE, TWO)
    made.faults.cut_link(ONE, HOME)
    with pytest.raises(MayNotOpen, match="UpToDate"):
        made.devices.open(TWO, B, VOLUME)
