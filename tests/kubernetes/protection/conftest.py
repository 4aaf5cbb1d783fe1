"""VMs go under replication on real clusters: played DRBD Operators on both, the Failover controller's process on the quorum cluster."""

import pytest

from kubernetes.failover.conftest import group_controllers, ready_planes
from kubernetes.failover.world import FailoverController
from kubernetes.protection.world import Yard, operate

__all__ = ["group_controllers", "ready_planes"]


@pytest.fixture(scope="module")
def operators(ready_planes):
    operate(ready_planes, on=True)
    yield
    operate(ready_planes, on=False)


@pytest.fixture
def controller(ready_planes, operators, tmp_path):
    made = FailoverController(ready_planes.quorum, tmp_path)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def yard(ready_planes, operators, namespace):
    yield Yard(ready_planes, namespace)
    ready_planes.storage.post("/drbd/settings", resync_seconds=1.0, resync_paused=False)
    for cluster in ready_planes.clusters:
        cluster.agent.reset()
