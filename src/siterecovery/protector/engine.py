"""The engine: claims operations, runs their flows under a lease, renews, takes over, hands over.

Several engines, on several hosts, share one database and nothing else. What an engine does at rest, without being asked, is in `duties`.
"""

import asyncio
import dataclasses
import logging
import secrets
import socket
from collections.abc import Callable, Sequence

from siterecovery.protector.closing import Change, Closing
from siterecovery.protector.domain import claims
from siterecovery.protector.domain.errors import (
    CloudBusy,
    CloudUnreachable,
    ProtectorError,
    RemoteSiteUnreachable,
)
from siterecovery.protector.domain.operation import Operation
from siterecovery.protector.store.base import Store
from siterecovery.protector.store.errors import StoreUnavailable
from siterecovery.workflow.clock import Clock
from siterecovery.workflow.flow import Flow
from siterecovery.workflow.journal import Write
from siterecovery.workflow.lease import Hold, Lease
from siterecovery.workflow.runner import Listener, Runner, Workers
from siterecovery.workflow.step import Fenced, HandedOver, Refused, StepError, Unsettled
from siterecovery.workflow.watch import Pace, Watcher

LOG = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class EngineSettings:
    """Seconds. `poll_interval`: how often the database is asked for work; `most` operations are run at once."""

    poll_interval: float = 1.0
    lease_ttl: float = 30.0
    duty_interval: float = 5.0
    most: int = 32
    pace: Pace = dataclasses.field(default_factory=Pace)


@dataclasses.dataclass(frozen=True)
class Job:
    """An operation with the flow that carries it out."""

    operation: Operation
    flow: Flow
    closing: Closing


Planner = Callable[[str], Job]
"""Operation id → its job, built from the plan. Blocking. Raises ProtectorError when the plan cannot be carried out."""


def translate(error: Exception) -> StepError:
    """Foreign errors become the core's own, once. What may have been applied, or may work later, is unsettled."""
    if isinstance(error, StepError):
        return error
    if isinstance(error, CloudUnreachable | CloudBusy | RemoteSiteUnreachable | StoreUnavailable):
        return Unsettled(error.sentence)
    if isinstance(error, ProtectorError):
        return Refused(error.sentence)
    LOG.error("a step failed in a way nobody foresaw: this is a bug", exc_info=error)
    return Refused(f"Internal error ({type(error).__name__}): {error}. The engine's log has the traceback.")


def engine_name() -> str:
    """Unique per process start: a restarted engine is another owner."""
    return f"{socket.gethostname()}-{secrets.token_hex(4)}"


