"""One operation being carried out: forward, and back when it must. `runner` is its public face.

The journal decides where a run stands: an entry STARTED without DONE is asked whether it is done before it is done again;
the decision to go back is an entry of its own, so that a new owner goes on in the same direction.
"""

import asyncio
import dataclasses
import enum
import functools
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from siterecovery.workflow.call import StepCall
from siterecovery.workflow.flow import Flow, Item, Node, Sequence, Together, begins_with
from siterecovery.workflow.journal import Entry, JournalUnavailable, State, Write
from siterecovery.workflow.lease import Hold, Lease
from siterecovery.workflow.ownership import owned
from siterecovery.workflow.record import UNDO, Record, given_up
from siterecovery.workflow.step import (
    JSON,
    Answer,
    Cancelled,
    Fenced,
    HandedOver,
    OnFailure,
    Outcome,
    Retry,
    Step,
    StepError,
    TimedOut,
    Waiting,
)

if TYPE_CHECKING:
    from siterecovery.workflow.runner import Runner

MOST_TURNS = 5
"""How often a flow that has won is turned forward by one owner before a person must look."""
T = TypeVar("T")


class End(enum.StrEnum):
    COMPLETED = "completed"
    """Through, perhaps with recorded failures."""
    UNDONE = "undone"
    """A step failed, and everything was taken back."""
    STUCK = "stuck"
    """A step failed, and something could not be taken back: a person must look."""


@dataclasses.dataclass(frozen=True)
class Result:
    """How a run ended. `error` is the sentence of the first fatal failure; `failures` are journal entries."""

    end: End
    error: str | None
    failures: tuple[Entry, ...]
    values: Mapping[str, JSON]


class _GivenUp(Exception):
    """The rest of the enclosing item is given up; the failure is in the journal."""


class _Abort(Exception):
    """The flow goes back; the failure is in the journal."""


class _Stopped(Exception):
    """This branch stops because another one has failed."""


def _gravity(error: BaseException) -> int:
    """Of several branches' errors the one with the smallest number speaks for all."""
    order = (Fenced, asyncio.CancelledError, _Abort, _Stopped, _GivenUp)
    return next((place for place, kind in enumerate(order) if isinstance(error, kind)), -1)


