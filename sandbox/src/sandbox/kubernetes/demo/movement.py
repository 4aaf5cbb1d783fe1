"""What the witness saw of one move of a group: where its VMs ran, what was written there, what was found here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sandbox.kubernetes.demo.witness import Sample
from sandbox.kubernetes.workload import GROUPS, volume_of


@dataclass(frozen=True)
class Movement:
    """The samples from just before a move of `group` to just after it. Times are seconds."""

    samples: Sequence[Sample]
    group: str
    source: str
    target: str

    @property
    def vms(self) -> tuple[str, ...]:
        """The members."""
        return tuple(GROUPS[self.group])

    def written(self, vm: str) -> int | None:
        """The last write that the source's disk holds when the target's is taken into use; None when that was not seen."""
        return self._held(vm, self.source)

    def found(self, vm: str) -> int | None:
        """What the target's disk held at that moment."""
        return self._held(vm, self.target)

    def _held(self, vm: str, cluster: str) -> int | None:
        """By the last sample before the target's disk was in use: from then on its VM writes there."""
        before: int | None = None
        for sample in self.samples:
            disk = sample.disks.get(volume_of(vm), {})
            if cluster not in disk or self.target not in disk:
                continue
            if disk[self.target].primary:
                return before
            before = disk[cluster].generation
        return None

    def misplaced(self) -> set[str]:
        """Members that do not run on the target now, or have a disk on the source."""
        last = self.samples[-1]
        return (set(self.vms) - last.running[self.target]) | (set(self.vms) & last.present[self.source])

    def away(self, vm: str) -> float | None:
        """Seconds between a VM's last sign of life on the source and its first on the target; None when one is missing."""
        there = [sample.time for sample in self.samples if vm in sample.running[self.source]]
        here = [sample.time for sample in self.samples if vm in sample.running[self.target]]
        return here[0] - there[-1] if there and here else None


def twice(samples: Sequence[Sample]) -> set[str]:
    """The VMs that ever had their disk on both clusters at one moment, and the disks that were ever in use on both."""
    machines = {vm for sample in samples for vm in frozenset.intersection(*sample.present.values())}
    disks = {
        name
        for sample in samples
        for name, replicas in sample.disks.items()
        if sum(replica.primary for replica in replicas.values()) > 1
    }
    return machines | disks