class Engine:
    """`duties` is called, in a worker thread, before the first claim and then every `duty_interval`."""

    def __init__(
        self,
        store: Store,
        planner: Planner,
        clock: Clock,
        workers: Workers,
        settings: EngineSettings,
        *,
        duties: Callable[[], None] = lambda: None,
        listener: Listener | None = None,
        name: str | None = None,
    ) -> None:
        self.store = store
        self.planner = planner
        self.clock = clock
        self.workers = workers
        self.settings = settings
        self.duties = duties
        self.name = name or engine_name()
        self._listener = listener
        self._holds: dict[str, Hold] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._asked_to_stop: dict[str, str | None] = {}
        self._leaving = asyncio.Event()
        self._wake = asyncio.Event()

    def stop(self) -> None:
        """A clean shutdown: what is under way is recorded, what is unfinished is handed over."""
        self._leaving.set()
        self._wake.set()
        for hold in self._holds.values():
            hold.leaving = True

    async def run(self) -> None:
        """Until `stop`. A database that is away is waited for."""
        await self._dutifully()
        others = [asyncio.create_task(self._renewing()), asyncio.create_task(self._on_duty())]
        try:
            while not self._leaving.is_set():
                await self._survive(self._claim, "claim operations")
                await self._nap(self.settings.poll_interval)
            if self._tasks:
                await asyncio.wait(self._tasks.values())
        finally:
            for task in others:
                task.cancel()

    async def _nap(self, seconds: float) -> None:
        """By the engine's own clock, and never deaf to a cancellation that comes together with a wake-up (as `wait_for` is)."""
        pause, wake = asyncio.ensure_future(self.clock.sleep(seconds)), asyncio.ensure_future(self._wake.wait())
        try:
            await asyncio.wait({pause, wake}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            pause.cancel()
            wake.cancel()
        if not self._leaving.is_set():
            self._wake.clear()

    async def _survive(self, work: Callable[[], "asyncio.Future[None] | object"], what: str) -> None:
        try:
            await work()  # type: ignore[misc]
        except ProtectorError as error:
            LOG.warning("could not %s: %s", what, error.detail)

    async def _claim(self) -> None:
        room = self.settings.most - len(self._tasks)
        if room <= 0:
            return
        asked = self.clock.monotonic()
        leases: Sequence[Lease] = await self.workers.commit(lambda: self.store.leases.claim(self.name, room))
        for lease in leases:
            self._start(lease, asked)

    def _start(self, lease: Lease, asked: float) -> None:
        hold = Hold(lease, self.clock.monotonic)
        hold.renewed(asked)
        hold.leaving = self._leaving.is_set()  # `stop` may have come while the claim was under way
        self._holds[lease.operation] = hold
        task = asyncio.create_task(self._carry_out(hold))
        self._tasks[lease.operation] = task
        task.add_done_callback(lambda _: self._ended(lease.operation))

    def _ended(self, operation_id: str) -> None:
        self._tasks.pop(operation_id, None)
        self._holds.pop(operation_id, None)
        self._asked_to_stop.pop(operation_id, None)
        self._wake.set()

    async def _carry_out(self, hold: Hold) -> None:
        lease = hold.lease
        LOG.info("operation %s: claimed by %s, epoch %d", lease.operation, self.name, lease.epoch)
        try:
            await self._run(hold)
        except HandedOver:
            await self.workers.commit(lambda: self.store.leases.release(lease))
            LOG.info("operation %s: handed over by %s", lease.operation, self.name)
        except Fenced as fenced:
            LOG.warning("operation %s: %s", lease.operation, fenced)
            await self._tell_that_calls_are_back(lease.operation)
        except Exception:  # the lease runs out and another engine (or this one) tries again; the log says why
            LOG.exception("operation %s: the engine could not go on", lease.operation)

    async def _tell_that_calls_are_back(self, operation_id: str) -> None:
        """The run is over, so each of its calls has been answered or given up. One may have been sent after the lease was lost: an engine that is
        frozen between its last look and its call sends it when it wakes, and its successor has looked around before that."""
        while not self._leaving.is_set():
            try:
                await self.workers.commit(lambda: self.store.leases.calls_are_back(operation_id))
                return
            except StoreUnavailable as error:
                LOG.warning("operation %s: the database is away: %s", operation_id, error.detail)
                await self.clock.sleep(1.0)

    async def _run(self, hold: Hold) -> None:
        lease = hold.lease
        try:
            job: Job = await self.workers.commit(lambda: self.planner(lease.operation))
        except ProtectorError as error:
            detail = error.detail
            await self._write(hold, Closing.unplannable(lease.operation, detail))
            return
        runner = self._runner(job)
        await self._write(hold, job.closing.begun())
        watch = asyncio.create_task(self._yield_to_newer(job, hold))
        try:
            cancelled = self._cancelled(job)
            known = job.operation.steps_completed
            result = await runner.run(job.flow, hold, cancelled=cancelled, completed=known)
        except Fenced:
            if watch.done() and not watch.cancelled():
                await self._drop(lease, job, watch.result())
                return
            raise
        finally:
            watch.cancel()
        await self._write(hold, job.closing.ended(result))
        LOG.info("operation %s: %s", lease.operation, result.end)

    def _runner(self, job: Job) -> Runner:
        return Runner(
            self.store.journal,
            self.clock,
            self.workers,
            translate=translate,
            recorder=job.closing.recorder(),
            watcher=Watcher(self.clock, self.workers.poll, translate=translate, pace=self.settings.pace),
            listener=self._listener or _logged,
        )

    async def _write(self, hold: Hold, change: Change) -> None:
        """Under the lease's epoch, so that only its holder closes an operation; tried again while the database is away."""
        while True:
            hold.check()
            try:
                await self.workers.commit(lambda: _commit(self.store, hold.lease, change))
                return
            except StoreUnavailable as error:
                LOG.warning("operation %s: the database is away: %s", hold.lease.operation, error.detail)
                await self.clock.sleep(1.0)

    def _cancelled(self, job: Job) -> Callable[[], str | None]:
        """Looked at by the run; asked of the database by `_yield_to_newer`, once a second. Whoever takes a cancelled one over knows it at once."""
        self._asked_to_stop[job.operation.id] = job.operation.cancelled_by
        return lambda: self._asked_to_stop.get(job.operation.id)

    async def _yield_to_newer(self, job: Job, hold: Hold) -> str:
        """Once a newer epoch or a fence is known here, the operation is dropped without undo. Answers why."""
        while True:
            await self.clock.sleep(1.0)
            try:
                reason: str | None = await self.workers.commit(lambda: self._look(job))
            except ProtectorError as error:
                LOG.warning("operation %s: could not look at its group: %s", job.operation.id, error.detail)
                continue
            if reason is not None:
                hold.lose()
                return reason

    def _look(self, job: Job) -> str | None:
        with self.store.begin() as tx:
            operation = tx.operations.get(job.operation.id, plan=False)
            group = tx.groups.get(job.operation.group_id)
        if operation is None:
            return None
        self._asked_to_stop[operation.id] = operation.cancelled_by
        return None if group is None else claims.must_yield(group, operation.id, operation.epoch)

    async def _drop(self, lease: Lease, job: Job, reason: str) -> None:
        LOG.warning("operation %s: dropped without undo: %s", lease.operation, reason)
        hold = Hold(lease, self.clock.monotonic)
        await self._write(hold, job.closing.dropped(reason))

    async def _renewing(self) -> None:
        while True:
            await self.clock.sleep(self.settings.lease_ttl / 3)
            await self._survive(self._renew, "renew leases")

    async def _renew(self) -> None:
        asked = self.clock.monotonic()
        leases = [hold.lease for hold in self._holds.values()]
        await self.workers.commit(lambda: self.store.heartbeat(self.name))
        if not leases:
            return
        held = await self.workers.commit(lambda: self.store.leases.renew(leases))
        kept = {(lease.operation, lease.epoch) for lease in held}
        for lease in leases:
            hold = self._holds.get(lease.operation)
            if hold is None or hold.lease.epoch != lease.epoch:
                continue
            if (lease.operation, lease.epoch) in kept:
                hold.renewed(asked)
            else:
                hold.lose()

    async def _on_duty(self) -> None:
        while True:
            await self.clock.sleep(self.settings.duty_interval)
            await self._dutifully()

    async def _dutifully(self) -> None:
        try:
            await self.workers.commit(lambda: self.store.heartbeat(self.name))
            await self.workers.poll(self.duties)
        except ProtectorError as error:
            LOG.warning("duties: %s", error.detail)
        except Exception:  # one bad group must not stop the engine; the log says which
            LOG.exception("duties failed")


def _commit(store: Store, lease: Lease, change: Change) -> None:
    (answer,) = store.journal.commit([Write(lease.operation, lease.epoch, (), (change,))])
    if answer is not None:
        raise answer


def _logged(event: str, operation: str, step: str, **details: object) -> None:
    level = logging.WARNING if event in ("failed", "undo_failed", "journal_away", "unsettled") else logging.INFO
    LOG.log(level, "operation=%s step=%s %s %s", operation, step, event, details or "")
