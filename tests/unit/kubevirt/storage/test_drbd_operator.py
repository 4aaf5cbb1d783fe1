"""The same promise on DRBDVolume objects of two clusters, with nobody above both."""

from __future__ import annotations

import pytest

from siterecovery.kubevirt.clusters import base
from siterecovery.kubevirt.crds.drbd_volume import DRBDVolume
from siterecovery.kubevirt.domain.resources import DRBD_VOLUMES
from siterecovery.kubevirt.storage.base import (
    Exists,
    InUse,
    NotPromotable,
    Refused,
    Silent,
    Unreachable,
)
from siterecovery.kubevirt.storage.states import Connection, Disk, Role
from unit.kubevirt.storage.operators import HANDLE, NEW, SPACE, OperatorGround, play
from unit.sandbox.drbd.worlds import ONE, TWO, A, B, cut_all, heal_all


def test_a_claims_content_reaches_the_other_cluster() -> None:
    """Objects in both clusters, the content on the first, its copy synced with progress, and what is written fits the kind's model."""

    async def story(ground: OperatorGround) -> None:
        await ground.storage.create(NEW)
        await ground.look()
        assert not (await ground.storage.sync([HANDLE], TWO)).done
        ground.world.clock.advance(0.5)
        await ground.look()
        seen = await ground.storage.sync([HANDLE], TWO)
        assert (seen.done, seen.percent) == (False, 50.0)
        ground.world.clock.advance(5)
        await ground.look()
        assert (await ground.storage.sync([HANDLE], TWO)).done
        assert (ground.spec(ONE)["claim"], "claim" in ground.spec(TWO)) == ("disk", False)
        for cluster in ground.clusters.values():
            parsed = DRBDVolume.parse(cluster.of(DRBD_VOLUMES, HANDLE, SPACE))
            assert list(parsed.broken()) == []
            assert parsed.status.disk_state == "UpToDate"

    play(story)


def test_each_cluster_speaks_for_its_own_side() -> None:
    """Role, disk, connection, quorum and use of each side, each from its own object."""

    async def story(ground: OperatorGround) -> None:
        await ground.made()
        ground.guest(ONE, A)
        await ground.look()
        state = (await ground.storage.states([HANDLE]))[HANDLE]
        source, target = state.side(ONE), state.side(TWO)
        assert (source.role, source.in_use, target.role, target.in_use) == (Role.PRIMARY, True, Role.SECONDARY, False)
        assert (target.disk, target.connection, target.quorum) == (Disk.UP_TO_DATE, Connection.CONNECTED, True)
        assert state.in_sync()

    play(story)


def test_a_planned_move() -> None:
    """Held while open; released and promotable afterwards, with everything that was written."""

    async def story(ground: OperatorGround) -> None:
        await ground.made()
        ground.guest(ONE, A)
        await ground.look()
        assert (await ground.storage.release([HANDLE], ONE)).held == ((HANDLE, A),)
        with pytest.raises(NotPromotable, match="in use"):
            await ground.storage.promote([HANDLE], TWO)
        ground.world.devices.close(ONE, A, HANDLE)
        await ground.look()
        assert (await ground.storage.release([HANDLE], ONE)).done
        await ground.storage.promote([HANDLE], TWO)
        assert ground.world.devices.open(TWO, B, HANDLE) == 2

    play(story)


def test_a_cluster_that_does_not_answer_is_unknown() -> None:
    """Its replicas may be in use; the other cluster's are told all the same."""

    async def story(ground: OperatorGround) -> None:
        await ground.made()
        ground.clusters[ONE].broken = base.TimedOut("late", cluster=ONE)
        released = await ground.storage.release([HANDLE], ONE)
        assert (released.done, released.unknown) == (False, ((HANDLE, A),))
        found = await ground.storage.ready_to_promote([HANDLE], TWO)
        assert [(reason.kind, reason.unknown) for reason in found.reasons] == [("SourceUnknown", True)]
        ground.clusters[TWO].broken = base.Unreachable("no route", cluster=TWO)
        with pytest.raises(Unreachable, match=f"{ONE}.*{TWO}"):
            await ground.storage.states([HANDLE])

    play(story)


def test_an_old_report_is_none() -> None:
    """An operator that has not renewed its report for a while is dead: what it said last may be wrong."""

    async def story(ground: OperatorGround) -> None:
        await ground.made()
        ground.late = 60
        assert not (await ground.storage.states([HANDLE]))[HANDLE].side(ONE).unknown
        ground.late = 300
        assert (await ground.storage.states([HANDLE]))[HANDLE].side(ONE).unknown

    play(story)


