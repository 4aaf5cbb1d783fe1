"""Groups on real clusters: the CRDs are applied, each workload cluster knows the others by Secrets, and runs the group controller as a process."""

import pytest

from kubernetes.groups.world import Controller, Group, install


@pytest.fixture(scope="session")
def ready_planes(planes):
    install(list(planes))
    return planes


@pytest.fixture(scope="session")
def ready_light_planes(light_planes):
    install(list(light_planes))
    return light_planes


@pytest.fixture
def controllers(ready_planes, tmp_path):
    """The controllers of both workload clusters, running."""
    flags = ("--linstor", ready_planes.storage.linstor, "--storage-interval", "1", "--mirror-interval", "5")
    made = {plane.name: Controller(plane, tmp_path, *flags) for plane in (ready_planes.cluster1, ready_planes.cluster2)}
    for controller in made.values():
        controller.start()
    yield made
    for controller in made.values():
        controller.stop()


@pytest.fixture
def group(ready_planes, namespace):
    return Group(ready_planes.cluster1, namespace)
