"""`python -m benchmarks.kubernetes [--sizes 1,10,100,1000] [--crowd 50] [--idle 100x10,1000x10]`: prints the tables. ../README.md explains them."""

import argparse
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.kubernetes import failover, idle, table
from benchmarks.kubernetes.failover import Measured, Profile
from benchmarks.kubernetes.idle import Idle
from benchmarks.kubernetes.stage import staged

_DISKS_UP_TO = 1000
"""VMs of an idle world that get replicated disks: more than that the simulator of the disks cannot carry beside what is measured."""


def main(arguments: Sequence[str] | None = None) -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended
    given = _parser().parse_args(arguments)
    profile = Profile(stop=0.5, boot=1.0) if given.short else Profile()
    plans = [(1, int(size)) for size in given.sizes.split(",") if size]
    plans += [(int(given.crowd), 1)] if int(given.crowd) else []
    moved = [_moved(groups, vms, profile) for groups, vms in plans]
    rested = [_rested(*map(int, size.split("x"))) for size in given.idle.split(",") if size]
    print("\n" + table.moves(moved))
    if rested:
        print("\n" + table.idle(rested))
    return 0


def _moved(groups: int, vms: int, profile: Profile) -> Measured:
    with tempfile.TemporaryDirectory(prefix="bench-kubernetes-") as state, staged(Path(state)) as stage:
        row = failover.run(stage, groups, vms, profile)
    print(table.line(row), flush=True)
    return row


def _rested(groups: int, vms: int) -> Idle:
    with tempfile.TemporaryDirectory(prefix="bench-kubernetes-") as state, staged(Path(state)) as stage:
        row = idle.run(stage, groups, vms, disks=groups * vms <= _DISKS_UP_TO)
    print(f"{groups} groups of {vms} VMs at rest: prepared in {row.prepared:.0f} s", flush=True)
    return row


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="benchmarks.kubernetes", description=__doc__)
    parser.add_argument("--sizes", default="1,10,100,1000", help="VMs of one group that is moved, separated by commas")
    parser.add_argument("--crowd", default="50", help="groups of one VM that are moved at once; 0 for none")
    parser.add_argument("--idle", default="100x10,1000x10", help="GROUPSxVMS at rest, separated by commas")
    parser.add_argument("--short", action="store_true", help="quick guests, to see that the bench runs")
    return parser


if __name__ == "__main__":
    sys.exit(main())
