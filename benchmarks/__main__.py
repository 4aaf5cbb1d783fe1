"""`python -m benchmarks [--sizes 1,10,100,1000]`: prints the table."""

import argparse
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks import failover, table
from benchmarks.stage import staged
from sandbox.latency import Latency

PROFILE = Latency(api_call=0.05, boot=8.0, boot_concurrency=64)
"""An API call takes 50 ms, a boot 8 s, 64 at once; everything else is the sandbox's default."""
SHORT = Latency(api_call=0.01, boot=0.5, boot_concurrency=64, transfer=0.2)
"""For a try."""


def main(arguments: Sequence[str] | None = None) -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("--sizes", default="1,10,100,1000", help="how many VMs, separated by commas")
    parser.add_argument("--volumes", type=int, default=1, help="volumes of each VM")
    parser.add_argument("--short", action="store_true", help="a quick profile, to see that the bench runs")
    parser.add_argument("--calls", action="store_true", help="list the calls that were made, and when phases ended")
    given = parser.parse_args(arguments)
    latency = SHORT if given.short else PROFILE
    rows = []
    for vms in (int(size) for size in given.sizes.split(",")):
        with tempfile.TemporaryDirectory(prefix="bench-") as state, staged(Path(state)) as stage:
            row = failover.run(stage, vms, given.volumes, latency)
        print(table.line(row), flush=True)
        if given.calls:
            print(table.details(row), flush=True)
        rows.append(row)
    print(table.text(rows, latency))
    return 0


if __name__ == "__main__":
    sys.exit(main())
