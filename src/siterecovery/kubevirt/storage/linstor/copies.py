"""Copies for a test failover: one snapshot of all volumes at one instant on the target's nodes, and a volume of its own from each.

A copy is on one node and not replicated; replication of the source goes on. Its snapshot is named like the copy and goes with it.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

from siterecovery.kubevirt.storage.base import Copy, Exists, InUse, NoSuchVolume, NotPromotable, Reason, Refused
from siterecovery.kubevirt.storage.linstor.client import LinstorClient
from siterecovery.kubevirt.storage.linstor.marks import AUTO_TIEBREAKER, COPY_OF
from siterecovery.kubevirt.storage.linstor.paths import definition_path
from siterecovery.kubevirt.storage.linstor.provisioning import definition
from siterecovery.kubevirt.storage.states import Disk, VolumeState


async def make(
    client: LinstorClient, states: Mapping[str, VolumeState], handles: Mapping[str, str], cluster: str
) -> tuple[Copy, ...]:
    """All or nothing of the snapshots: one that is missing, while others are there, would be of another instant (Refused)."""
    for volume, handle in handles.items():
        await _own(client, handle, volume)
    taken = await asyncio.gather(*(_snapshot(client, volume, handle) for volume, handle in handles.items()))
    nodes = {volume: found["nodes"][0] for volume, found in zip(handles, taken, strict=True) if found}
    if nodes and len(nodes) < len(handles):
        missing = next(volume for volume in handles if volume not in nodes)
        raise Refused(
            f"Some volumes have their snapshot already, {missing} has not: they would be of different instants.",
            remedy="Clean up and begin again.",
        )
    if not nodes:
        nodes = {volume: _source(states[volume], cluster) for volume in handles}
        wanted = [{"resource_name": volume, "name": handles[volume], "nodes": [node]} for volume, node in nodes.items()]
        await client.post("/v1/actions/snapshot/multi", {"snapshots": wanted})
    return tuple([await _restore(client, volume, handles[volume], node) for volume, node in nodes.items()])


async def remove(client: LinstorClient, handle: str) -> None:
    """The copy, then its snapshot."""
    found = await definition(client, handle)
    if found is None:
        await _remove_snapshots(client, handle)
        return
    volume = (found.get("props") or {}).get(COPY_OF)
    if volume is None:
        raise Refused(f"Volume {handle} is no copy of ours: it stays.", volume=handle)
    used = [
        each["node_name"]
        for each in await client.get("/v1/view/resources", handle, {"resources": [handle]})
        if (each.get("state") or {}).get("in_use")
    ]
    if used:
        raise InUse(f"Copy {handle} is in use on {used[0]}.", remedy="Stop the test's VM first.", volume=handle)
    # The snapshot before the definition: by the definition's property it is found again.
    await _drop_snapshot(client, volume, handle)
    try:
        await client.delete(definition_path(handle), handle)
    except NoSuchVolume:
        return


async def _remove_snapshots(client: LinstorClient, handle: str) -> None:
    """Of a copy that was never made, or is gone."""
    for snapshot in await client.get("/v1/view/snapshots", handle):
        if snapshot["name"] == handle:
            await _drop_snapshot(client, snapshot["resource_name"], handle)


async def _drop_snapshot(client: LinstorClient, volume: str, handle: str) -> None:
    try:
        await client.delete(definition_path(volume, "snapshots", handle), handle)
    except NoSuchVolume:
        return


async def _own(client: LinstorClient, handle: str, volume: str) -> None:
    found = await definition(client, handle)
    if found is not None and (found.get("props") or {}).get(COPY_OF) != volume:
        raise Exists(f"There is another volume {handle}.", remedy="Choose another name for the copy.", volume=handle)


async def _snapshot(client: LinstorClient, volume: str, handle: str) -> dict[str, Any] | None:
    found = await client.get("/v1/view/snapshots", volume, {"resources": [volume]})
    return next(
        (dict(each) for each in found if each["name"] == handle and each["resource_name"].lower() == volume.lower()),
        None,
    )


def _source(state: VolumeState, cluster: str) -> str:
    good = [replica.node for replica in state.on(cluster) if replica.diskful and replica.disk is Disk.UP_TO_DATE]
    if not good:
        message = f"Volume {state.volume} has no UpToDate replica in {cluster} to copy."
        raise NotPromotable([Reason(state.volume, "NotUpToDate", message, unknown=state.side(cluster).unknown)])
    return good[0]


async def _restore(client: LinstorClient, volume: str, handle: str, node: str) -> Copy:
    found = await definition(client, handle)
    if found is None:
        props = {COPY_OF: volume, AUTO_TIEBREAKER: "false"}
        await client.post("/v1/resource-definitions", {"resource_definition": {"name": handle, "props": props}}, handle)
        found = {}
    if not found.get("volume_definitions"):
        await client.post(
            definition_path(volume, "snapshot-restore-volume-definition", handle), {"to_resource": handle}, handle
        )
    if not await client.get("/v1/view/resources", handle, {"resources": [handle]}):
        await client.post(
            definition_path(volume, "snapshot-restore-resource", handle),
            {"to_resource": handle, "nodes": [node]},
            handle,
        )
    return Copy(volume, handle, node)
