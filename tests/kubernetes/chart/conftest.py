"""The chart on real clusters, once for the tests of this folder, and gone afterwards."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from kubernetes.chart.installation import Installation, Shell
from kubernetes.failover.world import Stage
from sandbox.kubernetes.world import World


@pytest.fixture(scope="package")
def installation(planes: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    made = Installation(planes, tmp_path_factory.mktemp("chart"))
    made.install()
    yield made
    made.uninstall()


@pytest.fixture
def stage(installation: Installation, namespace: str) -> Iterator[Stage]:
    """Groups of VMs on cluster1, with replicated disks."""
    yield Stage(installation.planes, namespace)
    for cluster in installation.planes.clusters:
        cluster.agent.reset()


@pytest.fixture
def shell(installation: Installation, namespace: str, tmp_path: Path) -> Shell:
    return Shell(installation.planes, namespace, tmp_path)
