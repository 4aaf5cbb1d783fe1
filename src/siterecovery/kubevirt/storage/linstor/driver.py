"""The promise of `storage.base`, kept by LINSTOR."""

import asyncio
from collections.abc import Mapping, Sequence

import httpx

from siterecovery.kubevirt.storage import judging
from siterecovery.kubevirt.storage.base import (
    Copy,
    Forced,
    NewVolume,
    NotPromotable,
    Readiness,
    Release,
    Restored,
    SplitBrain,
    Sync,
)
from siterecovery.kubevirt.storage.linstor import copies, discarding, provisioning, quorum, reading
from siterecovery.kubevirt.storage.linstor.client import LinstorClient
from siterecovery.kubevirt.storage.linstor.settings import LinstorSettings
from siterecovery.kubevirt.storage.states import VolumeState

_FILTERED = 40
"""Up to so many volumes are asked for by name; with more the whole list is shorter than the URL."""

_IN_A_ROW = 500
"""Volumes that are looked at before others in the event loop have their turn; one takes about 0.14 ms."""


class LinstorStorage:
    name = "linstor"

    def __init__(self, settings: LinstorSettings, transport: httpx.AsyncBaseTransport | None = None) -> None:
        """`transport` is for tests. Made where an event loop runs."""
        self._settings = settings
        self._client = LinstorClient(settings, transport)

    async def states(self, volumes: Sequence[str]) -> Mapping[str, VolumeState]:
        few = len(volumes) <= _FILTERED
        nodes, resources, definitions = await asyncio.gather(
            self._client.get("/v1/nodes"),
            self._client.get("/v1/view/resources", query={"resources": list(volumes)} if few else None),
            self._client.get(
                "/v1/resource-definitions", query={"resource_definitions": list(volumes)} if few else None
            ),
        )
        clusters, answering = reading.clusters_of(nodes, self._settings), reading.online(nodes)
        known = {definition["name"].lower(): definition for definition in definitions}
        replicas: dict[str, list[reading.Json]] = {}
        for resource in resources:
            replicas.setdefault(resource["name"].lower(), []).append(resource)
        found = {}
        for index, name in enumerate(volumes):
            if index % _IN_A_ROW == 0:
                await asyncio.sleep(0)
            key = name.lower()
            found[name] = reading.volume_state(name, known.get(key), replicas.get(key, ()), clusters, answering)
        return found

    async def release(self, volumes: Sequence[str], cluster: str) -> Release:
        return judging.release(await self.states(volumes), cluster)

    async def ready_to_promote(self, volumes: Sequence[str], cluster: str, *, forced: bool = False) -> Readiness:
        return judging.readiness(await self.states(volumes), cluster, blind=forced, quorum=not forced)

    async def promote(self, volumes: Sequence[str], cluster: str, *, forced: bool = False) -> None:
        """LINSTOR has nothing to call: the guest's host opens the device."""
        found = judging.readiness(await self.states(volumes), cluster, blind=forced)
        if not found.ready:
            raise NotPromotable(found.reasons)

    async def prepare_forced(self, volumes: Sequence[str], cluster: str) -> tuple[Forced, ...]:
        states = await self.states(volumes)
        found = judging.readiness(states, cluster, blind=True, quorum=False)
        if not found.ready:
            raise NotPromotable(found.reasons)
        wanted = [state.volume for state in states.values() if state.forced or judging.needs_force(state, cluster)]
        return tuple(await asyncio.gather(*(quorum.switch_off(self._client, volume) for volume in wanted)))

    async def restore_quorum(self, volumes: Sequence[str]) -> Restored:
        states = await self.states(volumes)
        waiting = [reason for state in states.values() if (reason := judging.unrestorable(state))]
        late = {reason.volume for reason in waiting}
        ready = [state.volume for state in states.values() if state.volume not in late]
        await asyncio.gather(*(quorum.restore(self._client, volume) for volume in ready if states[volume].forced))
        return Restored(tuple(ready), tuple(waiting))

    async def split_brains(self, volumes: Sequence[str]) -> tuple[SplitBrain, ...]:
        return judging.split_brains(await self.states(volumes))

    async def sync(self, volumes: Sequence[str], cluster: str) -> Sync:
        return judging.sync(await self.states(volumes), cluster)

    async def discard(self, volume: str, cluster: str, *, confirmed: bool) -> None:
        await discarding.discard(self._client, (await self.states([volume]))[volume], cluster, confirmed=confirmed)

    async def copy(self, handles: Mapping[str, str], cluster: str) -> tuple[Copy, ...]:
        return await copies.make(self._client, await self.states([*handles]), handles, cluster)

    async def remove_copy(self, handle: str) -> None:
        await copies.remove(self._client, handle)

    async def create(self, volume: NewVolume) -> None:
        await provisioning.create(self._client, volume)

    async def remove(self, volume: str) -> None:
        await provisioning.remove(self._client, volume)

    async def close(self) -> None:
        await self._client.close()
