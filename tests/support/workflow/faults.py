"""What goes wrong, and when: a short list that Hypothesis can shrink and a person can read."""

import dataclasses
from collections.abc import Sequence

from hypothesis import strategies as st

LONGEST_CALL = 14.0
"""Seconds until a call that was sent has arrived or never will: clients and servers both keep to it."""
TTL, DRAIN = 9.0, 15.0
"""The lease's, in seconds. `DRAIN` covers `LONGEST_CALL`."""

FATAL = ("crash before", "crash after", "crash on the wire")
FROZEN = ("freeze before", "freeze after", "freeze on the wire")
MILD = ("slow", "late", "lost request", "lost answer", "refused", "journal away", "leave", "cancel")


@dataclasses.dataclass(frozen=True)
class Fault:
    """Befalls the interaction (call, commit or poll) that comes `gap` after the last fault's."""

    gap: int
    kind: str
    seconds: float = 0.0
    """How long: frozen, away, slow."""
    delay: float = 0.0
    """On the wire: how late the call arrives."""


class Schedule:
    """Latencies (seconds, in turn) and faults, dealt out as the interactions come."""

    def __init__(self, faults: Sequence[Fault], latencies: Sequence[float]) -> None:
        self._faults = list(faults)
        self._latencies = list(latencies)
        self._gap = faults[0].gap if faults else 0
        self._turn = 0

    @property
    def spent(self) -> bool:
        """Every fault has befallen somebody."""
        return not self._faults

    def latency(self) -> float:
        self._turn += 1
        return self._latencies[self._turn % len(self._latencies)]

    def take(self) -> Fault | None:
        if not self._faults:
            return None
        if self._gap > 0:
            self._gap -= 1
            return None
        fault = self._faults.pop(0)
        self._gap = self._faults[0].gap if self._faults else 0
        return fault


seconds = st.sampled_from([0.5, 4.0, 12.0, 30.0])
faults = st.builds(
    Fault,
    st.integers(0, 12),
    st.sampled_from([*FATAL, *FROZEN, *MILD]),
    seconds=seconds,
    delay=st.sampled_from([0.0, 3.0, LONGEST_CALL]),
)
latencies = st.lists(st.sampled_from([0.0, 0.1, 1.0]), min_size=1, max_size=5)
