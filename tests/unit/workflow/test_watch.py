"""A thousand waiters, one list call: how often it is read, and who hears what."""

import asyncio
import datetime
import itertools
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest

from siterecovery.workflow.step import Outcome, Refused, StepError, TimedOut, Unsettled, Waiting
from siterecovery.workflow.watch import Pace, Watcher
from support.workflow.loop import run_virtually


class LoopClock:
    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    def now(self) -> datetime.datetime:
        return datetime.datetime.fromtimestamp(self.monotonic(), datetime.UTC)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class Listed:
    """A list that is read in `cost` seconds; `states` come true at their hour. Raises what stands in `trouble` first."""

    def __init__(self, key: str = "servers", cost: float = 0.0) -> None:
        self._key, self.cost = key, cost
        self.ready: dict[str, float] = {}
        self.trouble: list[Exception] = []
        self.reads: list[tuple[float, frozenset[str]]] = []

    @property
    def key(self) -> str:
        return self._key

    def read(self, subjects: frozenset[str]) -> Mapping[str, Any]:
        now = asyncio.get_running_loop().time()
        self.reads.append((now, subjects))
        if self.trouble:
            raise self.trouble.pop(0)
        return {name: now >= hour for name, hour in self.ready.items() if name in subjects}


def watcher(topic: Listed, **options: Any) -> Watcher:
    async def read(function: Callable[[], Any]) -> Any:
        await asyncio.sleep(topic.cost)
        return function()

    def in_thread(function: Callable[[], Any]) -> Awaitable[Any]:
        return read(function)

    return Watcher(LoopClock(), in_thread, translate=translate, **options)


def translate(error: Exception) -> StepError:
    return error if isinstance(error, StepError) else Refused(f"{type(error).__name__}: {error}")


def until_ready(seen: bool | None) -> Outcome | None:
    if seen is None:
        raise Refused("it is gone")
    return Outcome(asyncio.get_running_loop().time()) if seen else None


def waiting(topic: Listed, name: str) -> Waiting:
    return Waiting(topic, name, until_ready)


def test_the_pause_grows_with_the_wait() -> None:
    """What takes long is asked for less often: waiting costs a few per cent of what is waited for, at both ends of the scale."""
    topic = Listed()
    topic.ready = {"quick": 0.5, "slow": 600.0}

    async def work() -> tuple[float, int, float]:
        watch = watcher(topic, pace=Pace(shortest=0.1, longest=2.0, fraction=0.04))
        quick = (await watch.wait(waiting(topic, "quick"), 1e9)).value
        reads = len(topic.reads)
        slow = (await watch.wait(waiting(topic, "slow"), 1e9)).value
        return quick, reads, slow

    quick, reads, slow = run_virtually(work())
    assert 0.5 <= quick <= 0.61
    assert reads <= 7
    assert 600 <= slow <= 602
    assert len(topic.reads) < 450


def test_topics_of_one_key_share_a_poller() -> None:
    """Two operations' own topic objects lead to one reading when they mean the same list, and to two when they do not."""
    first, same, other = Listed("a"), Listed("a"), Listed("b")
    for topic in (first, same, other):
        topic.ready = {"x": 5.0, "y": 5.0, "z": 5.0}

    async def work() -> None:
        watch = watcher(first)
        await asyncio.gather(
            watch.wait(waiting(first, "x"), 1e9),
            watch.wait(waiting(same, "y"), 1e9),
            watch.wait(waiting(other, "z"), 1e9),
        )

    run_virtually(work())
    assert (len(same.reads), other.reads[0][1]) == (0, frozenset({"z"}))
    assert first.reads[-1][1] == frozenset({"x", "y"})


def test_a_newcomer_is_not_kept_waiting() -> None:
    """Somebody who joins old waiters has reason to expect its answer soon."""
    topic = Listed()
    topic.ready = {"old": 300.0, "new": 0.0}

    async def work() -> float:
        watch = watcher(topic)
        old = asyncio.ensure_future(watch.wait(waiting(topic, "old"), 1e9))
        await asyncio.sleep(150.5)
        joined = asyncio.get_running_loop().time()
        found = float((await watch.wait(waiting(topic, "new"), 1e9)).value)
        await old
        return found - joined

    assert run_virtually(work()) < 0.5


