"""The story of an object."""

import asyncio
import logging

from siterecovery.kubevirt.clusters import base
from siterecovery.kubevirt.clusters.events import Recorder
from siterecovery.kubevirt.domain.resources import EVENTS, PROTECTION_GROUPS
from unit.kubevirt.memory_cluster import MemoryCluster

NS = "site-recovery"


def told(cluster):
    return [item for key, item in cluster.objects.items() if key[0] == EVENTS.plural]


def test_an_event_belongs_to_its_object_and_counts_up():
    """It carries the object's UID; the same one again counts, another message is another event."""
    cluster = MemoryCluster()
    group = cluster.put(PROTECTION_GROUPS, PROTECTION_GROUPS.header("pg-a", NS))

    async def scene():
        recorder = Recorder(cluster, "controller")
        for message in ("a", "a", "b" * 5000):
            await recorder.record(group, "Reason", message, "Warning")

    asyncio.run(scene())
    first, second = told(cluster)
    assert first["involvedObject"]["uid"] == group["metadata"]["uid"]
    assert (first["count"], second["count"], len(second["message"])) == (2, 1, 1024)


def test_no_work_waits_for_its_story(caplog):
    """An event that cannot be written is logged, not raised."""
    cluster = MemoryCluster()
    group = cluster.put(PROTECTION_GROUPS, PROTECTION_GROUPS.header("pg-a", NS))
    cluster.broken = base.TimedOut("frozen")
    with caplog.at_level(logging.WARNING):
        asyncio.run(Recorder(cluster, "controller").record(group, "Reason", "a"))
    assert "was not recorded: frozen" in caplog.text
