"""Every test here leaves the machines as it found them."""

from collections.abc import Iterator

import pytest

from sandbox.kubernetes.cluster import Cluster
from sandbox.kubernetes.world import World


@pytest.fixture
def cluster(planes: World) -> Iterator[Cluster]:
    """cluster1, whose machines are mended afterwards."""
    yield planes.cluster1
    planes.cluster1.agent.reset()
