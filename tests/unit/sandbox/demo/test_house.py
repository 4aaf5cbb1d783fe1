"""How every demo ends: what failed is told, and only a story without a broken comparison is a success."""

import contextlib
import io
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sandbox.demo.comparing import Outcome, sum_up
from sandbox.demo.house import curtain, perform
from sandbox.demo.screen import Screen
from sandbox.processes import ProcessError


class Tale:
    """One move, then whatever `then` does."""

    def __init__(self, then: Callable[[], None]) -> None:
        self.outcomes: list[Outcome] = []
        self._then = then

    def play(self) -> None:
        self.outcomes.append(Outcome("away", "3 s", "nothing"))
        self._then()


class Stage:
    """Remembers that it was cleared."""

    def __init__(self) -> None:
        self.cleared = False

    @contextlib.contextmanager
    def __call__(self) -> Iterator["Stage"]:
        try:
            yield self
        finally:
            self.cleared = True


def played(screen: Screen, then: Callable[[], None], stage: Stage) -> int:
    outcomes, error = perform(stage(), lambda made: Tale(then))
    return sum_up(screen, outcomes, error, seen_by="nobody", logs=Path("logs"), more="Play on.")


@pytest.fixture
def screen() -> Screen:
    return Screen(io.StringIO())


def said(screen: Screen) -> str:
    assert isinstance(screen.stream, io.StringIO)
    return screen.stream.getvalue()


def test_a_story_that_holds_is_a_success(screen: Screen) -> None:
    """0, with its moves in the summary."""
    assert played(screen, lambda: screen.verdict(True, "all runs"), Stage()) == 0
    assert "Survived" in said(screen)
    assert "1 of 1 comparisons held" in said(screen)
    assert "away" in said(screen)


def test_a_broken_comparison_is_told_again_at_the_end(screen: Screen) -> None:
    """1, though no command failed."""
    assert played(screen, lambda: screen.verdict(False, "nothing was lost"), Stage()) == 1
    assert "Did not hold: nothing was lost" in said(screen)


def test_a_failed_command_ends_the_story_early(screen: Screen) -> None:
    """1, with its words, the moves until then, and a cleared stage."""

    def fail() -> None:
        raise ProcessError("`pgctl failover` ended with exit status 1")

    stage = Stage()
    assert played(screen, fail, stage) == 1
    assert stage.cleared
    assert "Stopped early: `pgctl failover` ended with exit status 1" in said(screen)
    assert "away" in said(screen)


def test_a_signal_ends_it_and_clears_the_stage(screen: Screen, tmp_path: Path) -> None:
    """128 and its number, as a shell has it."""
    stage = Stage()
    ended = curtain(tmp_path, screen, lambda: played(screen, lambda: signal.raise_signal(signal.SIGTERM), stage))
    assert ended == 128 + signal.SIGTERM
    assert stage.cleared
    assert "Ended by SIGTERM" in said(screen)


def test_a_second_demo_waits_its_turn(screen: Screen, tmp_path: Path) -> None:
    """It would clear the first one's stage."""

    def second() -> int:
        return curtain(tmp_path, screen, lambda: 0)

    with pytest.raises(ProcessError, match=r"plays in .* already"):
        curtain(tmp_path, screen, second)
