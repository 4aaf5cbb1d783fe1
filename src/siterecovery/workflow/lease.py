"""Who runs an operation: a lease with a fencing epoch.

Taking an operation over bumps the epoch, and every journal write is conditional on it. The lease's own time is the journal's
(the database's clock); an owner additionally stops by itself when it has not been able to renew for as long as the lease lasts.
Neither can recall what a frozen owner has already sent: that is what `drain` is for, the seconds after a take-over in which a call
of the predecessor may still arrive.
"""

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from siterecovery.workflow.step import Fenced


@dataclasses.dataclass(frozen=True)
class Lease:
    operation: str
    owner: str
    epoch: int
    """1 for the first owner; greater means that another one has begun it, and was lost or has handed it over."""
    ttl: float
    """Seconds a renewal is good for."""
    drain_left: float = 0.0
    """Seconds, from the claim, until no call of an earlier owner can still arrive; 0 when all of them handed over."""

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

    def calls_are_back(self, operation: str) -> None:
        """An owner that has lost the operation tells that none of its calls is under way any more. It may have woken in the middle of sending one:
        whoever owns the operation now looks for what came late once more, also when it has ended."""
        ...


class Hold:
    """This process's own belief that it still has a lease: true until told otherwise, or until the last renewal is older than the lease lasts.

    Once seen to be lost it stays lost, also when a renewal comes through late: parts of the run have stopped by then.
    Read by worker threads right before each call that changes something; written by the engine's renewal loop.
    """

    def __init__(self, lease: Lease, monotonic: Callable[[], float]) -> None:
        self.lease = lease
        self._monotonic = monotonic
        self._good_until = monotonic() + lease.ttl
        self._lost = False
        self.leaving = False
        """Set when the owner shuts down: what is under way is finished and recorded, nothing new is begun."""

    def renewed(self, asked_at: float) -> None:
        """`asked_at`: monotonic time *before* the renewal was sent."""
        self._good_until = asked_at + self.lease.ttl

    def lose(self) -> None:
        self._lost = True

    @property
    def held(self) -> bool:
        if self._monotonic() >= self._good_until:
            self._lost = True
        return not self._lost

    def check(self) -> None:
        if not self.held:
            raise Fenced(f"the lease on operation {self.lease.operation} (epoch {self.lease.epoch}) is lost")
