"""The ground both sites stand on: who reaches whom, what guests have written and where it still lies, which copies run.

Everything that changes a cloud or an array passes `Ground.call`, where a test can set a trap: freeze the sender, lose the answer, cut the link.
What must never happen is noted in `broken` the moment it happens, under the names of the model's properties.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, TypeVar

from model.rules import Property
from siterecovery.protector.domain.errors import CloudUnreachable, ProtectorError
from siterecovery.workflow.step import Fenced
from support.virtual import VirtualClock

T = TypeVar("T")
Apply = Callable[[], Any]
Action = Callable[[Apply], Any]

A, B = "id-a", "id-b"


@dataclasses.dataclass
class Guest:
    """A server with what matters of it; `home` is its site."""

    id: str
    name: str
    home: str
    volume_ids: tuple[str, ...]
    status: str = "ACTIVE"
    locked: bool = False
    reason: str | None = None
    metadata: dict[str, str] = dataclasses.field(default_factory=dict)

    @property
    def epoch(self) -> int:
        return int(self.metadata.get("protector:epoch", "0"))


@dataclasses.dataclass
class Disk:
    """A Cinder volume; its content lies on the array, under `array_id`."""

    id: str
    name: str
    home: str
    array_id: str
    size: int = 10
    status: str = "available"
    bootable: bool = True
    metadata: dict[str, str] = dataclasses.field(default_factory=dict)
    attached: str | None = None


@dataclasses.dataclass
class Trap:
    verb: str
    site: str
    action: Action
    skip: int = 0


class Ground:
    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.up = {A: True, B: True}
        self.link = True
        self.guests: dict[str, Guest] = {}
        self.disks: dict[str, Disk] = {}
        self.content: dict[str, frozenset[str]] = {}
        """Array volume id → the writes it holds; what is destroyed is not in it any more."""
        self.points: dict[tuple[str, str], dict[str, frozenset[str]]] = {}
        """(array group, source site) → member → the content of the newest snapshot that has arrived."""
        self.written: frozenset[str] = frozenset()
        self.broken: list[tuple[Property, str]] = []
        self.traps: list[Trap] = []
        self.late: list[tuple[str, Apply]] = []
        self.log: list[str] = []
        self._number = 0

    # ------------------------------------------------------------------------------------------------ calls

    def new_id(self, kind: str) -> str:
        self._number += 1
        return f"{self._number:08x}-0000-4000-8000-{kind.encode().hex()[:12]:0>12}"

    @property
    def connected(self) -> bool:
        return self.link and self.up[A] and self.up[B]

    def reaches(self, sender: str, site: str) -> bool:
        return self.up[sender] and self.up[site] and (sender == site or self.link)

    def look(self, sender: str, site: str) -> None:
        """A dead site's engine does nothing more; a site out of reach does not answer."""
        if not self.up[sender]:
            raise Fenced(f"{sender} is dead")
        if not self.reaches(sender, site):
            raise CloudUnreachable(f"{site} does not answer.")

    def call(self, sender: str, site: str, verb: str, apply: Callable[[], T]) -> T:
        self.look(sender, site)
        trap = next((trap for trap in self.traps if (trap.verb, trap.site) == (verb, site)), None)
        if trap is not None and trap.skip:
            trap.skip -= 1
            trap = None
        if trap is None:
            self.log.append(f"{self.clock.time:.0f} {sender}: {verb} at {site}")
            return apply()
        self.traps.remove(trap)
        self.log.append(f"{self.clock.time:.0f} {sender}: {verb} at {site}, trapped")
        found: T = trap.action(apply)
        return found

    def trap(self, verb: str, site: str, action: Action, *, skip: int = 0) -> None:
        """The next such call at that site (after `skip` of them) is handed to `action`, which may apply it."""
        self.traps.append(Trap(verb, site, action, skip))

    def freeze(self, apply: Apply) -> Any:
        """The sender freezes with the call on its way: it arrives later, when nobody asks any more."""
        self.late.append(("late", apply))
        raise Fenced("frozen")

    def lose(self, apply: Apply) -> Any:
        """Applied; the answer is lost and the sender freezes."""
        apply()
        raise Fenced("frozen after the call")

    def cut(self, apply: Apply) -> Any:
        """The link is cut before the call arrives."""
        self.link = False
        raise CloudUnreachable("The link was cut.")

    def arrive(self) -> None:
        """All late calls arrive, whoever is active by now. Clouds refuse what they refuse."""
        late, self.late = self.late, []
        for _, apply in late:
            self.log.append(f"{self.clock.time:.0f} a late call arrives")
            try:
                with self.lately():
                    apply()
            except ProtectorError as refused:
                self.log.append(f"  refused: {refused.detail}")

    def lately(self) -> "_Lately":
        return _Lately(self)

    late_now = False

    # ------------------------------------------------------------------------------------------------ what is seen

    def running(self, name: str | None = None) -> list[Guest]:
        return [
            guest
            for guest in self.guests.values()
            if guest.status == "ACTIVE" and self.up[guest.home] and name in (None, guest.name)
        ]

    def started(self, guest: Guest) -> None:
        """Called for every start of a server, by whomever."""
        others = [other for other in self.running(guest.name) if other.id != guest.id]
        for other in others:
            told = (
                f"{guest.id} ({guest.home}, epoch {guest.epoch}) beside {other.id} ({other.home}, epoch {other.epoch})"
            )
            if other.epoch == guest.epoch:
                self.broken.append((Property.TWO_IN_ONE_EPOCH, told))
            if self.connected or other.home == guest.home:
                self.broken.append((Property.LATE_SECOND if self.late_now else Property.SECOND_START, told))

    def write(self, site: str, what: str) -> None:
        """The guest that runs there writes."""
        (guest,) = [guest for guest in self.running() if guest.home == site]
        self.written |= {what}
        for id in guest.volume_ids:
            array_id = self.disks[id].array_id
            self.content[array_id] = self.content[array_id] | {what}

    def holds(self, guest: Guest) -> frozenset[str]:
        return self.content.get(self.disks[guest.volume_ids[0]].array_id, frozenset())

    def lost(self, array_id: str) -> None:
        """A volume's content is gone from its array."""
        self.content.pop(array_id, None)
        self.count()

    def count(self) -> None:
        """Whether every write still lies somewhere: on a volume, or in the newest snapshot that has arrived."""
        left: frozenset[str] = frozenset().union(*self.content.values())
        for members in self.points.values():
            left = left.union(*members.values())
        if self.written - left:
            self.broken.append((Property.LAST_CONTENT, f"nowhere any more: {sorted(self.written - left)}"))


class _Lately:
    """What starts inside was started by a late call or by a tenant."""

    def __init__(self, ground: Ground) -> None:
        self.ground = ground

    def __enter__(self) -> None:
        self.ground.late_now = True

    def __exit__(self, *_: object) -> None:
        self.ground.late_now = False
