"""The work queue."""

import asyncio
import logging

import pytest

from siterecovery.kubevirt.clusters import base
from siterecovery.kubevirt.clusters.queue import WorkQueue


class Desk:
    """Works on keys as it is told, and keeps what happened."""

    def __init__(self, answers=()):
        self.done, self.at_once, self.most = [], 0, 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.answers = list(answers)
        self.worked = asyncio.Condition()

    async def work(self, key):
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        await self.gate.wait()
        self.at_once -= 1
        async with self.worked:
            self.done.append(key)
            self.worked.notify_all()
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def until(self, count):
        async with asyncio.timeout(5), self.worked:
            await self.worked.wait_for(lambda: len(self.done) >= count)


def play(story, **options):
    async def scene():
        queue, desk = WorkQueue(**options), Desk()
        running = asyncio.create_task(queue.run(desk.work, 4))
        try:
            await story(queue, desk)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        return desk

    return asyncio.run(scene())


def test_a_key_waits_once():
    """However often a key is added before it is worked on, it is worked on once."""

    async def story(queue, desk):
        for key in ("a", "a", "b", "a"):
            queue.add(key)
        await desk.until(2)
        assert len(queue) <= 1

    assert sorted(play(story).done) == ["a", "b"]


def test_a_key_is_never_worked_on_twice_at_a_time():
    """A key added while it is worked on comes again afterwards, not beside."""

    async def story(queue, desk):
        desk.gate.clear()
        queue.add("a")
        while not desk.at_once:
            await asyncio.sleep(0)
        queue.add("a")
        queue.add("a")
        await asyncio.sleep(0)
        desk.gate.set()
        await desk.until(2)

    desk = play(story)
    assert (desk.done, desk.most) == (["a", "a"], 1)


def test_different_keys_are_worked_on_at_a_time():
    """Workers take different keys at once."""

    async def story(queue, desk):
        desk.gate.clear()
        for key in "abc":
            queue.add(key)
        while desk.at_once < 3:
            await asyncio.sleep(0)
        desk.gate.set()
        await desk.until(3)

    assert play(story).most == 3


def test_what_fails_comes_back():
    """A failure brings the key back, and no other key is stopped by it."""

    async def story(queue, desk):
        desk.answers = [ValueError("no"), ValueError("no")]
        queue.add("a")
        await desk.until(3)
        queue.add("b")
        await desk.until(4)

    assert play(story, first=0.001).done == ["a", "a", "a", "b"]


@pytest.mark.parametrize(
    ("error", "traceback"), [(base.Unreachable("cluster1: no connection"), False), (ValueError("a bug"), True)]
)
def test_a_cluster_that_is_away_is_told_in_a_sentence(caplog, error, traceback):
    """Only what nobody foresaw leaves a traceback: an operator who looks for the cause of an outage reads sentences."""

    async def story(queue, desk):
        desk.answers = [error]
        queue.add("pg-a")
        await desk.until(2)

    with caplog.at_level(logging.WARNING):
        play(story, first=0.001)
    (record,) = caplog.records
    assert bool(record.exc_info) is traceback
    assert "pg-a" in record.getMessage()
    assert traceback or str(error) in record.getMessage()


def test_work_may_ask_to_look_again():
    """The seconds that work answers bring the key back; the soonest wish wins."""

    async def story(queue, desk):
        desk.answers = [0.001]
        queue.add("a")
        queue.add_after("b", 3600)
        queue.add_after("b", 0.001)
        queue.add_after("b", 3600)
        await desk.until(3)

    assert sorted(play(story).done) == ["a", "a", "b"]


def test_pauses_grow_to_their_limit():
    """A key that goes on failing is asked later and later, up to the longest pause."""
    queue = WorkQueue(first=1.0, longest=5.0)
    assert [queue._pause("a") for _ in range(5)] == [1.0, 2.0, 4.0, 5.0, 5.0]
