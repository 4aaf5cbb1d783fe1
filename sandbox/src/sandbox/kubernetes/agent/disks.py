"""The door to replicated disks: a guest's host opens a device before the guest runs, and closes it after.

POST {storage}/devices/{cluster}/{node}/{volume}/open    200 {"generation": n} | 409 {"reason": ...} | 404 an ordinary disk
POST .../write                                           200 {"generation": n} | 409 {"reason": ...}
POST .../close
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from urllib.parse import quote

import aiohttp

from sandbox.kubernetes.agent.guests import Guest
from sandbox.kubernetes.agent.scheduling import claim_names
from sandbox.kubernetes.client import Object

_log = logging.getLogger(__name__)
_TIMEOUT = aiohttp.ClientTimeout(total=10)


class DiskRefused(Exception):
    """The storage says no; the message is its reason."""


class Disks:
    """Opens, writes and closes what a guest uses. Without a storage world, and for volumes it does not know, disks are ordinary."""

    def __init__(self, storage: str, cluster: str) -> None:
        self._storage, self._cluster = storage, quote(cluster)
        self._root = f"{storage}/devices/{self._cluster}" if storage else ""
        self._session = aiohttp.ClientSession(timeout=_TIMEOUT)

    async def close_session(self) -> None:
        """Give the connections back."""
        await self._session.close()

    async def open(self, guest: Guest, volumes: list[str]) -> None:
        """All or none (DiskRefused, or an aiohttp.ClientError when the storage world itself does not answer)."""
        if not self._root:
            return
        try:
            for volume in volumes:
                if volume not in guest.disks:
                    generation = await self._post(guest.node, volume, "open")
                    if generation is not None:
                        guest.disks[volume] = generation
        except (DiskRefused, aiohttp.ClientError, TimeoutError):
            await self.close(guest)
            raise

    async def write(self, guest: Guest) -> None:
        """One write to each disk; what keeps it from being written is `guest.blocked` until a later one gets through."""
        blocked = ""
        for volume in guest.disks:
            try:
                generation = await self._post(guest.node, volume, "write")
            except (DiskRefused, aiohttp.ClientError, TimeoutError) as error:
                blocked = f"{volume}: {str(error) or 'the storage does not answer'}"
                continue
            if generation is not None:
                guest.disks[volume] = generation
        if blocked != guest.blocked:
            _log.info("guest %s on %s: %s", guest.vm, guest.node, blocked or "writes again")
        guest.blocked = blocked

    async def close(self, guest: Guest) -> None:
        """What the guest's host does when the guest has ended. A storage that does not answer then has lost the opener anyway."""
        while guest.disks:
            volume, _ = guest.disks.popitem()
            try:
                await self._post(guest.node, volume, "close")
            except (DiskRefused, aiohttp.ClientError, TimeoutError) as error:
                _log.warning("%s on %s was not closed: %s", volume, guest.node, error)

    async def power(self, node: str, *, on: bool) -> None:
        """A machine's disks go down and come back with it; an empty name is the whole site (an aiohttp.ClientError when nobody answers)."""
        if not self._storage:
            return
        place = f"targets/{self._cluster}/{quote(node)}" if node else f"sites/{self._cluster}"
        async with self._session.post(f"{self._storage}/{place}/{'up' if on else 'down'}") as answer:
            answer.raise_for_status()

    async def _post(self, node: str, volume: str, verb: str) -> int | None:
        """The generation, None for a volume that is not replicated."""
        async with self._session.post(f"{self._root}/{quote(node)}/{quote(volume, safe='')}/{verb}") as answer:
            if answer.status == 404:
                return None
            told = await answer.json() if answer.content_type == "application/json" else {}
            if answer.status >= 400:
                raise DiskRefused(str(told.get("reason") or f"{verb} was answered with {answer.status}"))
            return int(told.get("generation", 0))


def handles(instance: Object, claims: Mapping[str, Object], volumes: Mapping[str, Object]) -> list[str]:
    """The volumeHandles of the PersistentVolumes behind an instance's claims, in order."""
    found = []
    for name in claim_names(instance["spec"]):
        claim = claims.get(f"{instance['metadata']['namespace']}/{name}", {})
        volume = volumes.get(claim.get("spec", {}).get("volumeName", ""), {})
        handle = (volume.get("spec", {}).get("csi") or {}).get("volumeHandle")
        if handle:
            found.append(str(handle))
    return found
