"""The agent looks at what changed: once for many changes, again after a failure, never at two copies of one key at once."""

import asyncio
from typing import Any

import pytest

from sandbox.kubernetes.agent.conditions import condition, is_true, merged
from sandbox.kubernetes.agent.queue import Key, WorkQueue
from sandbox.kubernetes.agent.tables import Table
from sandbox.kubernetes.client import ApiError, Conflict, Missing

POD: Key = ("pod", "shop/web")


async def _worked(queue: WorkQueue, done: asyncio.Event) -> None:
    task = asyncio.create_task(queue.run())
    await asyncio.wait_for(done.wait(), 10)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def test_many_changes_are_one_look() -> None:
    """A key that is added again before it was looked at is looked at once."""
    looks: list[Key] = []

    async def play() -> None:
        done = asyncio.Event()

        async def look(key: Key) -> float | None:
            looks.append(key)
            if key == ("pod", "last"):
                done.set()
            return None

        queue = WorkQueue(look)
        for key in (POD, POD, POD, ("pod", "last")):
            queue.add(key)
        await _worked(queue, done)

    asyncio.run(play())
    assert looks == [POD, ("pod", "last")]


def test_change_during_a_look_is_looked_at_after_it() -> None:
    """A key is never looked at twice at the same time, and no change is lost."""
    at_once, most, looks = 0, 0, 0

    async def play() -> None:
        done = asyncio.Event()

        async def look(key: Key) -> float | None:
            nonlocal at_once, most, looks
            at_once, looks = at_once + 1, looks + 1
            most = max(most, at_once)
            if looks == 1:
                queue.add(POD)
            await asyncio.sleep(0)
            at_once -= 1
            if looks == 2:
                done.set()
            return None

        queue = WorkQueue(look)
        queue.add(POD)
        await _worked(queue, done)

    asyncio.run(play())
    assert (looks, most) == (2, 1)


@pytest.mark.parametrize(
    ("failure", "again"),
    [
        (Conflict(409, "Conflict", "changed"), True),
        (ApiError(500, "InternalError", "webhook"), True),
        (OSError("refused"), True),
        (TimeoutError(), True),
        (Missing(404, "NotFound", "gone"), False),
    ],
)
def test_failure_is_looked_at_again(failure: Exception, again: bool) -> None:
    """What is gone is left; anything else is tried again."""

    async def play() -> float | None:
        async def look(key: Key) -> float | None:
            raise failure

        return await WorkQueue(look)._guarded(POD)

    assert (asyncio.run(play()) is not None) == again


def item(name: str, **more: Any) -> dict[str, Any]:
    return {"metadata": {"namespace": "shop", "name": name}, **more}


def test_relist_tells_what_went_while_nobody_watched() -> None:
    """After a gap, what is not in the new list is told as changed, as it was last."""
    told: list[tuple[str, str]] = []
    table = Table("/pods", lambda key, pod: told.append((key, pod.get("state", ""))))
    table.replace([item("a", state="old"), item("b", state="old")])
    told.clear()

    table.replace([item("b", state="new")])

    assert told == [("shop/a", "old"), ("shop/b", "new")]
    assert list(table.items) == ["shop/b"]


def test_answer_of_a_write_does_not_bring_back_what_is_gone() -> None:
    """An object that was deleted meanwhile stays deleted."""
    table = Table("/pods", lambda key, pod: None)
    table.replace([item("a")])
    table.change("DELETED", item("a"))
    table.put(item("a", state="late"))
    assert table.items == {}


def test_condition_keeps_its_time_while_nothing_changes() -> None:
    """lastTransitionTime moves only with the condition; others are left alone."""
    first = merged({}, [condition("Ready", True)])
    before = {"conditions": [{**first[0], "lastTransitionTime": "2026-01-01T00:00:00Z"}]}

    same = merged(before, [condition("Ready", True)])
    changed = merged(before, [condition("Ready", False, "Gone", "it left")])

    assert same == before["conditions"]
    assert changed[0]["lastTransitionTime"] != "2026-01-01T00:00:00Z"
    assert not is_true({"conditions": changed}, "Ready")
    assert merged(before, [], without=["Ready"]) == []
