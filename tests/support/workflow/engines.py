"""Engines that die, freeze and lose their database, two of them at a time, until the operation is closed."""

import asyncio
import contextlib
import functools
import itertools
import math
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from siterecovery.workflow.journal import Write
from siterecovery.workflow.lease import Hold, Lease
from siterecovery.workflow.record import Record
from siterecovery.workflow.runner import Runner
from siterecovery.workflow.step import Fenced, HandedOver, Refused, StepError, Unsettled
from support.workflow.faults import LONGEST_CALL, TTL, Fault
from support.workflow.world import OnTheWire, unanswered

if TYPE_CHECKING:
    from support.workflow.trial import Trial

POLL, RESTART = 3.0, 5.0
"""Seconds between two looks for work, and from a crash to the next start."""


class Away(Exception):
    """The database does not answer: as foreign to the core as a driver's own error."""


class EngineClock:
    """An engine that is frozen does not wake up."""

    def __init__(self, engine: "Engine") -> None:
        self._engine = engine

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    def now(self) -> Any:
        raise AssertionError("nothing here is for people")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self._engine.awake()


class Engine:
    """One process: `frozen_until` is infinite once it is dead. Whatever it asks for passes a gate and may meet a fault there."""

    def __init__(self, trial: "Trial", name: str) -> None:
        self.trial, self.name = trial, name
        self.frozen_until = 0.0
        self.away_until = 0.0
        self.gone = asyncio.Event()
        self.leaving = False
        self.hold: Hold | None = None
        self.clock = EngineClock(self)

    # ------------------------------------------------------------------------------------------------ dying and freezing

    async def awake(self) -> None:
        loop = asyncio.get_running_loop()
        while loop.time() < self.frozen_until:
            if math.isinf(self.frozen_until):
                await self.trial.grave.wait()
            await asyncio.sleep(self.frozen_until - loop.time())

    def freeze(self, fault: Fault) -> None:
        if fault.kind.startswith("crash"):
            self.frozen_until = math.inf
            self.gone.set()
        else:
            self.frozen_until = max(self.frozen_until, asyncio.get_running_loop().time() + fault.seconds)

    # ------------------------------------------------------------------------------------------------ workers

    def call(self, function: Callable[[], Any]) -> Awaitable[Any]:
        return self._interact("call", function)

    def commit(self, function: Callable[[], Any]) -> Awaitable[Any]:
        return self._interact("commit", function)

    def poll(self, function: Callable[[], Any]) -> Awaitable[Any]:
        return self._interact("poll", function)

    async def _interact(self, kind: str, function: Callable[[], Any]) -> Any:
        await self.awake()
        fault = self.trial.schedule.take()
        await asyncio.sleep(self.trial.schedule.latency())
        await self.awake()
        if fault is not None:
            self.trial.world.tell(f"{self.name}: {kind} meets {fault}")
        try:
            answer = await self._befall(kind, function, fault)
        except Exception:
            await self.awake()
            raise
        await self.awake()
        return answer

    async def _befall(self, kind: str, function: Callable[[], Any], fault: Fault | None) -> Any:
        if fault is None:
            return self._do(kind, function)
        match fault.kind.split(" ", 1):
            case ["crash" | "freeze", "before"]:
                self.freeze(fault)
                await self.awake()
            case ["crash" | "freeze", "after"]:
                try:
                    return self._do(kind, function)
                finally:
                    self.freeze(fault)
            case ["crash" | "freeze", _]:
                return await self._send(kind, function, fault)
            case ["late"]:
                return await self._send(kind, function, fault)
            case ["slow"]:
                await asyncio.sleep(min(fault.seconds, LONGEST_CALL))
                await self.awake()
            case ["lost", "request"]:
                raise _silence(kind)
            case ["lost", "answer"]:
                self._do(kind, function)
                raise _silence(kind)
            case ["refused"] if kind == "call":
                raise Refused("the world says no")
            case ["journal", _]:
                self.away_until = asyncio.get_running_loop().time() + fault.seconds
            case ["leave"]:
                self.leave()
            case ["cancel"]:
                self.trial.cancelled_by = "dana"
        return self._do(kind, function)

    async def _send(self, kind: str, function: Callable[[], Any], fault: Fault) -> Any:
        """The engine freezes, dies or waits with its request on the wire, and hears nothing of what it did."""
        try:
            if kind == "commit":
                asyncio.get_running_loop().call_later(fault.delay, _unheard, function)
            else:
                self.trial.world.wire = fault.delay
                return self._do(kind, function)
        except OnTheWire:
            pass  # heard below: nobody answers
        finally:
            self.trial.world.wire = None
            if fault.kind != "late":
                self.freeze(fault)
        await asyncio.sleep(fault.delay)
        await self.awake()
        raise _silence(kind)

    def _do(self, kind: str, function: Callable[[], Any]) -> Any:
        if kind == "commit" and asyncio.get_running_loop().time() < self.away_until:
            raise Away("no connection")
        self.trial.world.actor = self.name
        return function()

    # ------------------------------------------------------------------------------------------------ the engine's life

    def leave(self) -> None:
        """A clean shutdown."""
        self.leaving = True
        if self.hold is not None:
            self.hold.leaving = True

    async def live(self) -> None:
        renewing = asyncio.create_task(self._renewing())
        try:
            while not self.leaving and self.trial.result is None:
                await self.clock.sleep(POLL)
                asked = self.clock.monotonic()
                for lease in await self._ask(lambda: self.trial.leases.claim(self.name, 1)) or ():
                    await self._carry_out(lease, asked)
        finally:
            renewing.cancel()

    async def _ask(self, function: Callable[[], Any]) -> Any:
        """What the engine asks the database for besides its operation's own affairs. None while it is away."""
        await self.awake()
        with contextlib.suppress(Away):
            return self._do("commit", function)
        return None

    async def _renewing(self) -> None:
        while self.trial.result is None:
            await self.clock.sleep(TTL / 3)
            hold, asked = self.hold, self.clock.monotonic()
            if hold is None:
                continue
            lease = hold.lease
            held = await self._ask(functools.partial(self.trial.leases.renew, [lease]))
            if held:
                hold.renewed(asked)
            elif held is not None:
                hold.lose()

    async def _carry_out(self, lease: Lease, asked: float) -> None:
        trial = self.trial
        trial.world.tell(f"{self.name}: claims under epoch {lease.epoch}")
        self.hold = hold = trial.make_hold(lease, self.clock.monotonic)
        hold.renewed(asked)
        hold.leaving = self.leaving
        runner = Runner(
            trial.journal, self.clock, self, translate=translate, listener=self._hear, recorder=trial.recorder
        )
        try:
            known = trial.seen.get("completed", ())
            flow = trial.builder.flow()
            result = await runner.run(flow, hold, cancelled=lambda: trial.cancelled_by, completed=known)
            await self._close(hold, lambda: trial.close(self.name, result))
        except HandedOver:
            await self._ask(lambda: trial.leases.release(lease))
            trial.world.tell(f"{self.name}: hands over")
        except Fenced as fenced:
            trial.world.tell(f"{self.name}: {fenced}")
        except Exception as error:  # noqa: BLE001 - a broken promise: the test's own report
            trial.broken(f"the run raised {error!r}")
        finally:
            self.hold = None

    async def _close(self, hold: Hold, closing: Callable[[], Any]) -> None:
        lease = hold.lease
        write = Write(lease.operation, lease.epoch, (), (self.trial.backend.closing(closing),))
        while True:
            hold.check()
            try:
                (answer,) = await self.commit(lambda: self.trial.journal.commit([write]))
            except Away:
                await self.clock.sleep(1.0)
                continue
            if answer is not None:
                raise answer
            return

    def _hear(self, event: str, operation: str, step: str, **details: Any) -> None:
        self.trial.world.tell(f"{self.name}: {event} {step} {details.get('error', '')}".rstrip())