class Run:
    """One operation being carried out."""

    def __init__(
        self,
        runner: "Runner",
        flow: Flow,
        hold: Hold,
        entries: dict[str, Entry],
        *,
        cancelled: Callable[[], str | None] = lambda: None,
        completed: Iterable[str] = (),
    ) -> None:
        self.runner = runner
        self.flow = flow
        self.hold = hold
        self.entries = entries
        self.cancelled = cancelled
        self.record = Record(flow, entries.values(), completed)
        self.stopping = asyncio.Event()
        """No branch begins anything more: one has failed, a person has asked to stop, or the lease is lost."""
        self.lost = asyncio.Event()
        """The lease is lost or given back: also those who undo stop waiting."""
        self._settling = False
        self._announced: set[str] = set()
        """Steps that are STARTED in the journal and were not called yet: their first call is still to come, no look is due."""
        self._drained_at = runner.clock.monotonic() + hold.lease.drain_left

    @property
    def operation(self) -> str:
        return self.hold.lease.operation

    @property
    def lease(self) -> Lease:
        return self.hold.lease

    @property
    def undoing(self) -> bool:
        return self.flow.reversible and self._state(UNDO) is State.STARTED

    @property
    def committed(self) -> bool:
        done = self.flow.commit is not None and self._state(self.flow.commit) is State.DONE
        return done or not self.flow.reversible

    @property
    def won(self) -> bool:
        """Nothing is taken back any more: the commit is done, or the world has said that it was."""
        return self.committed or self._state(UNDO) is State.DONE

    def asked_to_stop(self) -> str | None:
        """Who asked, while there is something to stop: what is won, being taken back or settled goes on to its end."""
        return None if self.won or self.undoing or self._settling else self.cancelled()

    def entries_of(self, prefix: str) -> list[Entry]:
        return [e for name, e in list(self.entries.items()) if name == prefix or name.startswith(prefix + "/")]

    def _state(self, step: str) -> State | None:
        entry = self.entries.get(step)
        return entry.state if entry is not None else None

    # ------------------------------------------------------------------------------------------------ the whole way

    async def to_the_end(self) -> Result:
        monitor = asyncio.create_task(self._monitor())
        try:
            return await self._there_and_back()
        finally:
            monitor.cancel()

    async def _monitor(self) -> None:
        """Wakes those who wait when the lease is lost or a person has asked to stop: one look a second for the whole run."""
        while self.hold.held and not self.hold.leaving:
            await self.runner.clock.sleep(1.0)
            if not self.stopping.is_set() and self.asked_to_stop() is not None:
                self.stopping.set()
        self.lost.set()
        self.stopping.set()

    async def _there_and_back(self) -> Result:
        for _ in range(MOST_TURNS):
            if not self.undoing and await self._forward():
                await self._settle(self.flow.settle)
                return self._result(End.COMPLETED)
            answer = await self._turn()
            if answer == "undo":
                clear = await self._undo(self.flow.body)
                if clear:
                    await self._settle(self.flow.settle_undone)
                stuck = not clear or any(e.state is State.UNDO_FAILED for e in self.entries.values())
                return self._result(End.STUCK if stuck else End.UNDONE)
            if answer != "forward":
                break
        return self._result(End.STUCK)

    async def _forward(self) -> bool:
        """True when the body is through; False when the decision to go back is in the journal."""
        self.stopping.clear()
        try:
            await self._node(self.flow.body)
        except _Abort as abort:
            await self._write(Entry(UNDO, State.STARTED, error=str(abort)))
            return False
        except _Stopped:  # between two steps
            await self._write(Entry(UNDO, State.STARTED, error=f"Cancelled by {self.cancelled()}"))
            return False
        except _GivenUp:
            pass  # recorded outside any item: nothing after it in the body, but it is no reason to go back
        return True

    async def _turn(self) -> str:
        """Asks whether to go back at all. What cannot be asked is not undone: then a person must look.

        The answer is in the journal before it is acted on: it must not be asked for twice, nor taken for "undo" by a new owner."""
        step = self.flow.turn
        asked: tuple[Entry, ...] = ()
        if self.committed:
            answer = "forward"
        elif step is None:
            return "undo"
        else:
            if self._state(step.name) is not State.UNDONE and await self._take_back(step, step.do) is None:
                return "stuck"
            answer = str(self.entries[step.name].value)
            asked = (Entry(step.name, State.STARTED),)
        if answer == "forward":
            await self._write(Entry(UNDO, State.DONE, error=self.entries[UNDO].error), *asked)
        return answer

    async def _settle(self, step: Step | None) -> None:
        """DRAIN: an operation that was taken over ends only when no call of an earlier owner can arrive any more; then it looks once more."""
        if step is None or not self.lease.taken_over:
            return
        await self._pause(self._drained_at - self.runner.clock.monotonic(), unless=self.lost)
        self.entries.pop(step.name, None)
        self._settling = True
        self.stopping.clear()
        try:
            await self._step(step)
        except (_Abort, _GivenUp):
            self.runner.listener("unsettled", self.operation, step.name)

    def _result(self, end: End) -> Result:
        fatal = self.entries.get(UNDO)
        values = {e.step: e.value for e in self.entries.values() if e.state is State.DONE and e.step[0] != "#"}
        error = fatal.error if fatal is not None and end is not End.COMPLETED else None
        return Result(end, error, tuple(self.record.failures.values()), values)

    # ------------------------------------------------------------------------------------------------ forward

    async def _node(self, node: Node, following: Step | None = None) -> None:
        """`following`: what begins once `node` is through."""
        if isinstance(node, Step):
            await self._step(node, following)
        elif isinstance(node, Sequence):
            for place, child in enumerate(node.nodes, start=1):
                await self._node(child, begins_with(node.nodes[place]) if place < len(node.nodes) else following)
        elif isinstance(node, Together):
            await self._together(node, self._node)
        else:
            await self._item(node)

    async def _together(self, node: Together, work: Callable[[Node], Awaitable[T]]) -> list[T]:
        """Returns, or raises the gravest of what was raised, only when the last branch is through: nothing goes on behind the owner's back."""
        gate = asyncio.Semaphore(node.limit or max(1, len(node.nodes)))

        async def one(child: Node) -> T:
            async with gate:
                return await work(child)

        answers = await asyncio.gather(*(one(child) for child in node.nodes), return_exceptions=True)
        raised = [answer for answer in answers if isinstance(answer, BaseException)]
        if raised:
            raise min(raised, key=_gravity)
        return [answer for answer in answers if not isinstance(answer, BaseException)]

    async def _item(self, item: Item) -> None:
        marker = given_up(item)
        try:
            if self._state(marker) is None:
                await self._node(item.body)
        except _GivenUp:
            await self._write(Entry(marker, State.STARTED))
        if self._state(marker) is State.STARTED:
            if not self.committed:
                await self._undo(item.body)
            await self._write(Entry(marker, State.DONE))

    async def _step(self, step: Step, following: Step | None = None) -> None:
        entry = self.entries.get(step.name)
        if entry is not None and entry.state is State.DONE:
            return
        self._stay()
        if entry is not None and entry.state is State.FAILED and self._only_recorded(step):
            raise _GivenUp(entry.error)
        if self.stopping.is_set() or self.asked_to_stop() is not None:
            raise _Stopped(step.name)
        if entry is None or entry.state is not State.STARTED:
            await self._write(Entry(step.name, State.STARTED))
        fresh = entry is None or step.name in self._announced
        self._announced.discard(step.name)
        try:
            outcome = await self._attempts(step, first=1 if fresh else 2)
            await self._write(
                Entry(step.name, State.DONE, outcome.value), *self._announcement(following), changes=outcome.changes
            )
        except Fenced:
            self.stopping.set()
            raise
        except _Stopped:
            raise
        except Exception as foreign:  # noqa: BLE001 - the step's, or its changes' that the journal refused: it ends in the journal
            self._unannounce(following)
            await self._fail(step, self.runner.translate(foreign))

    def _announcement(self, step: Step | None) -> tuple[Entry, ...]:
        """That a step begins is written together with the end of the one before it: one commit between two steps instead of two. A crash in between
        is the crash between an intent and its call."""
        if step is None or step.name in self.entries or self.stopping.is_set() or self.hold.leaving:
            return ()
        if self.asked_to_stop() is not None:
            return ()
        self._announced.add(step.name)
        return (Entry(step.name, State.STARTED),)

    def _unannounce(self, step: Step | None) -> None:
        if step is not None and step.name in self._announced and step.name not in self.entries:
            self._announced.discard(step.name)
            self.record.unsay(step.name)

    def _only_recorded(self, step: Step) -> bool:
        return step.on_failure is OnFailure.RECORD or self.committed

    async def _fail(self, step: Step, error: StepError) -> None:
        self.runner.listener("failed", self.operation, step.name, error=str(error))
        await self._write(Entry(step.name, State.FAILED, error=str(error), resource_id=error.resource_id))
        if self._only_recorded(step) and not isinstance(error, Cancelled):
            raise _GivenUp(str(error))
        self.stopping.set()
        raise _Abort(str(error))

    async def _attempts(self, step: Step, *, first: int) -> Outcome:
        deadline = self.runner.clock.monotonic() + step.timeout
        attempt = first
        while True:
            self._may_go_on()
            try:
                return await self._once(step, StepCall(self, step.name, attempt), deadline)
            except _Stopped:
                raise
            except Exception as foreign:
                error = self.runner.translate(foreign)
                pause = step.retry.pause(max(1, attempt - first + 1))
                spent = attempt - first + 1 >= step.retry.attempts
                late = self.runner.clock.monotonic() + pause >= deadline
                if not error.retryable or spent or late:
                    raise error from foreign
                self.runner.listener("retried", self.operation, step.name, error=str(error), attempt=attempt)
            await self._pause(pause, unless=self.stopping)
            attempt += 1

    async def _once(self, step: Step, call: StepCall, deadline: float) -> Outcome:
        answer: Answer | None = None
        if call.attempt > 1:
            answer = await self._work(step, lambda: step.look(call))
        if answer is None:
            answer = await self._work(step, lambda: step.do(call))
        return await self._resolve(step, answer, deadline)

    async def _work(self, step: Step, function: Callable[[], Any]) -> Any:
        """In a worker thread, whose calls are sent only while the lease is held."""
        async with self.runner.lane(step):
            return await self.runner.workers.call(functools.partial(owned, self.hold.check, function))

    async def _resolve(self, step: Step, answer: Answer, deadline: float, *, stoppable: bool = True) -> Outcome:
        """Waits until the step has an outcome; `deadline` is monotonic."""
        while isinstance(answer, Waiting):
            then = answer.then
            outcome = await self._until_stopped(self.runner.watcher.wait(answer, deadline), stoppable=stoppable)
            if then is None:
                return outcome
            answer = await self._work(step, functools.partial(then, outcome.value))
        return answer

    async def _until_stopped(self, waiting: Awaitable[Outcome], *, stoppable: bool) -> Outcome:
        """The wait's outcome, unless the run stops, is cancelled or loses its lease meanwhile."""
        task = asyncio.ensure_future(waiting)
        stop = asyncio.ensure_future((self.stopping if stoppable else self.lost).wait())
        try:
            await asyncio.wait({task, stop}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                self._may_go_on() if stoppable else self._stay()
                raise _Stopped(self.operation)
            return task.result()
        finally:
            stop.cancel()
            task.cancel()

    def _stay(self) -> None:
        """Raises when this owner must not begin anything any more."""
        self.hold.check()
        if self.hold.leaving:
            raise HandedOver(f"operation {self.operation} is handed over")

    def _may_go_on(self) -> None:
        self._stay()
        who = self.asked_to_stop()
        if who is not None:
            raise Cancelled(f"Cancelled by {who}")
        if self.stopping.is_set():
            raise _Stopped(self.operation)

    async def _pause(self, seconds: float, *, unless: asyncio.Event) -> None:
        pause = asyncio.ensure_future(self.runner.clock.sleep(seconds))
        stop = asyncio.ensure_future(unless.wait())
        try:
            await asyncio.wait({pause, stop}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            pause.cancel()
            stop.cancel()

    # ------------------------------------------------------------------------------------------------ back

    async def _undo(self, node: Node) -> bool:
        """Takes back what was begun, youngest first. False when a barrier did not fall: nothing earlier may be undone."""
        if isinstance(node, Step):
            return await self._undo_step(node)
        if isinstance(node, Item):
            return await self._undo(node.body)
        if isinstance(node, Sequence):
            for child in reversed(node.nodes):
                if not await self._undo(child):
                    return False
            return True
        return all(await self._together(node, self._undo))

    async def _undo_step(self, step: Step) -> bool:
        if self._state(step.name) in (None, State.UNDONE):
            return True
        outcome = await self._take_back(step, step.undo)
        return outcome is not None or not step.barrier

    async def _take_back(self, step: Step, undo: Callable[[Any], Answer | None]) -> Outcome | None:
        """None when it could not be taken back: the journal says why."""
        self._stay()
        entry = self._undoing_of(step)
        if self._state(step.name) is not State.UNDOING:
            await self._write(entry)
        deadline = self.runner.clock.monotonic() + step.undo_timeout
        attempt = 0
        while True:
            attempt += 1
            self._stay()
            try:
                call = StepCall(self, step.name, attempt)
                answer = await self._work(step, functools.partial(undo, call))
                outcome = Outcome() if answer is None else await self._resolve(step, answer, deadline, stoppable=False)
                value = entry.value if outcome.value is None else outcome.value
                await self._write(dataclasses.replace(entry, state=State.UNDONE, value=value), changes=outcome.changes)
                return outcome
            except Fenced:
                raise
            except Exception as foreign:  # noqa: BLE001 - undo never raises: it ends in the journal and in the record
                error = self.runner.translate(foreign)
                if not self._worth_repeating(error, attempt, deadline):
                    self.runner.listener("undo_failed", self.operation, step.name, error=str(error))
                    failed = Entry(step.name, State.UNDO_FAILED, entry.value, str(error), error.resource_id)
                    await self._write(failed)
                    return None
            await self._pause(Retry().pause(attempt), unless=self.lost)

    def _undoing_of(self, step: Step) -> Entry:
        """Keeps what it answered, and why it failed; not why an earlier try to take it back has failed."""
        before = self.entries.get(step.name, Entry(step.name, State.UNDOING))
        if before.state is State.UNDO_FAILED:
            before = dataclasses.replace(before, error=None, resource_id=None)
        return dataclasses.replace(before, state=State.UNDOING)

    def _worth_repeating(self, error: StepError, attempt: int, deadline: float) -> bool:
        """Undo is patient with a world that does not answer, and short with one that says no (or does not come round in time)."""
        if isinstance(error, TimedOut) or self.runner.clock.monotonic() >= deadline:
            return False
        return error.retryable or attempt < Retry().attempts

    # ------------------------------------------------------------------------------------------------ journal

    async def _write(self, *entries: Entry, changes: tuple[Any, ...] = ()) -> None:
        """Durable when it returns. While the journal is away it is tried again, for as long as the lease lasts."""
        turning = [entry.state is State.STARTED for entry in entries if entry.step == UNDO]
        news = [self.record.note(entry) for entry in entries]
        visible = any(news) or bool(turning)
        while True:
            self.hold.check()
            undoing = turning[0] if turning else self.undoing
            # the record as it is now: another step may have written a newer one since the last try
            seen = self.runner.recorder(self.operation, self.record, undoing=undoing) if visible else ()
            try:
                await self.runner.commits.write(Write(self.operation, self.lease.epoch, entries, (*changes, *seen)))
                break
            except JournalUnavailable as error:
                self.runner.listener("journal_away", self.operation, entries[0].step, error=str(error))
                await self.runner.clock.sleep(1.0)
            except Fenced:
                self.hold.lose()  # nobody else of this run calls anything either
                raise
        for entry in entries:
            self.entries[entry.step] = entry
            self.runner.listener(str(entry.state), self.operation, entry.step)
