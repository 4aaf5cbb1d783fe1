"""What a failover asks of LINSTOR storage: has the source let go, may the target be started from, and the fence of quorum."""

from __future__ import annotations

import json

import pytest

from siterecovery.kubevirt.storage.base import NotPromotable, Reason, Unreachable
from siterecovery.kubevirt.storage.judging import unprotected
from siterecovery.kubevirt.storage.states import Connection, Disk, Role
from unit.kubevirt.storage.ground import Ground, changes, play
from unit.sandbox.drbd.worlds import HOME, ONE, TWO, VOLUME, A, B, Q, cut_all, heal_all, world

FORCED = "Aux/siterecovery/quorum-before"
QUORUM = "DrbdOptions/Resource/quorum"


def kinds(reasons: object) -> list[str]:
    return [reason.kind for reason in reasons]  # type: ignore[attr-defined]


def test_states_tell_each_side() -> None:
    """Role, disk, connection, quorum and use of each cluster's replicas, from the controller alone."""

    async def story(ground: Ground) -> None:
        ground.guest()
        state = (await ground.storage.states([VOLUME]))[VOLUME]
        source, target = state.side(ONE), state.side(TWO)
        assert (source.role, source.disk, source.in_use, source.unknown) == (Role.PRIMARY, Disk.UP_TO_DATE, True, False)
        assert (target.role, target.in_use, target.quorum) == (Role.SECONDARY, False, True)
        assert (target.connection, state.quorum_policy, state.in_sync()) == (Connection.CONNECTED, "majority", True)

    play(story)


def test_a_planned_move_waits_for_the_last_opener() -> None:
    """The side has let go when nothing is open there; until then the target may not be started, with the node that stands in the way."""

    async def story(ground: Ground) -> None:
        ground.guest()
        assert (await ground.storage.release([VOLUME], ONE)).held == ((VOLUME, A),)
        with pytest.raises(NotPromotable, match=f"in use on {A} in {ONE}"):
            await ground.storage.promote([VOLUME], TWO)
        ground.world.devices.close(ONE, A, VOLUME)
        assert (await ground.storage.release([VOLUME], ONE)).done
        await ground.storage.promote([VOLUME], TWO)
        assert ground.world.devices.open(TWO, B, VOLUME) == 2

    play(story)


def test_a_silent_satellite_is_unknown_and_never_unused() -> None:
    """A node whose satellite does not answer may still have a running guest: no release, no planned promotion."""

    async def story(ground: Ground) -> None:
        ground.guest()
        ground.world.drbd.nodes[A].answers = False
        released = await ground.storage.release([VOLUME], ONE)
        assert (released.done, released.held, released.unknown) == (False, (), ((VOLUME, A),))
        side = (await ground.storage.states([VOLUME]))[VOLUME].side(ONE)
        assert (side.unknown, side.in_use, side.role, side.silent) == (True, None, Role.UNKNOWN, (A,))
        found = await ground.storage.ready_to_promote([VOLUME], TWO)
        assert [(reason.kind, reason.unknown) for reason in found.reasons] == [("SourceUnknown", True)]

    play(story)


def test_a_silent_tiebreaker_blocks_nobody() -> None:
    """No VM runs on a node that only breaks ties."""

    async def story(ground: Ground) -> None:
        ground.world.drbd.nodes[Q].answers = False
        assert (await ground.storage.ready_to_promote([VOLUME], TWO)).ready

    play(story)


def test_a_volume_nobody_knows_is_no_unused_volume() -> None:
    """A handle that LINSTOR does not know is named, not taken for ready."""

    async def story(ground: Ground) -> None:
        assert kinds((await ground.storage.ready_to_promote(["pvc-9"], TWO)).reasons) == ["NoSuchVolume"]
        assert not (await ground.storage.states(["pvc-9"]))["pvc-9"].exists

    play(story)


def test_forced_with_the_tiebreaker_leaves_the_fence_alone() -> None:
    """When the target has kept quorum after the loss of the source, quorum is not touched: the old Primary stays fenced."""

    async def story(ground: Ground) -> None:
        ground.guest()
        ground.world.faults.lose(ONE)
        assert await ground.storage.prepare_forced([VOLUME], TWO) == ()
        assert changes(ground) == []
        ground.world.devices.open(TWO, B, VOLUME)

    play(story)


