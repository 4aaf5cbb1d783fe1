"""Waiting for accepted work, patient with an API that goes away for a while.

A site that fails over may take its own API down with it; the work goes on, so the waiting does too.
"""

import dataclasses
import time
from collections.abc import Callable
from typing import TypeVar

from protectorclient import exceptions

T = TypeVar("T")

SILENCE = (exceptions.SiteUnreachable, exceptions.ServerError, exceptions.TooManyRequests)
"""What may pass by itself: nobody answered, or somebody in between did."""


@dataclasses.dataclass(frozen=True)
class Pace:
    """How to wait. All in seconds; `timeout` None is without end, `grace` is how long nobody may answer."""

    interval: float = 2.0
    timeout: float | None = None
    grace: float = 600.0
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


def until(
    read: Callable[[], T],
    done: Callable[[T], bool],
    pace: Pace,
    *,
    what: str,
    on_read: Callable[[T], None] = lambda _: None,
    on_silence: Callable[[exceptions.ProtectorClientError], None] = lambda _: None,
) -> T:
    """The first thing read that is `done`. `what` names it in the error when the time is over.

    The first looks come sooner: what is done at once should not cost a whole interval.
    """
    start = last_answer = pace.clock()
    delay = pace.interval / 8
    while True:
        try:
            value = read()
        except SILENCE as error:
            if pace.clock() - last_answer > pace.grace:
                raise
            on_silence(error)
        else:
            last_answer = pace.clock()
            on_read(value)
            if done(value):
                return value
        if pace.timeout is not None and pace.clock() - start >= pace.timeout:
            raise exceptions.WaitTimedOut(
                f"{what} was not over after {pace.timeout:g} s; it goes on without being watched",
                remedy="Look at it again later, or give a longer --timeout.",
            )
        pace.sleep(delay)
        delay = min(delay * 2, pace.interval)
