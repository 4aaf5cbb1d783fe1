"""API servers and the storage controller go away in the middle of a move: it waits, goes on, and ends in a true state."""

import pytest

from kubernetes.failover.world import FailoverController
from sandbox.kubernetes.client import wait_until


@pytest.fixture
def controller(ready_planes, group_controllers, tmp_path):
    """One that looks at all clusters once a second, and says in its log who does not answer."""
    flags = ("--linstor", ready_planes.storage.linstor, "--debug", "true", "--round-seconds", "1")
    made = FailoverController(ready_planes.quorum, tmp_path, *flags)
    made.start()
    yield made
    made.stop()


def placed(stage, vm="pg-a-vm1"):
    return stage.running_on(vm)


@pytest.mark.parametrize("name", ["quorum", "cluster1", "cluster2"])
def test_a_plane_that_freezes_is_waited_for(controller, stage, name):
    """Frozen while the source stops, and woken when it was missed: the move succeeds, and nothing runs twice."""
    stage.group("pg-a", vms=1)
    stage.planes.cluster1.agent.set(stop=4)
    plane = getattr(stage.planes, name)
    failover = stage.failover("pg-a").until_begun("stop_source")
    before = controller.log.stat().st_size
    plane.freeze()
    try:
        wait_until("a call without an answer", 60, lambda: b"cannot be read" in controller.log.read_bytes()[before:])
    finally:
        plane.thaw()

    failover.succeeded(180)

    assert placed(stage) == ["cluster2"]


@pytest.mark.parametrize("name", ["quorum", "cluster2"])
def test_a_plane_that_restarts_is_found_again(controller, stage, name):
    """Killed and started while the target boots its VMs: the move succeeds."""
    stage.group("pg-a", vms=1)
    stage.planes.cluster2.agent.set(boot=3)
    failover = stage.failover("pg-a").until_begun("start_target")

    getattr(stage.planes, name).restart()

    failover.succeeded(180)
    assert placed(stage) == ["cluster2"]


def test_a_source_that_is_lost_after_its_stop_does_not_stop_the_move(controller, stage, empty_target):
    """The authority has moved: the target comes up alone. When the source is back it knows, and stays stopped."""
    group = stage.group("pg-a", vms=1)
    stage.planes.cluster2.agent.set(boot=5)
    failover = stage.failover("pg-a").until_begun("start_target")
    stage.planes.power_off(stage.planes.cluster1)
    try:
        failover.succeeded(180)
        assert placed(stage) == ["cluster2"]
    finally:
        stage.planes.power_on(stage.planes.cluster1)
    group.until_state("stopped")
    assert placed(stage) == ["cluster2"]


@pytest.mark.parametrize("mode", ["hang", "reset", "half", "fail"])
def test_a_storage_controller_that_does_not_answer_is_asked_again(controller, stage, mode):
    """LINSTOR hangs, breaks off or fails some calls while the move needs it: it is asked again, and the move succeeds."""
    stage.group("pg-a", vms=1)
    stage.planes.storage.post("/faults", target="linstor", mode=mode, times=3)

    stage.failover("pg-a").succeeded(180)

    assert placed(stage) == ["cluster2"]
