"""`sandbox demo`: raise the curtain, play, sum up, and leave no process behind."""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from sandbox.demo.screen import RED, Screen
from sandbox.demo.stage import stage
from sandbox.demo.story import Story
from sandbox.demo.verdicts import Outcome
from sandbox.processes import ProcessError

_ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Ended(BaseException):
    """Somebody ended the demo by a signal; a BaseException, so that nothing between takes it for a failure."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where it plays."""
    default = Path(os.environ.get("SANDBOX_STATE", ".sandbox")) / "demo"
    parser.add_argument("--state", type=Path, default=default, help=f"directory for its logs (default: {default})")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """0 when every comparison held, 1 when not or when something failed, 128 + n when signal n ended it."""
    state: Path = arguments.state
    screen = Screen(sys.stdout)
    with _only_one(state), _signals_end_it():
        try:
            outcome = _play(state, screen)
        except Ended as ended:
            screen.line(f"\nEnded by {ended}; nothing runs any more. Logs: {state / 'logs'}")
            return 128 + ended.number
    return outcome


def _play(state: Path, screen: Screen) -> int:
    screen.prose("Site Recovery on a pretend world: nothing outside this directory is touched. Ctrl-C ends everything.")
    screen.aside("Starting two OpenStack clouds, two FlashArrays and two Protectors ...")
    outcomes: list[Outcome] = []
    error: ProcessError | None = None
    try:
        with stage(state, screen) as made:
            story = Story(made)
            outcomes = story.outcomes
            story.play()
    except ProcessError as failure:
        error = failure
    _sum_up(state, screen, outcomes, error)
    return 1 if error or screen.failed else 0


def _sum_up(state: Path, screen: Screen, outcomes: list[Outcome], error: ProcessError | None) -> None:
    title = "It did not end well" if error or screen.failed else "Survived"
    screen.act(title, "What it cost, as the pretend world saw it:")
    rows = [(outcome.title, outcome.silence, outcome.lost) for outcome in outcomes]
    screen.table(("move", "VMs without service for", "lost"), rows)
    held = len(screen.verdicts) - len(screen.failed)
    screen.line(f"{held} of {len(screen.verdicts)} comparisons held; {screen.elapsed:.0f} s in all.")
    for text in screen.failed:
        screen.line(f"Did not hold: {text}", RED)
    if error:
        screen.line(f"Stopped early: {error}", RED)
    screen.line(f"Everything has been stopped. Logs of all processes: {state / 'logs'}")
    screen.line("To play yourself: make sandbox-up, then follow docs/tutorial.md")


@contextlib.contextmanager
def _only_one(state: Path) -> Iterator[None]:
    """A second demo would clear the first one's stage."""
    state.mkdir(parents=True, exist_ok=True)
    with (state / "demo.lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ProcessError(f"a demo plays in {state} already; wait for it, or give another --state") from error
        yield


@contextlib.contextmanager
def _signals_end_it() -> Iterator[None]:
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
