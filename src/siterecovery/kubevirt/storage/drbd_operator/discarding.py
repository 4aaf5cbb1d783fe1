"""Giving up one side of a split brain: a wish in that side's object, taken back as soon as the operator has acted on it."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

from siterecovery.kubevirt.storage.base import NoSuchVolume, Silent
from siterecovery.kubevirt.storage.discarding import allow
from siterecovery.kubevirt.storage.drbd_operator.objects import Volumes
from siterecovery.kubevirt.storage.states import Connection, VolumeState

_PAUSE = 1.0


class _Asks(Protocol):
    async def states(self, volumes: Sequence[str]) -> Mapping[str, VolumeState]: ...


async def discard(
    asks: _Asks,
    volumes: Volumes,
    volume: str,
    *,
    confirmed: bool,
    patience: float,
    sleep: Callable[[float], Awaitable[None]],
) -> None:
    """`discardMyData` left standing would give up data at the next split brain too, with nobody's consent: it is taken back in any case."""
    allow((await asks.states([volume]))[volume], volumes.cluster, confirmed)
    await _wish(volumes, volume, True)
    try:
        for _ in range(int(patience / _PAUSE) + 1):
            side = (await asks.states([volume]))[volume].side(volumes.cluster)
            if side.connection is not Connection.STAND_ALONE:
                return
            await sleep(_PAUSE)
        raise Silent(
            f"The DRBD Operator of {volumes.cluster} has not discarded volume {volume} within {patience:.0f} s.",
            volume=volume,
        )
    finally:
        await _wish(volumes, volume, False)


async def _wish(volumes: Volumes, volume: str, wanted: bool) -> None:
    found = (await volumes.read()).get(volume)
    if found is None:
        raise NoSuchVolume(f"There is no DRBDVolume {volume} in {volumes.cluster}.", volume=volume)
    if bool(found["spec"].get("discardMyData")) != wanted:
        await volumes.change(found, spec={"discardMyData": wanted})