def test_a_missing_volume_is_known_only_when_everybody_answered() -> None:
    """No object in the clusters that answer says nothing about the one that does not."""

    async def story(ground: OperatorGround) -> None:
        assert not (await ground.storage.states(["vol-9"]))["vol-9"].exists
        ground.clusters[ONE].broken = base.Unreachable("no route", cluster=ONE)
        state = (await ground.storage.states(["vol-9"]))["vol-9"]
        assert (state.exists, state.side(ONE).unknown) == (True, True)

    play(story)


def test_forced_switches_quorum_off_on_the_target_alone() -> None:
    """The lost source keeps its policy: when it comes back it is fenced, gives in, and is filled; then the policy is restored."""

    async def story(ground: OperatorGround) -> None:
        await ground.made()
        ground.guest(ONE, A)
        await ground.look()
        ground.lose(ONE)
        await ground.look()
        forced = await ground.storage.prepare_forced([HANDLE], TWO)
        assert [(each.volume, dict(each.before)) for each in forced] == [(HANDLE, {"quorum": "majority"})]
        assert await ground.storage.prepare_forced([HANDLE], TWO) == forced
        with pytest.raises(NotPromotable, match="no quorum"):
            await ground.storage.promote([HANDLE], TWO, forced=True)
        await ground.look()
        await ground.storage.promote([HANDLE], TWO, forced=True)
        ground.guest(TWO, B)
        assert (ground.spec(TWO)["quorum"], ground.spec(ONE)["quorum"]) == ("off", "majority")
        ground.back(ONE)
        await ground.look()
        assert [reason.kind for reason in (await ground.storage.restore_quorum([HANDLE])).waiting] == ["NotInSync"]
        ground.world.clock.advance(5)
        await ground.look()
        assert (await ground.storage.restore_quorum([HANDLE])).volumes == (HANDLE,)
        assert ground.spec(TWO)["quorum"] == "majority"
        await ground.look()
        assert not (await ground.storage.states([HANDLE]))[HANDLE].forced
        assert ground.world.drbd.resources[HANDLE].replicas[A].generation == 4

    play(story)


def test_forced_never_starts_from_a_half_filled_disk() -> None:
    """The first sync was not over: refused, nothing changed."""

    async def story(ground: OperatorGround) -> None:
        await ground.storage.create(NEW)
        await ground.look()
        ground.lose(ONE)
        await ground.look()
        with pytest.raises(NotPromotable, match="Inconsistent"):
            await ground.storage.prepare_forced([HANDLE], TWO)
        assert ground.spec(TWO)["quorum"] == "majority"

    play(story)


async def split(ground: OperatorGround) -> None:
    """Both sides written while apart."""
    await ground.made()
    for cluster in ground.clusters.values():
        found = cluster.of(DRBD_VOLUMES, HANDLE, SPACE)
        cluster.put(DRBD_VOLUMES, found | {"spec": found["spec"] | {"quorum": "off"}})
    await ground.look()
    ground.guest(ONE, A)
    cut_all(ground.world, ONE)
    ground.world.devices.write(ONE, A, HANDLE)
    ground.guest(TWO, B)
    heal_all(ground.world)
    await ground.look()


def test_a_split_brain_is_found_and_mended_with_consent() -> None:
    """Reported; discarded only confirmed and unused; and the wish to discard does not outlive its act."""

    async def story(ground: OperatorGround) -> None:
        await split(ground)
        assert "split-brain" in (await ground.storage.split_brains([HANDLE]))[0].message
        with pytest.raises(Refused, match="Confirm"):
            await ground.storage.discard(HANDLE, ONE, confirmed=False)
        with pytest.raises(InUse):
            await ground.storage.discard(HANDLE, ONE, confirmed=True)
        ground.world.devices.close(ONE, A, HANDLE)
        await ground.look()
        await ground.storage.discard(HANDLE, ONE, confirmed=True)
        assert ground.spec(ONE)["discardMyData"] is False
        ground.world.clock.advance(5)
        await ground.look()
        assert await ground.storage.split_brains([HANDLE]) == ()
        one, two = (ground.world.drbd.resources[HANDLE].replicas[node] for node in (A, B))
        assert (one.current, one.generation) == (two.current, 4)

    play(story)


def test_an_operator_that_does_not_act_loses_its_order() -> None:
    """Nobody discards within the patience: Silent, and the wish is taken back, lest it is granted at the next split brain."""

    async def story(ground: OperatorGround) -> None:
        await split(ground)
        ground.world.devices.close(ONE, A, HANDLE)
        await ground.look()
        del ground.operators[ONE]
        with pytest.raises(Silent):
            await ground.storage.discard(HANDLE, ONE, confirmed=True)
        assert (ground.spec(ONE)["discardMyData"], ground.slept) == (False, 4)

    play(story)