def test_a_long_list_is_left_alone() -> None:
    """However many join, a list is not read again before twice its own cost has passed."""
    topic = Listed(cost=3.0)
    topic.ready = {f"s{n}": 60.0 for n in range(30)}

    async def work() -> None:
        watch = watcher(topic)
        tasks = []
        for n in range(30):
            tasks.append(asyncio.ensure_future(watch.wait(waiting(topic, f"s{n}"), 1e9)))
            await asyncio.sleep(1.0)
        await asyncio.gather(*tasks)

    run_virtually(work())
    hours = [hour for hour, _ in topic.reads]
    assert all(later - earlier >= 9.0 for earlier, later in itertools.pairwise(hours))


def test_each_hears_what_concerns_it() -> None:
    """One is gone, one is ready, one's observer breaks, one's time is over: nobody else is disturbed."""
    topic = Listed()
    topic.ready = {"ready": 1.0, "odd": 0.0, "never": 1e9}

    def broken(seen: Any) -> Outcome:
        raise ZeroDivisionError("a bug")

    async def work() -> list[Any]:
        watch = watcher(topic)
        waits = [(waiting(topic, "gone"), 1e9), (waiting(topic, "ready"), 1e9), (Waiting(topic, "odd", broken), 1e9)]
        waits.append((waiting(topic, "never"), 7.0))
        return await asyncio.gather(*(watch.wait(*each) for each in waits), return_exceptions=True)

    gone, ready, odd, never = run_virtually(work())
    assert isinstance(gone, Refused)
    assert isinstance(ready, Outcome)
    assert "ZeroDivisionError" in str(odd)
    assert isinstance(never, TimedOut)
    assert "never did not get there in time" in str(never)


def test_a_list_that_cannot_be_read_now_is_read_again() -> None:
    """A cloud that does not answer for a moment fails nobody."""
    topic = Listed()
    topic.ready = {"x": 0.0}
    topic.trouble = [Unsettled("busy"), Unsettled("busy")]
    watched: list[Outcome] = []

    async def work() -> None:
        watched.append(await watcher(topic).wait(waiting(topic, "x"), 60.0))

    run_virtually(work())
    assert (len(watched), len(topic.reads)) == (1, 3)


def test_a_list_that_is_refused_fails_all_who_wait() -> None:
    """What the world would say again is said at once, to everybody."""
    topic = Listed()
    topic.trouble = [Refused("forbidden")]

    async def work() -> list[Any]:
        watch = watcher(topic)
        waits = (watch.wait(waiting(topic, name), 60.0) for name in ("x", "y"))
        return await asyncio.gather(*waits, return_exceptions=True)

    assert [str(answer) for answer in run_virtually(work())] == ["forbidden", "forbidden"]


def test_a_list_that_never_answers_ends_at_the_deadline() -> None:
    """The last reason is what the waiter hears when its time is over."""
    topic = Listed()
    topic.trouble = [Unsettled("no route to host") for _ in range(1000)]

    async def work() -> float:
        with pytest.raises(Unsettled, match="no route"):
            await watcher(topic).wait(waiting(topic, "x"), 30.0)
        return asyncio.get_running_loop().time()

    assert 30.0 <= run_virtually(work()) <= 32.0


def test_whoever_gives_up_is_asked_for_no_more() -> None:
    """A waiter that was cancelled disappears from the next reading, and with the last one the poller ends."""
    topic = Listed()
    topic.ready = {"x": 1e9, "y": 20.0}

    async def work() -> int:
        watch = watcher(topic)
        gone = asyncio.ensure_future(watch.wait(waiting(topic, "x"), 1e9))
        stays = asyncio.ensure_future(watch.wait(waiting(topic, "y"), 1e9))
        await asyncio.sleep(5)
        gone.cancel()
        await stays
        alone = asyncio.ensure_future(watch.wait(waiting(topic, "x"), 1e9))
        await asyncio.sleep(5)
        alone.cancel()
        await asyncio.sleep(5)
        reads = len(topic.reads)
        await asyncio.sleep(100)
        return len(topic.reads) - reads

    assert run_virtually(work()) == 0
    assert frozenset({"y"}) in [subjects for _, subjects in topic.reads]
