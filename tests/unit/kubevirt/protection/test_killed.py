"""The controller is killed at every step of a protection and of its end, on the way and while undoing: another one goes on, and it ends as if nothing
had happened. The points come from the flows themselves."""

import pytest

from crashes.death import Death, points
from siterecovery.kubevirt.flows import protection as flows
from siterecovery.kubevirt.steps.protection.base import ProtectionWorld
from unit.kubevirt.protection.ground import Ground, until_ended
from unit.kubevirt.protection.test_protection import ask, protected

# Nobody closes what a killed controller had open.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
NOTHING = ProtectionWorld(None, None, None, None, None, None, None)
PROTECT, UNPROTECT = flows.protect(NOTHING), flows.unprotect(NOTHING)


def killed(ground, point, fail_at=None):
    """The first controller dies at the point, the second one goes on."""
    death = Death(point, fail_at)

    async def story(ground):
        await ground.until(lambda: death.happened.is_set(), f"death at {point}")

    ground.play(story, death)
    assert ground.status().get("completedAt") is None


@pytest.mark.parametrize("point", points(PROTECT, undoing=False), ids=str)
def test_killed_on_the_way(point):
    """The machine ends up on its replicated disks, each of which is there once."""
    ground = Ground()
    ground.ask()

    killed(ground, point)
    ground.play(until_ended("Protected"))

    assert ground.claims() == ["root-drbd", None, "data-drbd"]
    assert ground.running()
    assert len(ground.drbd.drbd.resources) == 3


@pytest.mark.parametrize("point", points(PROTECT, undoing=True), ids=str)
def test_killed_while_undoing(point):
    """The machine ends up on its plain claims, and nothing is left."""
    ground = Ground()
    ground.ask()

    killed(ground, point, flows.COMMIT)
    ground.play(until_ended("Failed"), Death(None, flows.COMMIT))

    assert (ground.left(), ground.vm["spec"], ground.running()) == ([], ground.before, True)


@pytest.mark.parametrize("point", points(UNPROTECT, undoing=False), ids=str)
def test_killed_on_the_way_out(point):
    """The machine ends up on its plain claims, and nothing is left."""
    ground = protected(Ground())
    ask(ground, "unprotected")

    killed(ground, point)
    ground.play(until_ended("Unprotected"))

    assert (ground.left(), ground.vm["spec"], ground.running()) == ([], ground.before, True)
