"""Copies for a test failover: a DRBDVolume of its own on the target, made from its replica of the volume; replication goes on."""

from collections.abc import Mapping

from siterecovery.kubevirt.domain.resources import Object
from siterecovery.kubevirt.storage.base import Copy, Exists, InUse, NotPromotable, Reason, Refused
from siterecovery.kubevirt.storage.drbd_operator.objects import COPY_OF, Volumes, annotation, handle_of
from siterecovery.kubevirt.storage.states import Disk, VolumeState


async def make(volumes: Volumes, states: Mapping[str, VolumeState], handles: Mapping[str, str]) -> tuple[Copy, ...]:
    present = await volumes.read()
    for volume, handle in handles.items():
        if handle in present and annotation(present[handle], COPY_OF) != volume:
            raise Exists(
                f"There is another volume {handle} in {volumes.cluster}.",
                remedy="Choose another name for the copy.",
                volume=handle,
            )
    return tuple([await _one(volumes, present, states[volume], handle) for volume, handle in handles.items()])


async def remove(volumes: Volumes, found: Object) -> None:
    handle = handle_of(found)
    if annotation(found, COPY_OF) is None:
        raise Refused(f"Volume {handle} is no copy of ours: it stays.", volume=handle)
    if (found.get("status") or {}).get("inUse"):
        raise InUse(f"Copy {handle} is in use in {volumes.cluster}.", remedy="Stop the test's VM first.", volume=handle)
    await volumes.delete(found)


async def _one(volumes: Volumes, present: Mapping[str, Object], state: VolumeState, handle: str) -> Copy:
    if handle in present:
        return Copy(state.volume, handle, str(present[handle]["spec"]["replicas"][0]["node"]))
    cluster = volumes.cluster
    good = [replica.node for replica in state.on(cluster) if replica.diskful and replica.disk is Disk.UP_TO_DATE]
    source = present.get(state.volume)
    if not good or source is None:
        message = f"Volume {state.volume} has no UpToDate replica in {cluster} to copy."
        raise NotPromotable([Reason(state.volume, "NotUpToDate", message, unknown=state.side(cluster).unknown)])
    spec = {
        "size": source["spec"]["size"],
        "volumeHandle": handle,
        "sourceSnapshot": f"{state.volume}@{handle}",
        "replicas": [{"cluster": cluster, "node": good[0]}],
        "quorum": "off",
    }
    await volumes.create(handle, spec, {COPY_OF: state.volume})
    return Copy(state.volume, handle, good[0])
