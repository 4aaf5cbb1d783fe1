"""How often the poller reads."""

import asyncio
from collections.abc import Hashable, Mapping
from typing import Any

from siterecovery.workflow.step import Outcome, StepError, Waiting
from siterecovery.workflow.watch import Pace, Watcher
from support.virtual import InlineWorkers, VirtualClock


class SlowList:
    """A list whose reading takes `cost` seconds, with one more thing that is done at each hour."""

    def __init__(self, clock: VirtualClock, cost: float) -> None:
        self.clock = clock
        self.cost = cost
        self.began: list[float] = []

    @property
    def key(self) -> Hashable:
        return "slow"

    def read(self, subjects: frozenset[str]) -> Mapping[str, Any]:
        self.began.append(self.clock.time)
        self.clock.time += self.cost
        return {subject: self.clock.time >= float(subject) for subject in subjects}


def test_a_long_list_is_left_alone_twice_as_long_as_it_takes() -> None:
    """Whoever joins shortens the pause, but reading never takes more than a third of the time."""
    clock = VirtualClock()
    topic = SlowList(clock, cost=1.0)
    watcher = Watcher(clock, InlineWorkers().poll, translate=lambda e: StepError(str(e)), pace=Pace(0.1, 2.0, 0.04))

    async def waits(start: float, until: float) -> None:
        await clock.sleep(start)
        done = Waiting(topic, str(until), lambda seen: Outcome() if seen else None)
        await watcher.wait(done, deadline=1000.0)

    async def crowd() -> None:
        await asyncio.gather(*(waits(0.3 * number, 0.3 * number + 5) for number in range(40)))

    asyncio.run(crowd())
    pauses = [later - earlier for earlier, later in zip(topic.began, topic.began[1:], strict=False)]
    assert min(pauses) >= 3.0
    assert len(topic.began) <= 8
