"""What a group learns of the other cluster."""

import asyncio

from siterecovery.kubevirt.clusters import base
from siterecovery.kubevirt.controllers.protection_group.controller import GroupController, Settings
from siterecovery.kubevirt.domain.resources import PROTECTION_GROUPS
from unit.kubevirt.controllers.sites import Registry, Sites


def test_a_group_is_claimed_as_soon_as_the_other_cluster_can_be_read():
    """That the other cluster has no copy is no event of its watch: the group is looked at all the same when the first list has come, long before the
    next resync."""
    sites = Sites()
    sites.vm("vm1")
    sites.group("vm1")
    away = base.Unreachable("connection refused", cluster="cluster2")
    sites.two.broken = lambda verb, resource, name: away if resource is PROTECTION_GROUPS and verb == "list" else None

    async def scene():
        settings = Settings(resync=3600.0, mirror=3600.0, storage=3600.0)
        controller = GroupController(Registry(sites.one, sites.clusters), sites.disks, settings=settings)
        tasks = [asyncio.create_task(sites.kubevirt["cluster1"].run()), asyncio.create_task(controller.run())]
        await sites.until("its doubt", lambda: sites.ready()["reason"] == "AuthorityUnknown")
        sites.two.broken = None
        await sites.until("the first claim", lambda: sites.status().get("epoch") == 1)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(scene())