def test_forced_without_quorum_records_and_switches_off() -> None:
    """Target alone: what was set is recorded in the same call as the change, then the device can be opened."""

    async def story(ground: Ground) -> None:
        ground.guest()
        ground.world.faults.lose(ONE)
        ground.world.drbd.nodes[Q].cluster = "elsewhere"
        ground.world.faults.lose("elsewhere")
        assert kinds((await ground.storage.ready_to_promote([VOLUME], TWO)).reasons) == ["SourceUnknown"]
        with pytest.raises(NotPromotable, match="no quorum"):
            await ground.storage.promote([VOLUME], TWO, forced=True)
        forced = await ground.storage.prepare_forced([VOLUME], TWO)
        assert dict(forced[0].before)[QUORUM] == "majority"
        assert ground.props()[QUORUM] == "off"
        assert ground.props()["DrbdOptions/auto-quorum"] == "disabled"
        assert json.loads(ground.props()[FORCED])[QUORUM] == "majority"
        assert len(changes(ground)) == 1
        await ground.storage.promote([VOLUME], TWO, forced=True)
        ground.world.devices.open(TWO, B, VOLUME)

    play(story)


def test_forcing_twice_keeps_the_first_record() -> None:
    """A repeated call finds its own change and does not record that as what was before; it answers the same."""

    async def story(ground: Ground) -> None:
        alone(ground)
        first = await ground.storage.prepare_forced([VOLUME], TWO)
        assert await ground.storage.prepare_forced([VOLUME], TWO) == first
        assert len(changes(ground)) == 1

    play(story)


def alone(ground: Ground) -> None:
    """The target's node sees nobody, and the controller sees only the target."""
    ground.world.faults.lose(ONE)
    ground.world.drbd.nodes[Q].cluster = "elsewhere"
    ground.world.faults.lose("elsewhere")


def back(ground: Ground) -> None:
    ground.world.faults.restore("elsewhere")
    ground.world.faults.restore(ONE)


def test_quorum_is_restored_after_the_resync_only() -> None:
    """Off while the returning side is being filled, then back in LINSTOR's own hands, the tiebreaker included; no record is left."""

    async def story(ground: Ground) -> None:
        alone(ground)
        await ground.storage.prepare_forced([VOLUME], TWO)
        ground.guest(TWO, B)
        assert [reason.volume for reason in (await ground.storage.restore_quorum([VOLUME])).waiting] == [VOLUME]
        back(ground)
        waiting = await ground.storage.restore_quorum([VOLUME])
        assert (waiting.volumes, kinds(waiting.waiting)) == ((), ["NotInSync"])
        assert ground.props()[QUORUM] == "off"
        ground.world.clock.advance(5)
        assert (await ground.storage.restore_quorum([VOLUME])).volumes == (VOLUME,)
        props = ground.props()
        assert (props[QUORUM], FORCED in props, "DrbdOptions/auto-quorum" in props) == ("majority", False, False)
        assert "Internal/Drbd/QuorumSetBy" not in props
        assert ground.replica(Q).tiebreaker
        assert ground.replica(A).options.quorum == "majority"

    play(story)


def test_what_people_had_set_by_hand_is_set_again() -> None:
    """A policy chosen by a person comes back as that person's choice."""

    async def story(ground: Ground) -> None:
        ground.world.controller.modify(ground.world.drbd.resources[VOLUME], {QUORUM: "all"})
        alone(ground)
        await ground.storage.prepare_forced([VOLUME], TWO)
        back(ground)
        ground.world.clock.advance(5)
        await ground.storage.restore_quorum([VOLUME])
        assert (ground.props()[QUORUM], ground.props()["Internal/Drbd/QuorumSetBy"]) == ("all", "user")

    play(story)


@pytest.mark.parametrize("calls", [1, 2])
def test_a_lost_answer_of_the_restoration_is_made_good(calls: int) -> None:
    """Applied, but nobody heard: the next call ends at the same place."""

    async def story(ground: Ground) -> None:
        alone(ground)
        await ground.storage.prepare_forced([VOLUME], TWO)
        back(ground)
        ground.world.clock.advance(5)
        ground.world.faults.add(
            {"target": "linstor", "method": "PUT", "mode": "apply_then_fail", "status": 0, "times": calls}
        )
        for _ in range(calls):
            with pytest.raises(Unreachable):
                await ground.storage.restore_quorum([VOLUME])
        await ground.storage.restore_quorum([VOLUME])
        assert (ground.props()[QUORUM], FORCED in ground.props()) == ("majority", False)

    play(story)


def test_forced_never_starts_from_an_outdated_disk() -> None:
    """A replica that knows that it lacks writes is refused, and nothing is changed."""

    async def story(ground: Ground) -> None:
        ground.guest()
        ground.world.faults.cut_link(ONE, TWO)
        ground.world.faults.lose(ONE)
        with pytest.raises(NotPromotable, match="Outdated"):
            await ground.storage.prepare_forced([VOLUME], TWO)
        assert changes(ground) == []

    play(story)


