"""The promise of `storage.base`, kept by DRBD Operators: what is wanted is written into DRBDVolume objects, what is true is read from their status.

Each cluster has options of its own, so quorum is switched off on the target alone; a source that nobody reaches stays fenced.
"""

import asyncio
import datetime
from collections.abc import Awaitable, Callable, Mapping, Sequence

from siterecovery.kubevirt.domain.resources import Object
from siterecovery.kubevirt.storage import judging
from siterecovery.kubevirt.storage.base import (
    Copy,
    Forced,
    NewVolume,
    NoSuchVolume,
    NotPromotable,
    Readiness,
    Reason,
    Release,
    Restored,
    SplitBrain,
    Sync,
    Unknown,
    Unreachable,
)
from siterecovery.kubevirt.storage.drbd_operator import copies, discarding, provisioning, reading
from siterecovery.kubevirt.storage.drbd_operator.objects import QUORUM_BEFORE, Volumes, annotation
from siterecovery.kubevirt.storage.states import VolumeState

_SPEC = "quorum"


def _utc() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


class DrbdOperatorStorage:
    name = "drbd-operator"

    def __init__(
        self,
        clusters: Sequence[Volumes],
        *,
        stale: float = 120.0,
        patience: float = 30.0,
        now: Callable[[], datetime.datetime] = _utc,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`stale`: seconds without a report after which an operator counts as dead. `patience`: seconds to wait for an operator in `discard`."""
        self._clusters = {volumes.cluster: volumes for volumes in clusters}
        self._stale = stale
        self._patience = patience
        self._now = now
        self._sleep = sleep

    async def seen(self) -> dict[str, Mapping[str, Object] | None]:
        """Every cluster's objects; None for who does not answer. Unreachable when nobody does."""
        found = await asyncio.gather(*(volumes.read() for volumes in self._clusters.values()), return_exceptions=True)
        failures: list[Unknown] = []
        seen: dict[str, Mapping[str, Object] | None] = {}
        for cluster, answer in zip(self._clusters, found, strict=True):
            if isinstance(answer, Unknown):
                failures.append(answer)
                seen[cluster] = None
            elif isinstance(answer, BaseException):
                raise answer
            else:
                seen[cluster] = answer
        if len(failures) == len(seen):
            raise Unreachable("No cluster answers. " + " ".join(str(failure) for failure in failures))
        return seen

    async def states(self, volumes: Sequence[str]) -> Mapping[str, VolumeState]:
        seen = await self.seen()
        return {name: reading.volume_state(name, seen, self._now(), self._stale) for name in volumes}

    async def release(self, volumes: Sequence[str], cluster: str) -> Release:
        return judging.release(await self.states(volumes), cluster)

    async def ready_to_promote(self, volumes: Sequence[str], cluster: str, *, forced: bool = False) -> Readiness:
        return judging.readiness(await self.states(volumes), cluster, blind=forced, quorum=not forced)

    async def promote(self, volumes: Sequence[str], cluster: str, *, forced: bool = False) -> None:
        found = judging.readiness(await self.states(volumes), cluster, blind=forced)
        if not found.ready:
            raise NotPromotable(found.reasons)

    async def prepare_forced(self, volumes: Sequence[str], cluster: str) -> tuple[Forced, ...]:
        """The operator of the target applies it soon after: ask `promote` until it agrees."""
        objects = await self._local(cluster)
        states = await self.states(volumes)
        found = judging.readiness(states, cluster, blind=True, quorum=False)
        if not found.ready:
            raise NotPromotable(found.reasons)
        forced = []
        for state in states.values():
            if state.forced or judging.needs_force(state, cluster):
                forced.append(await self._switch_off(cluster, objects, state.volume))
        return tuple(forced)

    async def restore_quorum(self, volumes: Sequence[str]) -> Restored:
        seen = await self.seen()
        states = {name: reading.volume_state(name, seen, self._now(), self._stale) for name in volumes}
        silent = ", ".join(cluster for cluster, objects in seen.items() if objects is None)
        waiting = [reason for state in states.values() if (reason := _hindrance(state, silent))]
        late = {reason.volume for reason in waiting}
        ready = tuple(volume for volume in states if volume not in late)
        for cluster, objects in seen.items():
            for volume in ready:
                if objects is not None and volume in objects:
                    await self._restore(cluster, objects[volume])
        return Restored(ready, tuple(waiting))

    async def split_brains(self, volumes: Sequence[str]) -> tuple[SplitBrain, ...]:
        return judging.split_brains(await self.states(volumes))

    async def sync(self, volumes: Sequence[str], cluster: str) -> Sync:
        return judging.sync(await self.states(volumes), cluster)

    async def discard(self, volume: str, cluster: str, *, confirmed: bool) -> None:
        await discarding.discard(
            self, self._clusters[cluster], volume, confirmed=confirmed, patience=self._patience, sleep=self._sleep
        )

    async def copy(self, handles: Mapping[str, str], cluster: str) -> tuple[Copy, ...]:
        """An object cannot ask for one instant over several volumes: each copy is whole by itself, as a guest's disk after a power failure."""
        return await copies.make(self._clusters[cluster], await self.states([*handles]), handles)

    async def remove_copy(self, handle: str) -> None:
        seen = await self.seen()
        for cluster, objects in seen.items():
            if objects is not None and handle in objects:
                await copies.remove(self._clusters[cluster], objects[handle])
        if None in seen.values():
            silent = ", ".join(cluster for cluster, objects in seen.items() if objects is None)
            raise Unreachable(
                f"{silent} does not answer: nobody knows whether copy {handle} is still there.", volume=handle
            )

    async def create(self, volume: NewVolume) -> None:
        await provisioning.create(self._clusters, await self.seen(), volume)

    async def remove(self, volume: str) -> None:
        await provisioning.remove(self._clusters, await self.seen(), (await self.states([volume]))[volume])

    async def close(self) -> None:
        """The clusters belong to whoever gave them."""

    async def _local(self, cluster: str) -> Mapping[str, Object]:
        return await self._clusters[cluster].read()

    async def _switch_off(self, cluster: str, objects: Mapping[str, Object], volume: str) -> Forced:
        if volume not in objects:
            raise NoSuchVolume(f"There is no DRBDVolume {volume} in {cluster}.", volume=volume)
        found = objects[volume]
        before = annotation(found, QUORUM_BEFORE) or str(found["spec"].get(_SPEC, "majority"))
        if annotation(found, QUORUM_BEFORE) is None or found["spec"].get(_SPEC) != "off":
            await self._clusters[cluster].change(found, spec={_SPEC: "off"}, annotations={QUORUM_BEFORE: before})
        return Forced(volume, {_SPEC: before})

    async def _restore(self, cluster: str, found: Object) -> None:
        """Also a discard that was cut short ends here: it must not be there at the next split brain."""
        before = annotation(found, QUORUM_BEFORE)
        spec: dict[str, str | bool] = {} if before is None else {_SPEC: before}
        if found["spec"].get("discardMyData"):
            spec["discardMyData"] = False
        if spec:
            await self._clusters[cluster].change(found, spec=spec, annotations={QUORUM_BEFORE: None})


def _hindrance(state: VolumeState, silent: str) -> Reason | None:
    """Why this volume's quorum cannot be restored yet. What a silent cluster's object says is not known, not even whether it was forced."""
    if silent:
        return Reason(
            state.volume,
            "ClusterUnknown",
            f"{silent} does not answer: what volume {state.volume} is set to there is not known.",
            unknown=True,
        )
    return judging.unrestorable(state)
