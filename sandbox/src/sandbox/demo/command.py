"""`sandbox demo`: raise the curtain, play, sum up, and leave no process behind."""

from __future__ import annotations

import argparse
import functools
import os
import sys
from pathlib import Path

from sandbox.demo.comparing import sum_up
from sandbox.demo.house import curtain, perform
from sandbox.demo.screen import Screen
from sandbox.demo.stage import stage
from sandbox.demo.story import Story


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where it plays."""
    default = Path(os.environ.get("SANDBOX_STATE", ".sandbox")) / "demo"
    parser.add_argument("--state", type=Path, default=default, help=f"directory for its logs (default: {default})")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """0 when every comparison held, 1 when not or when something failed, 128 + n when signal n ended it."""
    screen = Screen(sys.stdout)
    return curtain(arguments.state, screen, functools.partial(_play, arguments.state, screen))


def _play(state: Path, screen: Screen) -> int:
    screen.prose("Site Recovery on a pretend world: nothing outside this directory is touched. Ctrl-C ends everything.")
    screen.aside("Starting two OpenStack clouds, two FlashArrays and two Protectors ...")
    outcomes, error = perform(stage(state, screen), Story)
    return sum_up(
        screen,
        outcomes,
        error,
        seen_by="the pretend world",
        logs=state / "logs",
        more="To play yourself: make sandbox-up, then follow docs/tutorial.md",
    )
