"""Writes that come close together share one commit; each hears its own answer."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import pytest

from siterecovery.workflow.clock import SystemClock
from siterecovery.workflow.journal import Entry, GroupCommit, JournalUnavailable, MemoryJournal, State, Write
from siterecovery.workflow.step import Fenced


def write(step: str, epoch: int = 1, *changes: Callable[[], None]) -> Write:
    return Write("op", epoch, (Entry(step, State.DONE),), changes)


class Counting:
    """A memory journal that counts its commits, and can be away."""

    def __init__(self) -> None:
        self.journal, self.batches, self.away = MemoryJournal(), [], False  # type: tuple[MemoryJournal, list[int], bool]
        self.journal.fence("op", 1)

    def load(self, operation: str) -> Mapping[str, Entry]:
        return self.journal.load(operation)

    def commit(self, writes: Sequence[Write]) -> Sequence[Exception | None]:
        self.batches.append(len(writes))
        if self.away:
            raise ConnectionError("gone away")
        return self.journal.commit(writes)


class Door:
    """Lets a commit through when the test opens it."""

    def __init__(self) -> None:
        self.open = asyncio.Event()

    def __call__(self, function: Callable[[], Any]) -> Awaitable[Any]:
        async def work() -> Any:
            await self.open.wait()
            return function()

        return work()


def test_what_comes_while_one_is_under_way_gathers() -> None:
    """A thousand steps that finish together cost a few commits, no more of them in one than `most`."""

    async def work() -> list[int]:
        journal, door = Counting(), Door()
        commits = GroupCommit(journal, door, SystemClock(), most=4)
        first = asyncio.ensure_future(commits.write(write("first")))
        for _ in range(3):
            await asyncio.sleep(0)
        others = [asyncio.ensure_future(commits.write(write(f"s{n}"))) for n in range(6)]
        await asyncio.sleep(0)
        door.open.set()
        await asyncio.gather(first, *others)
        await commits.write(write("last"))
        return journal.batches

    assert asyncio.run(work()) == [1, 4, 2, 1]


class Ticking(SystemClock):
    """Each look at it is `step` seconds later; it notes for how long it was asked to sleep."""

    def __init__(self, step: float) -> None:
        self.time, self.step, self.slept = 0.0, step, []  # type: tuple[float, float, list[float]]

    def monotonic(self) -> float:
        self.time += self.step
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(0)


@pytest.mark.parametrize(("took", "gathered"), [(0.005, 0.005), (3.0, 0.02)])
def test_writers_gather_after_a_shared_commit(took: float, gathered: float) -> None:
    """For as long as it took, within reason; whoever writes alone waits for nobody, so that one VM's move is not slowed down."""

    async def work() -> list[float]:
        journal, door, clock = Counting(), Door(), Ticking(took)
        door.open.set()
        commits = GroupCommit(journal, door, clock)
        await commits.write(write("alone"))
        assert clock.slept == []
        await asyncio.gather(*(commits.write(write(f"s{n}")) for n in range(3)))
        await commits.write(write("last"))
        assert journal.batches == [1, 3, 1]
        return clock.slept

    assert asyncio.run(work()) == [pytest.approx(gathered)]


def test_each_hears_its_own_answer() -> None:
    """A fenced write and one whose changes raise spoil nobody else's, in a batch of their own making."""

    def refuse() -> None:
        raise LookupError("the row is gone")

    async def work() -> list[Any]:
        journal, door = Counting(), Door()
        commits = GroupCommit(journal, door, SystemClock())
        writes = [write("a"), write("b", 9), write("c", 1, refuse), write("d")]
        waiting = [asyncio.ensure_future(commits.write(each)) for each in writes]
        door.open.set()
        answers = await asyncio.gather(*waiting, return_exceptions=True)
        assert journal.batches == [4]
        assert list(journal.load("op")) == ["a", "d"]
        return answers

    answers = asyncio.run(work())
    assert [type(answer) for answer in answers] == [type(None), Fenced, LookupError, type(None)]


def test_a_journal_that_is_away_is_said_to_everybody() -> None:
    """Nothing was committed: each writer hears it, and may try again."""

    async def work() -> None:
        journal, door = Counting(), Door()
        journal.away = True
        door.open.set()
        commits = GroupCommit(journal, door, SystemClock())
        for _ in range(2):
            with pytest.raises(JournalUnavailable, match="did not commit: gone away"):
                await commits.write(write("a"))
        journal.away = False
        await commits.write(write("a"))
        assert list(journal.load("op")) == ["a"]

    asyncio.run(work())


def test_a_writer_that_gives_up_spoils_no_other() -> None:
    """Its write is committed all the same; nobody hears of it."""

    async def work() -> list[str]:
        journal, door = Counting(), Door()
        commits = GroupCommit(journal, door, SystemClock())
        gone, there = (asyncio.ensure_future(commits.write(write(step))) for step in ("gone", "there"))
        for _ in range(3):
            await asyncio.sleep(0)
        gone.cancel()
        door.open.set()
        await there
        return list(journal.load("op"))

    assert asyncio.run(work()) == ["gone", "there"]


def test_what_is_loaded_is_nobody_elses() -> None:
    """Whoever changes a loaded value changes no journal."""
    journal = MemoryJournal()
    journal.fence("op", 1)
    journal.commit([Write("op", 1, (Entry("a", State.DONE, value={"ids": [1]}),))])
    journal.load("op")["a"].value["ids"].append(2)
    assert journal.load("op")["a"].value == {"ids": [1]}
