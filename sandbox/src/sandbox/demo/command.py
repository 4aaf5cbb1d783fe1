"""`sandbox demo`: raise the curtain, play, sum up, and leave no process behind."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from sandbox.demo.house import Ended, only_one_demo, signals_end_it
from sandbox.demo.screen import RED, Screen
from sandbox.demo.stage import stage
from sandbox.demo.story import Story
from sandbox.demo.verdicts import Outcome
from sandbox.processes import ProcessError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where it plays."""
    default = Path(os.environ.get("SANDBOX_STATE", ".sandbox")) / "demo"
    parser.add_argument("--state", type=Path, default=default, help=f"directory for its logs (default: {default})")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """0 when every comparison held, 1 when not or when something failed, 128 + n when signal n ended it."""
    state: Path = arguments.state
    screen = Screen(sys.stdout)
    with only_one_demo(state), signals_end_it():
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
