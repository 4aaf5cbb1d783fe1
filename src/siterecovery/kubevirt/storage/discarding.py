"""When one side's data may be given up. The same for every backend."""

from siterecovery.kubevirt.storage.base import InUse, NoSuchVolume, Refused, Silent
from siterecovery.kubevirt.storage.states import Disk, VolumeState


def allow(state: VolumeState, cluster: str, confirmed: bool) -> None:
    """Raises unless somebody has confirmed it, the side is certainly not in use, and there is something to fill it from."""
    volume, side = state.volume, state.side(cluster)
    if not state.exists:
        raise NoSuchVolume(f"There is no volume {volume} in the storage.", volume=volume)
    if not confirmed:
        raise Refused(
            f"Discarding what {cluster} has written to volume {volume} loses it for good.",
            remedy="Confirm it, after somebody has looked at both sides.",
            volume=volume,
        )
    if side.in_use:
        raise InUse(f"Volume {volume} is in use in {cluster}.", remedy="Stop its VM there first.", volume=volume)
    if side.unknown:
        silent = ", ".join(side.silent) or "none of its nodes is known, each"
        raise Silent(
            f"Nobody can tell whether volume {volume} is in use in {cluster}: {silent} does not answer.", volume=volume
        )
    if not any(replica.disk is Disk.UP_TO_DATE for replica in state.disks() if replica.cluster != cluster):
        raise Refused(
            f"No other cluster has an UpToDate replica of volume {volume}: there is nothing to fill {cluster} from.",
            volume=volume,
        )
