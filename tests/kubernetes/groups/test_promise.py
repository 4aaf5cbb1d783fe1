"""The promise of a cluster on a real API server; the cluster in memory is held to the same stories."""

import asyncio

import pytest

from siterecovery.kubevirt.clusters.access import from_file
from siterecovery.kubevirt.clusters.client import ClusterClient
from unit.kubevirt.promise import STORIES


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_a_real_server_keeps_the_promise(ready_light_planes, light_namespace, story):
    """What unit tests rely on is what a real API server does."""

    async def scene():
        cluster = ClusterClient("cluster1", from_file(ready_light_planes.cluster1.kubeconfig))
        try:
            await story(cluster, light_namespace)
        finally:
            await cluster.close()

    asyncio.run(scene())
