"""A large group is not looked at without a break."""

import asyncio
import time

from siterecovery.kubevirt.controllers.protection_group.controller import REST
from siterecovery.kubevirt.domain.resources import VIRTUAL_MACHINE_INSTANCES
from unit.kubevirt.controllers.sites import KEY, NS, Sites

MEMBERS, CHANGES = 300, 60


def test_changes_that_come_in_a_row_are_looked_at_together():
    """Every change of every VM asks for a pass; a group of hundreds rests between two, and misses none."""
    sites = Sites()
    names = [f"vm-{number}" for number in range(MEMBERS)]
    sites.vm(*names)
    sites.group(*names)
    passes = []

    async def scene():
        controller = sites.controller(sites.one)
        reconcile = controller._reconciler.reconcile

        async def counted(key):
            passes.append(key)
            return await reconcile(key)

        controller._reconciler.reconcile = counted
        tasks = [asyncio.create_task(sites.kubevirt["cluster1"].run()), asyncio.create_task(controller.run())]
        await sites.until_state("running")
        passes.clear()
        began = time.monotonic()
        for number in range(CHANGES):
            instance = sites.one.of(VIRTUAL_MACHINE_INSTANCES, names[number], NS)
            sites.one.put(VIRTUAL_MACHINE_INSTANCES, instance, instance["status"] | {"nodeName": f"n{number}"})
            await asyncio.sleep(0.01)
        await sites.until("the last change", lambda: controller.scopes[KEY].members[CHANGES - 1].observed.node == "n59")
        passed = time.monotonic() - began
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return passed / (REST * MEMBERS)

    rests = asyncio.run(scene())

    assert 0 < len(passes) <= rests + 2
