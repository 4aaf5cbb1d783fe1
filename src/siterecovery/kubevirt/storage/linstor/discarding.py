"""Giving up one side of a split brain. LINSTOR has no call for DRBD's `--discard-my-data`: the replica is deleted and made again, and filled."""

from siterecovery.kubevirt.storage.base import Refused
from siterecovery.kubevirt.storage.discarding import allow
from siterecovery.kubevirt.storage.linstor.client import LinstorClient
from siterecovery.kubevirt.storage.linstor.marks import DISCARDING, POOL
from siterecovery.kubevirt.storage.linstor.paths import definition_path
from siterecovery.kubevirt.storage.linstor.quorum import properties
from siterecovery.kubevirt.storage.states import VolumeState


async def discard(client: LinstorClient, state: VolumeState, cluster: str, *, confirmed: bool) -> None:
    """The pool is written down first, so that a replica that was deleted is always made again, whoever died in between."""
    volume = state.volume
    begun = {
        key.removeprefix(DISCARDING): pool
        for key, pool in (await properties(client, volume)).items()
        if key.startswith(DISCARDING)
    }
    mine = {node: pool for node, pool in begun.items() if node not in {replica.node for replica in state.replicas}}
    for node, pool in mine.items():
        await _make_again(client, volume, node, pool)
    if mine:
        return
    allow(state, cluster, confirmed)
    for replica in state.on(cluster):
        if replica.diskful:
            pool = await _pool(client, volume, replica.node)
            await client.put(definition_path(volume), {"override_props": {DISCARDING + replica.node: pool}}, volume)
            await client.delete(definition_path(volume, "resources", replica.node), volume)
            await _make_again(client, volume, replica.node, pool)


async def _pool(client: LinstorClient, volume: str, node: str) -> str:
    resource = await client.get(definition_path(volume, "resources", node), volume)
    pool = (resource.get("props") or {}).get(POOL) or next(
        (found.get("storage_pool_name") for found in resource.get("volumes") or []), ""
    )
    if not pool:
        raise Refused(f"LINSTOR does not tell the storage pool of volume {volume} on {node}.", volume=volume)
    return str(pool)


async def _make_again(client: LinstorClient, volume: str, node: str, pool: str) -> None:
    body = {"resource": {"node_name": node, "props": {POOL: pool}}}
    await client.post(definition_path(volume, "resources", node), body, volume)
    await client.put(definition_path(volume), {"delete_props": [DISCARDING + node]}, volume)
