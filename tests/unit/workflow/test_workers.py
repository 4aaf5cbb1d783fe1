"""Worker threads: a door for each use, and a shutdown that leaves nothing half done."""

import asyncio
import threading

import pytest

from siterecovery.workflow.clock import SystemClock
from siterecovery.workflow.workers import ThreadWorkers


def test_slow_calls_starve_neither_polls_nor_the_journal() -> None:
    """With every calling thread taken, lists are read and entries are committed."""

    async def work() -> list[str]:
        workers, release = ThreadWorkers(calls=1, polls=1, commits=1), threading.Event()
        slow = [asyncio.ensure_future(workers.call(release.wait)) for _ in range(3)]
        try:
            found = [await workers.poll(lambda: threading.current_thread().name)]
            found.append(await workers.commit(lambda: threading.current_thread().name))
        finally:
            release.set()
        await asyncio.gather(*slow)
        workers.close()
        return [name.partition("_")[0] for name in found]

    assert asyncio.run(work()) == ["poll", "journal"]


def test_closing_waits_for_the_call_under_way_and_begins_no_other() -> None:
    """What was sent is heard out; what still stood in the queue is given up; what comes later is refused."""
    began, release, done = threading.Event(), threading.Event(), list[str]()

    def slow() -> None:
        began.set()
        release.wait(20)
        done.append("first")

    async def work() -> tuple[bool, bool]:
        workers = ThreadWorkers(calls=1)
        first = asyncio.ensure_future(workers.call(slow))
        second = asyncio.ensure_future(workers.call(lambda: done.append("second")))
        await asyncio.to_thread(began.wait, 20)
        closing = asyncio.ensure_future(asyncio.to_thread(workers.close))
        await asyncio.wait({second}, timeout=20)
        release.set()
        await closing
        await asyncio.wait({first})
        with pytest.raises(RuntimeError, match="after shutdown"):
            workers.call(slow)
        return first.done() and not first.cancelled(), second.cancelled()

    assert asyncio.run(work()) == (True, True)
    assert done == ["first"]


def test_the_machines_clock_goes_forward() -> None:
    """Deadlines are counted on the one, records are dated by the other, in UTC; a pause may be negative."""
    clock = SystemClock()
    before = clock.monotonic()
    asyncio.run(clock.sleep(-1))
    assert clock.monotonic() >= before
    assert clock.now().utcoffset() is not None
    assert not clock.now().utcoffset()