def test_a_discard_that_was_cut_short_ends_with_the_restoration() -> None:
    """A wish somebody died over is cleared when the volume is well again."""

    async def story(ground: OperatorGround) -> None:
        await ground.made()
        found = ground.clusters[ONE].of(DRBD_VOLUMES, HANDLE, SPACE)
        ground.clusters[ONE].put(DRBD_VOLUMES, found | {"spec": found["spec"] | {"discardMyData": True}})
        await ground.storage.restore_quorum([HANDLE])
        assert ground.spec(ONE)["discardMyData"] is False

    play(story)


def test_a_copy_and_its_end() -> None:
    """A volume of its own on the target with what was there; cleaned up when unused, and only what is ours."""

    async def story(ground: OperatorGround) -> None:
        await ground.made()
        ground.guest(ONE, A)
        await ground.look()
        copies = await ground.storage.copy({HANDLE: "t-1"}, TWO)
        assert (await ground.storage.copy({HANDLE: "t-1"}, TWO)) == copies
        await ground.look()
        ground.world.devices.write(ONE, A, HANDLE)
        assert ground.world.devices.open(TWO, B, "t-1") == 2
        await ground.look()
        with pytest.raises(InUse):
            await ground.storage.remove_copy("t-1")
        with pytest.raises(Refused, match="no copy of ours"):
            await ground.storage.remove_copy(HANDLE)
        ground.world.devices.close(TWO, B, "t-1")
        await ground.look()
        await ground.storage.remove_copy("t-1")
        await ground.look()
        await ground.storage.remove_copy("t-1")
        assert "t-1" not in ground.world.drbd.resources
        with pytest.raises(Exists):
            await ground.storage.copy({"vol-0": HANDLE}, TWO)

    play(story)


def test_creation_is_completed_and_never_doubled() -> None:
    """One cluster was away: the next call makes what is missing; another size under the same name is refused."""

    async def story(ground: OperatorGround) -> None:
        ground.clusters[TWO].broken = base.Unreachable("no route", cluster=TWO)
        with pytest.raises(Unreachable):
            await ground.storage.create(NEW)
        ground.clusters[TWO].broken = None
        await ground.storage.create(NEW)
        await ground.storage.create(NEW)
        await ground.look()
        with pytest.raises(Exists):
            await ground.storage.create(type(NEW)(HANDLE, 2 << 30, NEW.places))

    play(story)


def test_removal_needs_everybodys_word() -> None:
    """In use or silent: refused. Then both objects and the resource go."""

    async def story(ground: OperatorGround) -> None:
        await ground.made()
        ground.guest(ONE, A)
        await ground.look()
        with pytest.raises(InUse):
            await ground.storage.remove(HANDLE)
        ground.world.devices.close(ONE, A, HANDLE)
        await ground.look()
        ground.clusters[ONE].broken = base.TimedOut("late", cluster=ONE)
        with pytest.raises(Silent):
            await ground.storage.remove(HANDLE)
        ground.clusters[ONE].broken = None
        await ground.storage.remove(HANDLE)
        await ground.look()
        await ground.storage.remove(HANDLE)
        assert HANDLE not in ground.world.drbd.resources

    play(story)


def test_a_removal_that_was_cut_short_is_finished() -> None:
    """One cluster's object is gone already: that side is no longer silent, and the other one's goes too."""

    async def story(ground: OperatorGround) -> None:
        await ground.made()
        await ground.clusters[TWO].delete(DRBD_VOLUMES, HANDLE, SPACE)
        await ground.look()
        assert (await ground.storage.states([HANDLE]))[HANDLE].side(TWO).unknown
        await ground.storage.remove(HANDLE)
        await ground.look()
        assert HANDLE not in ground.world.drbd.resources

    play(story)


def test_a_change_in_between_is_not_overwritten() -> None:
    """Somebody edited the object after it was read: refused, to be looked at again."""

    async def story(ground: OperatorGround) -> None:
        await ground.made()
        ground.lose(ONE)
        await ground.look()

        def meddle(verb: str, resource: object, name: str) -> base.ClusterError | None:
            return base.Conflict("changed", cluster=TWO, status=409) if verb == "patch" else None

        ground.clusters[TWO].broken = meddle
        with pytest.raises(Refused, match="changed"):
            await ground.storage.prepare_forced([HANDLE], TWO)

    play(story)


def test_a_cluster_that_does_not_answer_is_not_clean() -> None:
    """Whether a copy, or quorum switched off, is left on a silent cluster nobody knows: neither counts as done."""

    async def story(ground: OperatorGround) -> None:
        await ground.made()
        ground.lose(ONE)
        await ground.look()
        await ground.storage.prepare_forced([HANDLE], TWO)
        ground.back(ONE)
        await ground.look()
        ground.clusters[TWO].broken = base.TimedOut("late", cluster=TWO)
        with pytest.raises(Unreachable, match=TWO):
            await ground.storage.remove_copy("t-1")
        restored = await ground.storage.restore_quorum([HANDLE])
        assert (restored.volumes, [reason.unknown for reason in restored.waiting]) == ((), [True])

    play(story)