def test_forced_never_starts_from_a_half_filled_disk() -> None:
    """A resync cut off in the middle leaves no copy, and the refusal tells how far it was."""

    async def story(ground: Ground) -> None:
        ground.guest()
        ground.world.faults.lose(TWO)
        ground.world.devices.write(ONE, A, VOLUME)
        ground.world.faults.restore(TWO)
        ground.world.clock.advance(0.3)
        found = await ground.storage.ready_to_promote([VOLUME], TWO, forced=True)
        assert "30 % done" in "".join(reason.message for reason in found.reasons)
        ground.world.faults.lose(ONE)
        with pytest.raises(NotPromotable, match="Inconsistent"):
            await ground.storage.prepare_forced([VOLUME], TWO)

    play(story)


def test_forced_is_refused_while_the_source_is_seen_running() -> None:
    """A lost replication link is no dead source: its Primary is known to run, and switching its quorum off would let it write on."""

    async def story(ground: Ground) -> None:
        ground.guest()
        ground.world.drbd.resources[VOLUME].cut = True
        ground.world.drbd.settle()
        with pytest.raises(NotPromotable, match=f"in use on {A}"):
            await ground.storage.prepare_forced([VOLUME], TWO)
        assert changes(ground) == []

    play(story)


def test_one_bad_volume_leaves_all_untouched() -> None:
    """All volumes of a group are looked at before the first is changed."""

    async def story(ground: Ground) -> None:
        ground.world.volume("pvc-2", A)
        alone(ground)
        with pytest.raises(NotPromotable, match="no replica with a disk in cluster2"):
            await ground.storage.prepare_forced([VOLUME, "pvc-2"], TWO)
        assert changes(ground) == []

    play(story)


def test_split_brain_is_reported() -> None:
    """Two sides that were both written are found by name; before and after there is nothing to report."""

    async def story(ground: Ground) -> None:
        assert await ground.storage.split_brains([VOLUME]) == ()
        ground.world.controller.modify(ground.world.drbd.resources[VOLUME], {QUORUM: "off"})
        ground.guest()
        cut_all(ground.world, ONE)
        ground.world.devices.write(ONE, A, VOLUME)
        ground.guest(TWO, B)
        heal_all(ground.world)
        messages = [found.message for found in await ground.storage.split_brains([VOLUME])]
        assert len(messages) == 2
        assert all("split-brain" in message for message in messages)

    play(story)


def test_sync_shows_progress() -> None:
    """Percent of the least advanced disk, what is waited for, and done only when connected to everybody."""

    async def story(ground: Ground) -> None:
        assert (await ground.storage.sync([VOLUME], TWO)).done
        ground.guest()
        ground.world.faults.lose(TWO)
        ground.world.devices.write(ONE, A, VOLUME)
        assert not (await ground.storage.sync([VOLUME], ONE)).done
        ground.world.faults.restore(TWO)
        ground.world.clock.advance(0.6)
        seen = await ground.storage.sync([VOLUME], TWO)
        assert (seen.done, seen.percent) == (False, pytest.approx(60.0))
        ground.world.clock.advance(1)
        assert (await ground.storage.sync([VOLUME], TWO)).done

    play(story)


async def lacking(ground: Ground, volume: str) -> tuple[Reason, ...]:
    """What keeps it from being protected."""
    return tuple(unprotected(await ground.storage.states([volume]), [ONE, TWO]))


def test_what_protection_lacks_is_named() -> None:
    """A volume on one side only, without quorum, or on a node of no cluster is not protected, and each is told."""

    async def story(ground: Ground) -> None:
        assert await lacking(ground, VOLUME) == ()
        ground.world.volume("pvc-2", A)
        assert kinds(await lacking(ground, "pvc-2")) == ["NotReplicated", "NoQuorum"]
        ground.world.drbd.nodes[B].props.clear()
        assert kinds(await lacking(ground, VOLUME)) == ["NodeOfNoCluster", "NotReplicated"]

    play(story)


def test_nodes_may_be_told_by_the_configuration() -> None:
    """Where nobody labelled the nodes, the settings say to which cluster each belongs."""

    async def story(ground: Ground) -> None:
        ground.world.drbd.nodes[B].props.clear()
        assert await lacking(ground, VOLUME) == ()

    play(story, clusters={B: TWO})


def test_a_world_without_a_third_voter_has_no_quorum() -> None:
    """Two replicas and nothing else: the check says that nothing fences."""

    async def story(ground: Ground) -> None:
        assert kinds(await lacking(ground, VOLUME)) == ["NoQuorum"]
        assert HOME not in {replica.cluster for replica in (await ground.storage.states([VOLUME]))[VOLUME].replicas}

    play(story, world(tiebreaker=False))
