"""Who runs an operation: a lease with a fencing epoch.

Taking an operation over bumps the epoch, and every journal write is conditional on it. The lease's own time is the journal's
(the database's clock); an owner additionally stops by itself when it has not been able to renew for as long as the lease lasts.
Neither can recall what a frozen owner has already sent: that is what `drain` is for, the seconds after a take-over in which a call
of the predecessor may still arrive.
"""

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Protocol


@dataclasses.dataclass(frozen=True)
class Lease:
    operation: str
    owner: str
    epoch: int
    """1 for the first owner; greater means that the operation was taken over at least once."""
    ttl: float
    """Seconds a renewal is good for."""
    drain_left: float = 0.0
    """Seconds, from now, until no call of an earlier owner can still arrive."""

    @property
    def taken_over(self) -> bool:
        return self.epoch > 1


class Leases(Protocol):
    """Blocking; called in worker threads."""

    def claim(self, owner: str, limit: int) -> Sequence[Lease]:
        """Takes up to `limit` operations that nobody owns or whose lease ran out. A handed-over one needs no drain."""
        ...

    def renew(self, leases: Iterable[Lease]) -> Sequence[Lease]:
        """Extends the leases; answers those that are still held. One that is missing in the answer is lost."""
        ...

    def release(self, lease: Lease) -> None:
        """Gives the operation back unfinished, so that another owner can claim it at once."""
        ...
