"""One trial: a plan, a schedule, a journal, and what must be true of them."""

import asyncio
import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from siterecovery.workflow.journal import Entry, Journal, MemoryJournal, Write
from siterecovery.workflow.lease import Hold, Lease, Leases
from siterecovery.workflow.record import Record
from siterecovery.workflow.runner import Result
from support.workflow import promises
from support.workflow.engines import host, recorded
from support.workflow.faults import DRAIN, TTL, Schedule
from support.workflow.loop import run_virtually
from support.workflow.plans import Builder, Plan
from support.workflow.steps import OLD
from support.workflow.world import Thing, World

PATIENCE = 5_000.0
"""Seconds after which an operation that has not ended never will."""
AFTERWARDS = 45.0
"""Seconds after the end in which whoever was frozen wakes up and what was on the wire arrives."""


class Backend(Protocol):
    """Where a trial's journal and leases are kept."""

    operation: str
    journal: Journal
    leases: Leases

    def closing(self, then: Callable[[], Any]) -> Any:
        """A journal change that closes the operation, so that nobody claims it any more, and calls `then`."""
        ...


class MemoryLeases:
    """Leases on one operation, in virtual time."""

    def __init__(self, operation: str, journal: MemoryJournal, drain: float = DRAIN) -> None:
        self.operation, self.journal, self.drain = operation, journal, drain
        self.owner: str | None = None
        self.epoch = 0
        self.expires_at = 0.0
        self.taken_over_at = float("-inf")
        self.closed = False

    def claim(self, owner: str, limit: int) -> Sequence[Lease]:
        now = asyncio.get_running_loop().time()
        if self.closed or (self.owner is not None and now <= self.expires_at):
            return []
        if self.owner is not None:
            self.taken_over_at = now
        self.owner, self.epoch, self.expires_at = owner, self.epoch + 1, now + TTL
        self.journal.fence(self.operation, self.epoch)
        return [Lease(self.operation, owner, self.epoch, TTL, max(0.0, self.taken_over_at + self.drain - now))]

    def renew(self, leases: Iterable[Lease]) -> Sequence[Lease]:
        held = [lease for lease in leases if (lease.owner, lease.epoch) == (self.owner, self.epoch)]
        if held:
            self.expires_at = asyncio.get_running_loop().time() + TTL
        return held

    def release(self, lease: Lease) -> None:
        if (lease.owner, lease.epoch) == (self.owner, self.epoch):
            self.owner = None

    def calls_are_back(self, operation: str) -> None:
        """Nothing is done about it here: in this world every call arrives, and is looked for, before the end."""


class MemoryBackend:
    operation = "op"

    def __init__(self, drain: float = DRAIN) -> None:
        journal = MemoryJournal()
        self.journal: Journal = journal
        self.closable = MemoryLeases(self.operation, journal, drain)
        self.leases: Leases = self.closable

    def closing(self, then: Callable[[], Any]) -> Any:
        def close() -> None:
            self.closable.closed = True
            then()

        return close


class WatchedJournal:
    """Shows every accepted write to the promises."""

    def __init__(self, journal: Journal, see: Callable[[Write], None]) -> None:
        self._journal = journal
        self._see = see

    def load(self, operation: str) -> Mapping[str, Entry]:
        return self._journal.load(operation)

    def commit(self, writes: Sequence[Write]) -> Sequence[Exception | None]:
        answers = self._journal.commit(writes)
        for write, answer in zip(writes, answers, strict=True):
            if answer is None:
                self._see(write)
        return answers


@dataclasses.dataclass(frozen=True)
class Ended:
    """How a trial ended."""

    result: Result
    entries: Mapping[str, Entry]
    seen: Mapping[str, Any]
    things: Sequence[Thing]
    register: str


class Trial:
    """`broken` remembers the first promise that was not kept."""

    def __init__(
        self,
        plan: Plan,
        schedule: Schedule,
        backend: Backend,
        make_hold: Callable[[Lease, Callable[[], float]], Hold] = Hold,
        only_the_end: bool = False,
    ) -> None:
        """`only_the_end`: the order of the journal's entries is not looked at."""
        self.plan, self.schedule, self.backend, self.make_hold = plan, schedule, backend, make_hold
        self.world = World(self.broken)
        self.builder = Builder(plan, self.world)
        self.order = promises.Order(self.builder.flow())
        self.leases = backend.leases
        self.journal: Journal = WatchedJournal(backend.journal, self._see)
        self.cancelled_by: str | None = None
        self.seen: dict[str, Any] = {}
        self.result: Result | None = None
        self.violations: list[str] = []
        self.grave = asyncio.Event()
        """Never set: what a dead engine was about to do waits here."""
        self._over = asyncio.Event()
        self._only_the_end = only_the_end

    def recorder(self, operation: str, record: Record, *, undoing: bool) -> tuple[Any, ...]:
        seen = recorded(record, undoing)
        return (lambda *transaction: self.seen.update(seen),)

    def close(self, owner: str, result: Result) -> None:
        if self.result is not None and self.result.end is not result.end:
            self.broken(f"{owner} closes it as {result.end}, and it was closed as {self.result.end}")
        self.world.tell(f"{owner}: closes it as {result.end} ({result.error})")
        self.result = result
        self._over.set()

    def broken(self, what: str) -> None:
        self.violations.append(what)
        self.world.tell(f"BROKEN: {what}")
        self._over.set()

    def _see(self, write: Write) -> None:
        for entry in write.entries:
            self.world.tell(
                f"    journal, epoch {write.epoch}: {entry.step} {entry.state} {entry.error or ''}".rstrip()
            )
            for violation in list(self.order.note(entry)):
                if not self._only_the_end:
                    self.broken(violation)

    async def run(self) -> None:
        for step in self.plan.steps():
            if step.kind == "remove":
                self.world.create(f"{OLD}/{step.name}")
        hosts = [asyncio.create_task(host(self, number)) for number in (1, 2)]
        try:
            async with asyncio.timeout(PATIENCE):
                await self._over.wait()
            await asyncio.sleep(AFTERWARDS)
        except TimeoutError:
            self.broken("it does not end")
        for task in hosts:
            task.cancel()
            if task.done() and not task.cancelled():
                task.result()
        if not self.violations:
            for violation in promises.of_the_end(self.plan, self.order, self.ended()):
                self.broken(violation)

    def ended(self) -> Ended:
        assert self.result is not None
        things = [thing for thing in self.world.all() if thing.gone_at is None]
        entries = self.backend.journal.load(self.backend.operation)
        return Ended(self.result, entries, self.seen, things, self.world.register)


def violations_of(plan: Plan, schedule: Schedule, make_backend: Callable[[], Backend], **options: Any) -> Trial:
    """Carries a trial out."""

    async def whole() -> Trial:
        trial = Trial(plan, schedule, make_backend(), **options)
        await trial.run()
        return trial

    return run_virtually(whole())
