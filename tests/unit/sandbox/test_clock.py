"""The world's clock: order, stepping and early waking."""

import asyncio

import pytest

from sandbox.clock import Clock


def test_timers_of_one_advance_run_in_order_at_their_own_instant() -> None:
    """Each timer sees its own due time, also one that another timer sets on the way."""
    clock = Clock(lambda: 1000.0)
    seen: list[tuple[str, float]] = []
    clock.call_later(20, lambda: seen.append(("late", clock.now())))

    def early() -> None:
        seen.append(("early", clock.now()))
        clock.call_later(5, lambda: seen.append(("between", clock.now())))

    clock.call_later(10, early)
    clock.advance(60)
    assert seen == [("early", 1010.0), ("between", 1015.0), ("late", 1020.0)]
    assert clock.now() == 1060.0


def test_cancelled_timer_stays_silent() -> None:
    """A cancelled timer never runs."""
    clock = Clock(lambda: 0.0)
    seen: list[int] = []
    clock.call_later(1, lambda: seen.append(1)).cancel()
    clock.advance(2)
    assert seen == []


def test_time_never_goes_back() -> None:
    """A negative advance is refused and changes nothing."""
    clock = Clock(lambda: 5.0)
    with pytest.raises(ValueError, match="cannot go back"):
        clock.advance(-1)
    assert clock.now() == 5.0


def test_advance_wakes_a_sleeper_early() -> None:
    """A sleeper of an hour wakes as soon as the world's hour has passed."""

    async def scenario() -> None:
        clock = Clock()
        sleeper = asyncio.create_task(clock.sleep(3600))
        await asyncio.sleep(0)
        clock.advance(3601)
        await asyncio.wait_for(sleeper, 1)

    asyncio.run(scenario())


def test_real_time_fires_timers_set_before_the_loop_ran() -> None:
    """After `attach` a timer set without a loop fires by itself."""
    clock = Clock()
    fired = asyncio.Event()
    clock.call_later(0.01, fired.set)

    async def scenario() -> None:
        clock.attach()
        await asyncio.wait_for(fired.wait(), 1)

    asyncio.run(scenario())
