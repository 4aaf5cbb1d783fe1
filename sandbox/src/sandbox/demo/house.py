"""Rules of the house for every demo: one at a time in a directory, and a signal ends it in good order."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from sandbox.statedir import only_one

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
