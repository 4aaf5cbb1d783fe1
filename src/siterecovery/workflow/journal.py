"""The journal: intent before the side effect, result after it.

An entry is written before a step's first call and after its last one. All writes carry the lease's fencing epoch and are refused
when it is no longer the newest, so a frozen owner that wakes up changes nothing. Writes of many steps share one commit.
"""

import asyncio
import collections
import copy
import dataclasses
import enum
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from siterecovery.workflow.clock import Clock
from siterecovery.workflow.step import JSON, Fenced, Unsettled

T = TypeVar("T")
RunInThread = Callable[[Callable[[], T]], Awaitable[T]]


class JournalUnavailable(Unsettled):
    """Nothing could be committed now: the database is away. The same write may be tried again."""


class State(enum.StrEnum):
    """Where a step stands in the journal."""

    STARTED = "started"
    """Its first call may have been sent."""
    DONE = "done"
    FAILED = "failed"
    """Its last try failed; it may have left something."""
    UNDOING = "undoing"
    UNDONE = "undone"
    UNDO_FAILED = "undo_failed"
    """It could not be taken back: `error` says what a person must do."""


@dataclasses.dataclass(frozen=True)
class Entry:
    """What is known about one step: one row, overwritten as the step moves on."""

    step: str
    state: State
    value: JSON = None
    error: str | None = None
    resource_id: str | None = None


@dataclasses.dataclass(frozen=True)
class Write:
    """Entries and the domain's own changes that must become true together."""

    operation: str
    epoch: int
    entries: tuple[Entry, ...]
    changes: tuple[Any, ...] = ()
    """Understood by the journal's owner only, e.g. callables that take a SQL connection."""


class Journal(Protocol):
    """Blocking; called in worker threads."""

    def load(self, operation: str) -> Mapping[str, Entry]:
        """All entries of the operation by step name, in the order of their first write."""
        ...

    def commit(self, writes: Sequence[Write]) -> Sequence[Exception | None]:
        """Commits all writes, each whole or not at all, in as few transactions as it can.

        One answer a write: None, `Fenced` where its epoch is not the newest, or what its changes raised.
        Raises when nothing could be committed (the database is away): the caller retries, so commits must be idempotent.
        """
        ...


class MemoryJournal:
    """A journal that lives as long as the process: for tests and for flows that need no durability.

    Changes are callables without arguments; what a write's changes did before one of them raised is not taken back."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: dict[str, dict[str, Entry]] = collections.defaultdict(dict)
        self._epochs: dict[str, int] = collections.defaultdict(int)

    def load(self, operation: str) -> Mapping[str, Entry]:
        with self._lock:
            return copy.deepcopy(dict(self._entries[operation]))

    def fence(self, operation: str, epoch: int) -> None:
        """From now on only writes of `epoch` are accepted (a lease was granted)."""
        with self._lock:
            self._epochs[operation] = epoch

    def commit(self, writes: Sequence[Write]) -> Sequence[Exception | None]:
        with self._lock:
            return [self._commit(write) for write in writes]

    def _commit(self, write: Write) -> Exception | None:
        newest = self._epochs[write.operation]
        if write.epoch != newest:
            return Fenced(f"operation {write.operation} is owned under epoch {newest}, not {write.epoch}")
        try:
            for change in write.changes:
                change()
        except Exception as error:  # noqa: BLE001 - answered for this write: its writer sees it
            return error
        for entry in write.entries:
            self._entries[write.operation][entry.step] = entry
        return None


LONGEST_GATHERING = 0.02
"""Seconds: also beside a slow database nobody waits longer for company."""


class GroupCommit:
    """Lets writes that come close together share one commit: while one is under way the next ones gather. After a shared one they gather for as long
    again: where many write, half of the time at most is spent on committing; a lone writer never waits."""

    def __init__(
        self,
        journal: Journal,
        in_thread: Callable[[Callable[[], Any]], Awaitable[Any]],
        clock: Clock,
        most: int = 500,
    ) -> None:
        self._journal = journal
        self._in_thread = in_thread
        self._clock = clock
        self._most = most
        self._waiting: collections.deque[tuple[Write, asyncio.Future[None]]] = collections.deque()
        self._task: asyncio.Task[None] | None = None

    async def write(self, write: Write) -> None:
        """Returns when the write is durable; raises what the journal answered for it."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((write, future))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._drain())
        await future

    async def _drain(self) -> None:
        await asyncio.sleep(0)  # one turn of the loop: whoever is ready now joins the first batch
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(self._most, len(self._waiting)))]
            writes = [write for write, _ in batch]
            began = self._clock.monotonic()
            try:
                answers = await self._in_thread(lambda writes=writes: self._journal.commit(writes))  # type: ignore[misc]
            except Exception as error:  # noqa: BLE001 - every writer of the batch sees it, and decides
                answers = [JournalUnavailable(f"the journal did not commit: {error}")] * len(batch)
            for (_, future), answer in zip(batch, answers, strict=True):
                if future.cancelled():
                    continue
                if answer is None:
                    future.set_result(None)
                else:
                    future.set_exception(answer)
            if len(batch) > 1:
                await self._clock.sleep(min(LONGEST_GATHERING, self._clock.monotonic() - began))
