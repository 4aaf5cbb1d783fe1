"""Rules of the house for every demo: one at a time in a directory, a signal ends it in good order, and a failure is told at the end."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Protocol, TypeVar

from sandbox.demo.comparing import Outcome
from sandbox.demo.screen import Screen
from sandbox.processes import ProcessError
from sandbox.statedir import only_one

_Stage = TypeVar("_Stage")
_ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Ended(BaseException):
    """Somebody ended the demo by a signal; a BaseException, so that nothing between takes it for a failure."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


def only_one_demo(state: Path) -> contextlib.AbstractContextManager[None]:
    """A second demo would clear the first one's stage."""
    return only_one(state / "demo.lock", f"a demo plays in {state} already; wait for it, or give another --state")


@contextlib.contextmanager
def signals_end_it() -> Iterator[None]:
    """The first signal ends the play; while the stage is cleared, further ones change nothing."""

    def end(number: int, frame: FrameType | None) -> None:
        for each in _ENDINGS:
            signal.signal(each, signal.SIG_IGN)
        raise Ended(number)

    # What is ignored already (nohup, a background job) stays ignored.
    heeded = [number for number in _ENDINGS if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, end) for number in heeded}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Tale(Protocol):
    """A story that can be told once."""

    outcomes: list[Outcome]

    def play(self) -> None:
        """ProcessError when it cannot go on."""


def perform(
    stage: contextlib.AbstractContextManager[_Stage], tale_on: Callable[[_Stage], Tale]
) -> tuple[Sequence[Outcome], ProcessError | None]:
    """How its moves came out, and what ended it early; the stage is cleared by then."""
    outcomes: list[Outcome] = []
    try:
        with stage as made:
            tale = tale_on(made)
            outcomes = tale.outcomes
            tale.play()
    except ProcessError as error:
        return outcomes, error
    return outcomes, None


def curtain(state: Path, screen: Screen, play: Callable[[], int]) -> int:
    """What `play` returns, 128 + n when signal n ended it."""
    with only_one_demo(state), signals_end_it():
        try:
            return play()
        except Ended as ended:
            screen.line(f"\nEnded by {ended}; nothing runs any more. Logs: {state / 'logs'}")
            return 128 + ended.number
