"""The chart on real clusters, once for a file's tests, and gone afterwards: other files have controllers of their own on the same clusters."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from kubernetes.failover.world import Stage
from sandbox.kubernetes.installation import Installation
from sandbox.kubernetes.world import World
from support.kubernetes.shell import Shell


@pytest.fixture(scope="module")
def installation(planes: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    made = Installation(planes, planes.storage.linstor, tmp_path_factory.mktemp("chart"))
    made.install()
    yield made
    made.uninstall()


@pytest.fixture
def stage(planes: World, installation: Installation, namespace: str) -> Iterator[Stage]:
    """Groups of VMs on cluster1, with replicated disks."""
    yield Stage(planes, namespace)
    for cluster in planes.clusters:
        cluster.agent.reset()


@pytest.fixture
def shell(planes: World, installation: Installation, namespace: str, tmp_path: Path) -> Shell:
    return Shell(list(planes), namespace, tmp_path)
