"""Failovers on real clusters: group controllers on both workload clusters, the Failover controller on the quorum cluster, each a process."""

import pytest

from kubernetes.failover.world import FailoverController, Stage
from kubernetes.groups.world import Controller, install

PACE = ("--storage-interval", "1", "--mirror-interval", "5")


@pytest.fixture(scope="session")
def ready_planes(planes):
    install(list(planes))
    return planes


@pytest.fixture(scope="session")
def group_controllers(ready_planes, tmp_path_factory):
    directory = tmp_path_factory.mktemp("groups")
    flags = ("--linstor", ready_planes.storage.linstor, *PACE)
    made = [Controller(plane, directory, *flags) for plane in ready_planes.clusters]
    for controller in made:
        controller.start()
    yield made
    for controller in made:
        controller.stop()


@pytest.fixture(scope="session")
def ready_light_world(light_world):
    install(list(light_world))
    return light_world


@pytest.fixture(scope="session")
def light_group_controllers(ready_light_world, tmp_path_factory):
    directory = tmp_path_factory.mktemp("light-groups")
    flags = ("--linstor", ready_light_world.storage.linstor, *PACE)
    made = [Controller(plane, directory, *flags) for plane in ready_light_world.clusters]
    for controller in made:
        controller.start()
    yield made
    for controller in made:
        controller.stop()


@pytest.fixture
def controller(ready_planes, group_controllers, tmp_path):
    flags = ("--linstor", ready_planes.storage.linstor, "--round-seconds", "1")
    made = FailoverController(ready_planes.quorum, tmp_path, *flags)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def stage(ready_planes, namespace):
    yield Stage(ready_planes, namespace)
    for cluster in ready_planes.clusters:
        cluster.agent.reset()
