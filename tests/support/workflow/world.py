"""The world that the steps act on: things that anyone can create twice, a register that is committed or revoked, and a wire."""

import asyncio
import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from siterecovery.workflow.step import Unsettled

BOOT, DYING = 2.0, 1.5
"""Seconds until a created thing is ready, and until a deleted one is gone."""


class OnTheWire(Exception):
    """The caller sent its change and will not hear of it soon; the change comes about by itself."""


@dataclasses.dataclass
class Thing:
    """`key` says who made it; a thing may be made any number of times."""

    id: str
    key: str
    ready_at: float
    gone_at: float | None = None
    late: bool = False
    """No look-up could find it in time: it was on the wire."""


class World:
    """`wire`: None, or how late (seconds) the next change arrives. `complain` is told of what nobody may do."""

    def __init__(self, complain: Callable[[str], None]) -> None:
        self.complain = complain
        self.things: dict[str, Thing] = {}
        self.register = "open"
        self.wire: float | None = None
        self.actor = ""
        self.story: list[str] = []
        self._count = 0

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    def tell(self, line: str) -> None:
        self.story.append(f"{self.now():8.1f} {line}")

    def change(self, what: str, apply: Callable[[], Any]) -> Any:
        """A call that changes something: now, or as late as the wire says."""
        actor = self.actor
        if self.wire is None:
            self.tell(f"{actor}: {what}")
            return apply()
        delay, self.wire = self.wire, None

        def arrive() -> None:
            self.tell(f"{actor}: {what} (arrives late)")
            apply()

        self.tell(f"{actor}: {what} (sent)")
        asyncio.get_running_loop().call_later(delay, arrive)
        raise OnTheWire

    def create(self, key: str) -> str:
        late = self.wire is not None

        def apply() -> str:
            if not late and any(thing.gone_at is None and not thing.late for thing in self.present(key)):
                self.complain(f"{key} is created again while it is there")
            self._count += 1
            id = f"#{self._count}"
            self.things[id] = Thing(id, key, self.now() + BOOT, late=late)
            return id

        return str(self.change(f"create {key}", apply))

    def delete(self, id: str) -> None:
        def apply() -> None:
            thing = self.things.get(id)
            if thing is not None and thing.gone_at is None:
                thing.gone_at = self.now() + DYING

        self.change(f"delete {id}", apply)

    def settle_register(self, wanted: str) -> str:
        """Compare and swap: the first one wins. Answers what it is now."""

        def apply() -> str:
            if self.register == "open":
                self.register = wanted
            return self.register

        return str(self.change(f"register {wanted}", apply))

    def present(self, key: str) -> list[Thing]:
        """Those that are there or still going, oldest first."""
        return [thing for thing in self.all() if thing.key == key]

    def all(self) -> list[Thing]:
        now = self.now()
        return [thing for thing in self.things.values() if thing.gone_at is None or thing.gone_at > now]


@dataclasses.dataclass(frozen=True)
class Things:
    """The topic: one list for everybody."""

    world: World
    key: str = "things"

    def read(self, subjects: frozenset[str]) -> Mapping[str, str]:
        now = self.world.now()
        return {
            thing.id: "DELETING" if thing.gone_at is not None else "READY" if now >= thing.ready_at else "BUILD"
            for thing in self.world.all()
            if thing.id in subjects
        }


def unanswered() -> Unsettled:
    return Unsettled("no answer came")
