"""Tests on real Kubernetes clusters; `support.kubernetes` says what is there. Minutes of preparation are not a test's time.

After each test with controllers the independent checker looks at the test's namespace: clusters, machines, disks and their histories."""

from pathlib import Path

import pytest

from support.kubernetes import machines
from support.kubernetes.checking import assert_true_world
from support.kubernetes.fixtures import light_namespace, light_planes, light_world, namespace, planes

__all__ = ["light_namespace", "light_planes", "light_world", "namespace", "planes"]
CONTROLLERS = ("group_controllers", "controllers", "controller", "starter")
"""Fixtures that run controllers: without them nothing comes true by itself."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.timeout(300, func_only=True))


class Excuses:
    """What a test tells the checker: `vms` it has itself made run on both sides; `rules` it has broken by hand; `settled` False when it leaves the
    world in the middle of something."""

    def __init__(self):
        self.vms = set()
        self.rules = set()
        self.settled = True


@pytest.fixture
def excuses():
    return Excuses()


@pytest.fixture
def empty_target(planes):
    """Nothing that an earlier test has left runs on cluster2: where quorum taints are removed it would be in the way."""
    machines.until_empty(planes.cluster2)


@pytest.fixture(autouse=True)
def checked_world(request, excuses):
    """The controllers are asked for first, so that they still run when the checker looks."""
    running = [name for name in CONTROLLERS if name in request.fixturenames]
    if not running or not {"planes", "namespace"} <= set(request.fixturenames):
        yield
        return
    there, where = request.getfixturevalue("planes"), request.getfixturevalue("namespace")
    for name in running:
        request.getfixturevalue(name)
    yield
    for cluster in there.clusters:
        cluster.agent.reset()
    assert_true_world(there, where, excused=excuses.vms, ignored=excuses.rules, settled=excuses.settled)
