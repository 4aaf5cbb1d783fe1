"""The cluster in memory keeps the promise that the real one keeps in tests/kubernetes/groups/test_promise.py."""

import asyncio

import pytest

from unit.kubevirt.memory_cluster import MemoryCluster
from unit.kubevirt.promise import STORIES


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_memory_keeps_the_promise(story):
    """What unit tests rely on is what a real API server does."""
    asyncio.run(story(MemoryCluster(), "ns"))
