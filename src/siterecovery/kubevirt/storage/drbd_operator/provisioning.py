"""Volumes made and removed, on every cluster that has a replica of them; looked up first, so that what was cut short is completed."""

from collections.abc import Mapping
from typing import Any

from siterecovery.kubevirt.domain.resources import Object
from siterecovery.kubevirt.storage.base import Exists, InUse, NewVolume, Silent, Unreachable
from siterecovery.kubevirt.storage.drbd_operator.objects import Volumes
from siterecovery.kubevirt.storage.states import VolumeState

Seen = Mapping[str, Mapping[str, Object] | None]


async def create(clusters: Mapping[str, Volumes], seen: Seen, volume: NewVolume) -> None:
    """The cluster whose claim has the content is made first: the others are filled from it."""
    wanted = {place.cluster for place in volume.places}
    for cluster in sorted(wanted, key=lambda name: name != volume.content_of):
        present = seen.get(cluster)
        if present is None:
            raise Unreachable(
                f"{cluster} does not answer: volume {volume.handle} cannot be made there.", volume=volume.handle
            )
        spec = _spec(volume, cluster)
        if volume.handle not in present:
            await clusters[cluster].create(volume.handle, spec, {})
        elif any(present[volume.handle]["spec"].get(key) != spec[key] for key in ("size", "replicas")):
            raise Exists(
                f"There is another volume {volume.handle} in {cluster}.",
                remedy="Choose another name.",
                volume=volume.handle,
            )


async def remove(clusters: Mapping[str, Volumes], seen: Seen, state: VolumeState) -> None:
    """Only where everybody can tell that it is not open. A cluster that answers and has no object of it (any more) has no replica either:
    the operator's finalizer keeps the object as long as there is one."""
    used = state.used_on()
    if used:
        raise InUse(
            f"Volume {state.volume} is in use on {', '.join(used)}.", remedy="Stop its VM first.", volume=state.volume
        )
    there = [cluster for cluster, present in seen.items() if present is None or state.volume in present]
    silent = [replica.node for replica in state.replicas if not replica.answers and replica.cluster in there]
    if silent:
        raise Silent(
            f"Nobody can tell whether volume {state.volume} is in use on {', '.join(silent)}.", volume=state.volume
        )
    for cluster, present in seen.items():
        if present is not None and state.volume in present:
            await clusters[cluster].delete(present[state.volume])


def _spec(volume: NewVolume, cluster: str) -> dict[str, Any]:
    local = next((place.pool for place in volume.places if place.cluster == cluster and place.pool), "")
    claim = {"claim": volume.claim} if volume.claim and cluster == volume.content_of else {}
    return {
        "size": _quantity(volume.size_bytes),
        "volumeHandle": volume.handle,
        "replicas": [
            {"cluster": place.cluster, "node": place.node} | ({} if place.diskful else {"diskless": True})
            for place in volume.places
        ],
        "quorum": volume.quorum,
        "onNoQuorum": volume.on_no_quorum,
        **volume.told,
        **claim,
        **({"storageClass": local} if local else {}),
    }


def _quantity(size: int) -> str:
    """In KiB, rounded up."""
    return f"{-(-size // 1024)}Ki"