def translate(error: Exception) -> StepError:
    """As an engine does: what may come back is unsettled, and a bug is no reason to go on."""
    if isinstance(error, StepError):
        return error
    return Unsettled(str(error)) if isinstance(error, Away) else Refused(f"{type(error).__name__}: {error}")


def _silence(kind: str) -> Exception:
    return Away("no answer") if kind == "commit" else unanswered()


def _unheard(function: Callable[[], Any]) -> None:
    function()


async def host(trial: "Trial", number: int) -> None:
    """One engine after the other: a dead one is started again, and so is one that left."""
    for start in itertools.count(1):
        if trial.result is not None:
            return
        engine = Engine(trial, f"engine {number}.{start}")
        living = asyncio.ensure_future(engine.live())
        dying = asyncio.ensure_future(engine.gone.wait())
        await asyncio.wait({living, dying}, return_when=asyncio.FIRST_COMPLETED)
        dying.cancel()
        if living.done():
            living.result()
        await asyncio.sleep(RESTART)


def recorded(record: Record, undoing: bool) -> dict[str, Any]:
    """What people see."""
    return {
        "completed": list(record.completed),
        "failed": {step: entry.error for step, entry in record.failures.items()},
        "current": record.current,
        "progress": record.progress,
        "undoing": undoing,
    }
