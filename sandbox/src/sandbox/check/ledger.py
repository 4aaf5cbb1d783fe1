"""The simulators' own history, as the invariants ask it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sandbox.check.clouds import EPOCH, KEY, TEST
from sandbox.history import Event


@dataclass(frozen=True)
class Ledger:
    """Everything that happened, in order."""

    events: tuple[Event, ...] = ()

    @classmethod
    def of(cls, rows: list[dict[str, Any]]) -> Ledger:
        """From the JSON of `GET /history`."""
        return cls(tuple(Event(**row) for row in rows))

    def each(self, kind: str, *events: str) -> Iterator[Event]:
        """Those of a kind, of these names only when any is given."""
        return (event for event in self.events if event.kind == kind and (not events or event.event in events))

    @cached_property
    def servers(self) -> Mapping[str, Event]:
        """How each server was created, by id; deleted ones too."""
        return {event.id: event for event in self.each("server", "created")}

    def metadata(self, server_id: str) -> Mapping[str, str]:
        """What a server was created with."""
        found = self.servers.get(server_id)
        return dict(found.detail["metadata"]) if found is not None else {}

    def key(self, server_id: str) -> str:
        """`operation/step` of a server the product made; empty for a tenant's own."""
        return self.metadata(server_id).get(KEY, "")

    def epoch(self, server_id: str) -> int:
        """The failover epoch a server was made in; -1 for one that is older than every move."""
        return int(self.metadata(server_id).get(EPOCH, "-1"))

    def is_test(self, server_id: str) -> bool:
        """A drill's server."""
        return TEST in self.metadata(server_id)

    def gone(self, kind: str) -> Mapping[str, Event]:
        """The last deletion of each thing of a kind, by id."""
        return {event.id: event for event in self.each(kind, "deleted", "unmanaged", "destroyed")}
