"""A controller that was frozen in the middle of a step, and woken when another one has taken over, sends nothing."""

import asyncio

import httpx
import pytest

from siterecovery.kubevirt.clusters.access import Access
from siterecovery.kubevirt.clusters.blocking import Bridge
from siterecovery.kubevirt.clusters.client import ClusterClient
from siterecovery.kubevirt.domain.resources import PROTECTION_GROUPS
from siterecovery.kubevirt.storage.linstor import LinstorSettings
from siterecovery.kubevirt.storage.linstor.client import LinstorClient
from siterecovery.workflow.ownership import owned
from siterecovery.workflow.step import Fenced


def lost():
    raise Fenced("the lease is lost")


def in_a_step(work):
    """What a step's thread gets when it makes this call after its owner has lost the lease."""

    async def scene():
        bridge = Bridge()
        return await asyncio.to_thread(owned, lost, lambda: bridge(work()))

    return asyncio.run(scene())


def test_no_change_leaves_for_a_cluster():
    """The last look is in the client itself, in whichever task the call is made: also between reading an object and patching it."""
    client = ClusterClient("cluster1", Access("https://127.0.0.1:1"))

    async def work():
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(client.patch(PROTECTION_GROUPS, "pg-a", "prod", {"spec": {}}))
        finally:
            await client.close()

    with pytest.raises(ExceptionGroup) as caught:
        in_a_step(work)
    assert caught.group_contains(Fenced)


def test_no_change_leaves_for_linstor():
    """Nor does one for the storage; what only reads does."""
    seen = []

    def answer(request):
        seen.append(request.method)
        return httpx.Response(200, json=[])

    async def work():
        storage = LinstorClient(LinstorSettings(("http://linstor:3370",)), httpx.MockTransport(answer))
        try:
            await storage.get("/v1/nodes")
            await storage.put("/v1/resource-definitions/vol", {})
        finally:
            await storage.close()

    with pytest.raises(Fenced):
        in_a_step(work)
    assert seen == ["GET"]
