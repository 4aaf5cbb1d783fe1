"""The whole way in the DRBD Operator model: a VM with plain claims goes under replication, into a group, to the other cluster and home, and away from
a cluster that is lost. The same on real clusters is in tests/kubernetes/protection/test_drbd_operator.py."""

from siterecovery.kubevirt.domain.resources import DRBD_VOLUMES, PROTECTION_GROUPS
from unit.kubevirt.protection.ground import SPACE
from unit.kubevirt.protection.moving import GROUP, Moving
from unit.sandbox.drbd.worlds import ONE, TWO


async def ready(ground):
    """The VM is a member of a group that can be moved."""
    ground.ask()
    await ground.ended("Protected")
    ground.group()
    await ground.until(lambda: ground.condition(ground.one, "FailoverReady") == "Ready", "ready to move")


async def moved(ground, name, target):
    ground.failover(name, target)
    await ended(ground, name)


async def ended(ground, name):
    await ground.until(lambda: ground.ended_as(name), f"{name} ended", lambda: ground.told(name))
    assert ground.ended_as(name) == "Succeeded", ground.told(name)


def generations(ground):
    return {name: max(r.generation for r in res.replicas.values()) for name, res in ground.drbd.drbd.resources.items()}


def test_a_protected_machine_moves_and_comes_home():
    """One guest, one Primary, no write lost, both ways."""

    async def story(ground):
        await ready(ground)
        written = generations(ground)
        await moved(ground, "there", TWO)
        assert (ground.guests(), ground.primaries()) == ([TWO], {TWO})
        assert all(now >= written[name] for name, now in generations(ground).items())
        await moved(ground, "home", ONE)
        assert (ground.guests(), ground.primaries()) == ([ONE], {ONE})

    Moving().play(story)


def test_a_lost_cluster_is_left_behind_and_comes_back():
    """Quorum is switched off on the target alone, also when its loss shows only after the look; the source that comes back is stopped, filled and
    fenced; then the group goes home."""

    async def story(ground):
        await ready(ground)
        ground.lose(ground.one)
        ground.asleep.add(TWO)
        ground.failover("away", TWO, type="unplanned", confirmSourceDown=True)
        await ground.until(
            lambda: "start_target" in ground.states("away"), "the look over", lambda: ground.told("away")
        )
        assert not ground.guests()
        ground.asleep.clear()
        await ended(ground, "away")
        assert (ground.guests(), ground.primaries()) == ([TWO], {TWO})
        assert {debt["kind"] for debt in ground.copy(ground.two)["debts"]} == {"stop", "restore-quorum"}
        volumes = [key for key in ground.two.objects if key[0] == DRBD_VOLUMES.plural]
        assert {ground.two.objects[key]["spec"]["quorum"] for key in volumes} == {"off"}

        ground.back(ground.one)
        await ground.until(lambda: not ground.copy(ground.two).get("debts"), "debts paid")
        assert {c.objects[key]["spec"]["quorum"] for c in (ground.one, ground.two) for key in volumes} == {"majority"}
        assert ground.one.of(PROTECTION_GROUPS, GROUP, SPACE)["spec"]["desiredState"] == "stopped"
        assert (ground.guests(), ground.primaries()) == ([TWO], {TWO})
        await moved(ground, "home", ONE)
        assert (ground.guests(), ground.primaries()) == ([ONE], {ONE})

    Moving().play(story)
