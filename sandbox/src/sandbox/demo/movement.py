"""What the witness saw of one move: what was written there, what was found here, how long each VM was away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sandbox.demo.witness import Sample


@dataclass(frozen=True)
class Movement:
    """The samples from just before a move to just after it; generations are numbers of writes, times world seconds.

    `history` is everything seen before and during: a recovery point may be older than the move.
    """

    samples: Sequence[Sample]
    source: str
    target: str
    history: Sequence[Sample]

    @property
    def written(self) -> dict[str, int]:
        """By volume, the last write seen on the source."""
        return _last(self.samples, self.source)

    def written_by(self, when: float) -> dict[str, int]:
        """By volume, what the source was seen to hold no later than `when`."""
        return _last([sample for sample in self.history if sample.time <= when], self.source)

    @property
    def restored(self) -> dict[str, int]:
        """By volume, what the new one on the target held when it was first seen: before its VM wrote again."""
        known = {held.id for held in self.samples[0].volumes[self.target].values()}
        found: dict[str, int] = {}
        for sample in self.samples:
            for name, held in sample.volumes[self.target].items():
                if held.id not in known:
                    found.setdefault(name, held.generation)
        return found

    @property
    def twice(self) -> set[str]:
        """The VMs that were ever seen running on both sites at one moment."""
        return {name for s in self.samples for name in s.running[self.source] & s.running[self.target]}

    def away(self, name: str) -> float | None:
        """Seconds between a VM's last sign of life on the source and its first on the target; None when one is missing."""
        there = [sample.time for sample in self.samples if name in sample.running[self.source]]
        here = [sample.time for sample in self.samples if name in sample.running[self.target]]
        return here[0] - there[-1] if there and here else None


def _last(samples: Sequence[Sample], site: str) -> dict[str, int]:
    return {name: held.generation for sample in samples for name, held in sample.volumes[site].items()}
