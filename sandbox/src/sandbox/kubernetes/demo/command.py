"""`sandbox kubernetes demo`: raise the curtain, play, sum up, and leave no process behind."""

from __future__ import annotations

import functools
import sys
from pathlib import Path

from sandbox.demo.comparing import sum_up
from sandbox.demo.house import curtain, perform
from sandbox.demo.screen import Screen
from sandbox.kubernetes.demo.stage import stage
from sandbox.kubernetes.demo.story import Story


def run(state: Path) -> int:
    """0 when every comparison held, 1 when not or when something failed, 128 + n when signal n ended it."""
    screen = Screen(sys.stdout)
    return curtain(state, screen, functools.partial(_play, state, screen))


def _play(state: Path, screen: Screen) -> int:
    screen.prose("Site Recovery for Kubernetes VMs, on clusters of this machine alone. Ctrl-C ends everything.")
    screen.aside("Real API servers, real KubeVirt, real kubectl, Helm and pgctl; nodes, guests and DRBD are played.")
    screen.aside("Starting three clusters; half a minute and 3 GB ...")
    outcomes, error = perform(stage(state, screen), Story)
    return sum_up(
        screen,
        outcomes,
        error,
        seen_by="machines and disks themselves",
        logs=state / "logs",
        more="To play yourself: make kubernetes-up, then follow docs/tutorial-kubernetes.md",
    )
