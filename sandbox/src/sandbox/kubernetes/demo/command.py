"""`sandbox kubernetes demo`: raise the curtain, play, sum up, and leave no process behind."""

from __future__ import annotations

import sys
from pathlib import Path

from sandbox.demo.house import Ended, only_one_demo, signals_end_it
from sandbox.demo.screen import RED, Screen
from sandbox.kubernetes.demo.stage import stage
from sandbox.kubernetes.demo.story import Story
from sandbox.kubernetes.demo.verdicts import Outcome
from sandbox.processes import ProcessError


def run(state: Path) -> int:
    """0 when every comparison held, 1 when not or when something failed, 128 + n when signal n ended it."""
    screen = Screen(sys.stdout)
    with only_one_demo(state), signals_end_it():
        try:
            return _play(state, screen)
        except Ended as ended:
            screen.line(f"\nEnded by {ended}; nothing runs any more. Logs: {state / 'logs'}")
            return 128 + ended.number


def _play(state: Path, screen: Screen) -> int:
    screen.prose("Site Recovery for Kubernetes VMs, on clusters of this machine alone. Ctrl-C ends everything.")
    screen.aside("Real API servers, real KubeVirt, real kubectl, Helm and pgctl; nodes, guests and DRBD are played.")
    screen.aside("Starting three clusters; half a minute and 3 GB ...")
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
    screen.act(title, "What it cost, as machines and disks themselves saw it:")
    rows = [(outcome.title, outcome.silence, outcome.lost) for outcome in outcomes]
    screen.table(("move", "VMs without service for", "lost"), rows)
    held = len(screen.verdicts) - len(screen.failed)
    screen.line(f"{held} of {len(screen.verdicts)} comparisons held; {screen.elapsed:.0f} s in all.")
    for text in screen.failed:
        screen.line(f"Did not hold: {text}", RED)
    if error:
        screen.line(f"Stopped early: {error}", RED)
    screen.line(f"Everything has been stopped. Logs of all processes: {state / 'logs'}")
    screen.line("To play yourself: make kubernetes-up, then follow docs/tutorial-kubernetes.md")
