"""Equal questions share an answer that is never older than the question."""

import asyncio

import pytest

from siterecovery.kubevirt.clusters.together import Together


class Oracle:
    """Each `ask` is a number; it is answered when the test says so."""

    def __init__(self):
        self.open = []

    async def ask(self):
        answer = asyncio.get_running_loop().create_future()
        self.open.append(answer)
        return len(self.open), await answer


async def rest():
    for _ in range(5):
        await asyncio.sleep(0)


def test_who_comes_late_gets_the_next_answer():
    """What is on its way when the question is put may have been read before: one more is asked, for all who wait."""

    async def story():
        oracle, together = Oracle(), Together()
        first = asyncio.create_task(together("q", oracle.ask))
        await rest()
        late = [asyncio.create_task(together("q", oracle.ask)) for _ in range(3)]
        await rest()
        assert len(oracle.open) == 1, "one at a time"
        oracle.open[0].set_result("old")
        await rest()
        oracle.open[1].set_result("new")
        assert await first == (1, "old")
        assert await asyncio.gather(*late) == [(2, "new")] * 3
        return len(oracle.open)

    assert asyncio.run(story()) == 2


def test_other_questions_do_not_wait():
    async def story():
        oracle, together = Oracle(), Together()
        asked = [asyncio.create_task(together(question, oracle.ask)) for question in ("q", "r")]
        await rest()
        for answer in oracle.open:
            answer.set_result("it")
        return await asyncio.gather(*asked)

    assert asyncio.run(story()) == [(1, "it"), (2, "it")]


def test_an_error_is_everybodys_and_the_next_question_is_asked_anew():
    async def story():
        oracle, together = Oracle(), Together()
        asked = [asyncio.create_task(together("q", oracle.ask)) for _ in range(2)]
        await rest()
        oracle.open[0].set_exception(ValueError("no"))
        assert [str(found) for found in await asyncio.gather(*asked, return_exceptions=True)] == ["no", "no"]
        again = asyncio.create_task(together("q", oracle.ask))
        await rest()
        oracle.open[1].set_result("yes")
        return await again

    assert asyncio.run(story()) == (2, "yes")


def test_who_is_cancelled_takes_the_answer_from_nobody():
    """Not from those who ask with it, nor from those who wait for the next; an error that nobody waits for any more is not reported as forgotten."""
    forgotten = []

    async def story():
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: forgotten.append(context))
        oracle, together = Oracle(), Together()
        gone, stays = [asyncio.create_task(together("q", oracle.ask)) for _ in range(2)]
        await rest()
        late = asyncio.create_task(together("q", oracle.ask))
        await rest()
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        oracle.open[0].set_result("first")
        await rest()
        late.cancel()
        await rest()
        oracle.open[1].set_exception(ValueError("nobody hears it"))
        await rest()
        return await stays

    assert asyncio.run(story()) == (1, "first")
    assert forgotten == []
