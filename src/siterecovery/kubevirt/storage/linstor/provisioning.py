"""Volumes made and removed. Everything is looked up first, so that a creation that was cut short is completed by the next one."""

from typing import Any

from siterecovery.kubevirt.storage.base import Exists, NewVolume, NoSuchVolume
from siterecovery.kubevirt.storage.linstor.client import LinstorClient
from siterecovery.kubevirt.storage.linstor.marks import ON_NO_QUORUM, POOL, QUORUM
from siterecovery.kubevirt.storage.linstor.paths import definition_path


async def definition(client: LinstorClient, volume: str) -> dict[str, Any] | None:
    found = await client.get(
        "/v1/resource-definitions", volume, {"resource_definitions": [volume], "with_volume_definitions": "true"}
    )
    return next((dict(each) for each in found if each["name"].lower() == volume.lower()), None)


async def create(client: LinstorClient, volume: NewVolume) -> None:
    """Quorum `majority` is left to LINSTOR's automatic, which also adds the tiebreaker; only `off` is set by hand."""
    handle, size_kib = volume.handle, -(-volume.size_bytes // 1024)
    found = await definition(client, handle)
    if found is None:
        props = {ON_NO_QUORUM: volume.on_no_quorum} | ({QUORUM: "off"} if volume.quorum == "off" else {})
        wanted = {"name": handle, "props": props} | ({"resource_group_name": volume.group} if volume.group else {})
        await client.post("/v1/resource-definitions", {"resource_definition": wanted}, handle)
        found = {}
    sizes = [int(each["size_kib"]) for each in found.get("volume_definitions") or []]
    if sizes and sizes != [size_kib]:
        raise Exists(
            f"LINSTOR has another volume {handle}, of {sum(sizes)} KiB instead of {size_kib}.",
            remedy="Choose another name.",
            volume=handle,
        )
    if not sizes:
        await client.post(
            definition_path(handle, "volume-definitions"), {"volume_definition": {"size_kib": size_kib}}, handle
        )
    await _place(client, volume)


async def _place(client: LinstorClient, volume: NewVolume) -> None:
    present = await client.get("/v1/view/resources", volume.handle, {"resources": [volume.handle]})
    placed = {each["node_name"]: set(each.get("flags") or []) for each in present}
    for place in volume.places:
        tiebreaker = "TIE_BREAKER" in placed.get(place.node, ())
        if place.node in placed and not (tiebreaker and place.diskful):
            continue
        resource: dict[str, Any] = {"node_name": place.node, "flags": [] if place.diskful else ["DRBD_DISKLESS"]}
        if place.pool and place.diskful:
            resource["props"] = {POOL: place.pool}
        await client.post(
            definition_path(volume.handle, "resources", place.node), {"resource": resource}, volume.handle
        )


async def remove(client: LinstorClient, volume: str) -> None:
    """LINSTOR refuses it while it is in use, or has snapshots."""
    try:
        await client.delete(definition_path(volume), volume)
    except NoSuchVolume:
        return
