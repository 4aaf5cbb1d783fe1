"""What is asked once for many."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from siterecovery.protector.clouds.memory import Memory
from siterecovery.protector.domain.errors import CloudBusy


def test_an_answer_lasts_its_time() -> None:
    """Within a minute nothing is asked again; after it the world is looked at anew."""
    now, asked = [0.0], iter(range(10))
    memory = Memory(60.0, lambda: now[0])
    assert [memory.get("x", lambda: next(asked)) for _ in range(3)] == [0, 0, 0]
    now[0] = 60.0
    assert memory.get("x", lambda: next(asked)) == 1
    assert memory.get("y", lambda: next(asked)) == 2


def test_failures_and_noes_are_not_remembered() -> None:
    """An error, or an answer not worth keeping, is asked for again."""
    memory, answers = Memory(), iter([False, True])

    def fail() -> bool:
        raise CloudBusy("later")

    with pytest.raises(CloudBusy):
        memory.get("x", fail)
    assert [memory.get("x", lambda: next(answers), keep=bool) for _ in range(3)] == [False, True, True]


def test_many_who_ask_at_once_share_one_question() -> None:
    """Sixteen threads, one call."""
    memory, asked, together = Memory(), [0], threading.Barrier(16, timeout=5)

    def ask() -> int:
        asked[0] += 1
        return asked[0]

    def one(_: int) -> int:
        together.wait()
        return memory.get("x", ask)

    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(one, range(16))) == {1}
