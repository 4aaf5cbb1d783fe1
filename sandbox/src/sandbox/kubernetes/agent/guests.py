"""The guests: what runs on a machine, whatever the API server believes, and what has run there."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from sandbox.history import Note, unwritten

BOOTING, RUNNING, ENDED = "booting", "running", "ended"
CRASH, POWEROFF = "crash", "poweroff"
HANG, STICK, SILENCE, RECOVER = "hang", "stick", "silence", "recover"
DEEDS = (CRASH, POWEROFF, HANG, STICK, SILENCE, RECOVER)


@dataclass
class Guest:
    """One run of one VM on one node; `vm` is namespace/name, `uid` that of its VirtualMachineInstance. Times are monotonic seconds.

    hung: ignores shutdown and is killed at the end of its grace period. stuck: cannot even be killed, as a process waiting
    for its disk. silent: its agent does not answer. executes: it may write. `disks` maps a volume to the last generation written.
    """

    vm: str
    uid: str
    pod: str
    node: str
    state: str = BOOTING
    since: float = field(default_factory=time.monotonic)
    stopping: float | None = None
    exit_code: int = 0
    deed: str = ""
    paused: bool = False
    executes: bool = False
    hung: bool = False
    stuck: bool = False
    silent: bool = False
    blocked: str = ""
    disks: dict[str, int] = field(default_factory=dict)

    def do(self, deed: str) -> None:
        """What it does by itself from now on (ValueError for what no guest can do)."""
        if deed not in DEEDS:
            raise ValueError(f"{deed!r} is none of {', '.join(DEEDS)}")
        if deed in (CRASH, POWEROFF):
            self.deed = deed
        elif deed == RECOVER:
            self.hung = self.stuck = self.silent = False
        else:
            setattr(self, {HANG: "hung", STICK: "stuck", SILENCE: "silent"}[deed], True)

    def shutdown_left(self, takes: float, grace: float) -> float:
        """Seconds until it is down, from the first call on; it is killed when its grace period ends."""
        if self.stopping is None:
            self.stopping = time.monotonic()
        seconds = grace if self.ignores_shutdown or takes > grace else takes
        return self.stopping + seconds - time.monotonic()

    @property
    def ignores_shutdown(self) -> bool:
        """A guest whose writes do not come back does not get through its shutdown either."""
        return self.hung or bool(self.blocked)

    def as_json(self) -> dict[str, object]:
        """For the control port."""
        return {
            "uid": self.uid,
            "node": self.node,
            "state": self.state,
            "paused": self.paused,
            "hung": self.hung,
            "stuck": self.stuck,
            "silent": self.silent,
            "blocked": self.blocked,
            "disks": self.disks,
        }


class Guests:
    """All of them by the uid of their instance, so that two copies of one VM are two; and the uids of those that died with their node.

    When each began and ceased to execute is written down with `note`, for checkers: `guest started` and `guest stopped`, with its volumes and
    the generation it had last written to each."""

    def __init__(self, note: Note = unwritten) -> None:
        self.by_uid: dict[str, Guest] = {}
        self.lost: set[str] = set()
        self._note = note

    def begin(self, guest: Guest) -> None:
        """It executes from now on."""
        guest.state, guest.executes = RUNNING, True
        self._note("guest", "started", guest.uid, guest.vm, node=guest.node, disks=dict(guest.disks))

    def cease(self, guest: Guest, why: str) -> None:
        """It executes no more. Said before its disks are closed, so that whoever opens them next is not beside it."""
        if guest.executes:
            self._note("guest", "stopped", guest.uid, guest.vm, node=guest.node, disks=dict(guest.disks), reason=why)
        guest.executes = False

    def of(self, vm: str) -> Iterator[Guest]:
        """Every run of a VM that has not ended; more than one only where something went badly wrong."""
        return (guest for guest in list(self.by_uid.values()) if guest.vm == vm and guest.state != ENDED)

    def on(self, node: str) -> list[Guest]:
        """What a node holds."""
        return [guest for guest in self.by_uid.values() if guest.node == node]

    def running(self) -> list[Guest]:
        """Those that execute: they write."""
        return [guest for guest in self.by_uid.values() if guest.executes and not guest.paused]

    def lose(self, node: str) -> None:
        """The node's power is gone."""
        for guest in self.on(node):
            if guest.state != ENDED:
                self.lost.add(guest.uid)
            self.cease(guest, "power")
            del self.by_uid[guest.uid]
