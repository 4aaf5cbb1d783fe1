"""What happened in a world, in order and for good: created, started, stopped, deleted.

States tell what is; only a history tells what must never have been: two copies running at once, a thing made twice, a write
lost. It is written by the simulators themselves, is only ever added to, and is served on the control port as `GET /history`.

kind            events, with what they tell besides id and name
server          created (metadata, volumes, user), failed, deleted
guest           started (identity, generation, volumes: what each held), stopped (identity, generation, clean)
volume          created (metadata, reference of the array volume to manage), managed, unmanaged, deleted
volume_group    created (description), deleted
array_volume    created, copied (source, content), destroyed
array_group     created, destroyed
array_snapshot  taken (members: what each held), destroyed
faults          changed (down, cut)
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from sandbox.clock import Clock


@dataclass(frozen=True)
class Event:
    """`time` in the world's seconds; `site` is empty for what concerns all; `detail` as the kind tells."""

    seq: int
    time: float
    site: str
    kind: str
    event: str
    id: str
    name: str = ""
    detail: dict[str, Any] = field(default_factory=dict)


class Note(Protocol):
    """Writes one event of one site down."""

    def __call__(self, kind: str, event: str, id: str, name: str | None = "", **detail: Any) -> None:
        """`detail` must be JSON."""


class History:
    """One per world."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._events: list[Event] = []

    def of(self, site: str) -> Note:
        """The pen of one site."""

        def note(kind: str, event: str, id: str, name: str | None = "", **detail: Any) -> None:
            self._events.append(Event(len(self._events), self._clock.now(), site, kind, event, id, name or "", detail))

        return note

    def as_json(self, since: int = 0) -> list[dict[str, Any]]:
        """The events from number `since` on."""
        return [asdict(event) for event in self._events[max(0, since) :]]


def unwritten(kind: str, event: str, id: str, name: str | None = "", **detail: Any) -> None:
    """The pen of a simulator that stands alone, without a world."""
