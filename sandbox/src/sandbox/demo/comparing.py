"""How a demo says what held and what did not, move by move and in the end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sandbox.demo.screen import RED, Screen
from sandbox.processes import ProcessError


@dataclass(frozen=True)
class Outcome:
    """One line of the summary."""

    title: str
    silence: str
    lost: str


def claim(screen: Screen, text: str, exceptions: Iterable[str]) -> None:
    """A claim about all, with those for which it does not hold."""
    broken = sorted(exceptions)
    screen.verdict(not broken, text if not broken else f"{text}: not so for {', '.join(broken)}")


def spread(seconds: Sequence[float], digits: int) -> str:
    """From the least to the most."""
    if not seconds:
        return "unknown"
    least, most = f"{min(seconds):.{digits}f}", f"{max(seconds):.{digits}f}"
    return f"{most} s" if least == most else f"{least} to {most} s"


def numbers(before: int | None, after: int | None, none: str) -> tuple[str, str]:
    """Two numbers of writes for a table; `none` where there is none."""
    was, now = (none if number is None else f"write {number}" for number in (before, after))
    return was, now


def sum_up(
    screen: Screen, outcomes: Sequence[Outcome], error: ProcessError | None, *, seen_by: str, logs: Path, more: str
) -> int:
    """The last act; the demo's exit status. `seen_by`: whose word the table is. `more`: what to do next."""
    title = "It did not end well" if error or screen.failed else "Survived"
    screen.act(title, f"What it cost, as {seen_by} saw it:")
    rows = [(outcome.title, outcome.silence, outcome.lost) for outcome in outcomes]
    screen.table(("move", "VMs without service for", "lost"), rows)
    held = len(screen.verdicts) - len(screen.failed)
    screen.line(f"{held} of {len(screen.verdicts)} comparisons held; {screen.elapsed:.0f} s in all.")
    for text in screen.failed:
        screen.line(f"Did not hold: {text}", RED)
    if error:
        screen.line(f"Stopped early: {error}", RED)
    screen.line(f"Everything has been stopped. Logs of all processes: {logs}")
    screen.line(more)
    return 1 if error or screen.failed else 0
