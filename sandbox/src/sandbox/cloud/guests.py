"""The guests: every running server writes, so that a test can tell which point in time came back, and whose it is.

What a guest writes is one number per volume: its identity times a million million, plus its generation. The identity is
found on the boot volume, so a server recreated elsewhere from a copy is the same guest and counts on from where the
copy was taken; a fresh boot volume gets a new one.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from sandbox.array.errors import ArrayError
from sandbox.clock import Clock
from sandbox.cloud.compute.model import Server
from sandbox.cloud.volume.store import Volumes
from sandbox.history import Note, unwritten

IDENTITY = 10**12


class Content(Protocol):
    """The part of an array that guests use."""

    def write(self, volume: str, generation: int) -> None:
        """A guest writes."""

    def read(self, volume: str) -> int:
        """What the volume holds; 0 for a blank one."""


@dataclass
class Guest:
    """One machine's operating system. `since` is when it last wrote, in the world's seconds.

    `lost_writes` counts writes to volumes that are no longer on the array: a disk pulled from a running machine.
    """

    identity: int
    generation: int
    running: bool
    since: float
    lost_writes: int = 0


class Guests:
    """All guests of one cloud. `identities` is shared by the clouds of a world so that no two guests are the same."""

    def __init__(
        self,
        clock: Clock,
        cinder: Volumes,
        content: Content,
        alive: Callable[[], bool],
        identities: Iterator[int] | None = None,
        interval: float = 0.2,
        note: Note = unwritten,
    ) -> None:
        self._clock = clock
        self._cinder = cinder
        self._content = content
        self._alive = alive
        self._note = note
        self._identities = identities or itertools.count(1)
        self.interval = interval
        self.guests: dict[str, Guest] = {}
        self.consoles: dict[str, str] = {}
        self._servers: dict[str, Server] = {}
        self._timer: asyncio.TimerHandle | None = None

    def run(self) -> None:
        """Write once per interval of real time from now on; `stop` ends it. An advanced clock makes one bigger step."""
        self._timer = asyncio.get_running_loop().call_later(self.interval, self._tick)

    def stop(self) -> None:
        """End the writing."""
        if self._timer is not None:
            self._timer.cancel()

    def _tick(self) -> None:
        self.write_all()
        self.run()

    def write_all(self) -> None:
        """Every running guest writes what it would have written since its last time; none of a lost site does."""
        now, alive = self._clock.now(), self._alive()
        for server_id, guest in self.guests.items():
            if guest.running and alive:
                self._write(self._servers[server_id], guest, max(1, int((now - guest.since) / self.interval)))
            guest.since = now

    def boot(self, server: Server, *, resumed: bool = False) -> None:
        """The guest comes up (or goes on, after a pause) and remembers from its boot volume who it is."""
        guest = self.guests.get(server.id)
        if not resumed or guest is None:
            held = self._boot_content(server)
            identity, generation = divmod(held, IDENTITY)
            guest = Guest(identity or next(self._identities), generation, True, self._clock.now())
            self.guests[server.id] = guest
        guest.running, guest.since = True, self._clock.now()
        self._servers[server.id] = server
        disks = [self._disk(volume_id) for volume_id in server.volume_ids]
        self._tell("started", server, guest, metadata=dict(server.metadata), volumes=disks)

    def halt(self, server: Server, *, clean: bool) -> None:
        """The guest stops; a clean shutdown writes once more first."""
        guest = self.guests.get(server.id)
        if guest is None or not guest.running:
            self._drop_deleted(server)
            return
        if clean and self._alive():
            self._write(server, guest, 1)
        guest.running = False
        self._tell("stopped", server, guest, clean=clean)
        self._drop_deleted(server)

    def _tell(self, event: str, server: Server, guest: Guest, **more: Any) -> None:
        self._note("guest", event, server.id, server.name, identity=guest.identity, generation=guest.generation, **more)

    def _drop_deleted(self, server: Server) -> None:
        if server.task_state == "deleting":
            self.guests.pop(server.id, None)
            self._servers.pop(server.id, None)

    def flush(self, server: Server) -> None:
        """Write what is in memory, as before a disk is taken away."""
        guest = self.guests.get(server.id)
        if guest is not None and guest.running and self._alive():
            self._write(server, guest, 1)

    def _boot_content(self, server: Server) -> int:
        names = self._names(server)
        return self._content.read(names[0]) if names else 0

    def _names(self, server: Server) -> list[str]:
        """The array names of the volumes that are really attached, the boot volume first."""
        volumes = (self._cinder.volumes.get(volume_id) for volume_id in server.volume_ids)
        return [v.provider_id for v in volumes if v is not None and v.provider_id is not None and v.attachments]

    def _write(self, server: Server, guest: Guest, steps: int) -> None:
        guest.generation += steps
        content = guest.identity * IDENTITY + guest.generation
        for name in self._names(server):
            try:
                self._content.write(name, content)
            except ArrayError:
                # The array volume was taken away under the guest: an I/O error only the guest would log.
                guest.lost_writes += 1

    def console(self, server: Server) -> str:
        """What the guest printed: text somebody set by server id or name, or a plain boot."""
        text = self.consoles.get(server.id, self.consoles.get(server.name))
        if text is not None:
            return text
        if server.launched_at is None:
            return ""
        return f"[    0.000000] Linux version 6.1 (sandbox)\n[    1.000000] cloud-init: finished\n\n{server.name} login: \n"

    def report(self) -> list[dict[str, Any]]:
        """One entry per guest with what each of its volumes holds now."""
        return [self._entry(self._servers[server_id], guest) for server_id, guest in self.guests.items()]

    def _entry(self, server: Server, guest: Guest) -> dict[str, Any]:
        return {
            "server_id": server.id,
            "name": server.name,
            "status": server.status,
            "running": guest.running,
            "identity": guest.identity,
            "generation": guest.generation,
            "lost_writes": guest.lost_writes,
            "volumes": [self._disk(volume_id) for volume_id in server.volume_ids],
        }

    def _disk(self, volume_id: str) -> dict[str, Any]:
        volume = self._cinder.volumes.get(volume_id)
        identity, generation = self.held(volume.provider_id if volume is not None else None)
        name = volume.name if volume is not None else None
        return {"volume_id": volume_id, "name": name, "identity": identity, "generation": generation}

    def held(self, provider_id: str | None) -> tuple[int | None, int | None]:
        """(identity, generation) of what an array volume holds; (0, 0) when blank, None twice when it is not there."""
        try:
            return divmod(self._content.read(provider_id), IDENTITY) if provider_id else (None, None)
        except ArrayError:
            return None, None
