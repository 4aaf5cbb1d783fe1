"""`python -m benchmarks [--sizes 1,10,100,1000]`: prints the table. README.md says how to read it."""

import argparse
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks import failover, table
from benchmarks.failover import Measured
from benchmarks.sequential import Needed, Script
from benchmarks.stage import Stage, staged
from sandbox.latency import Latency

PROFILE = Latency(api_call=0.05, boot=8.0, boot_concurrency=64)
"""An API call takes 50 ms, a boot 8 s, 64 at once; everything else is the sandbox's default."""
SHORT = Latency(api_call=0.01, boot=0.5, boot_concurrency=64, transfer=0.2)
"""For a try."""
BEARABLE = 10
"""VMs that the sequential script moves; more are extrapolated, and marked so."""


def main(arguments: Sequence[str] | None = None) -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended
    given = _parser().parse_args(arguments)
    latency = SHORT if given.short else PROFILE
    rows: list[Measured] = []
    scripts: dict[int, Needed] = {}
    for vms in sorted(int(size) for size in given.sizes.split(",")):
        with tempfile.TemporaryDirectory(prefix="bench-") as state, staged(Path(state)) as stage:
            row = failover.run(stage, vms, given.volumes, latency, cold=given.cold)
            print(table.line(row), flush=True)
            if given.calls:
                print(table.details(row), flush=True)
            if vms <= BEARABLE and not given.alone:
                scripts[vms] = _script(stage, vms, given.volumes, latency)
        rows.append(row)
    print(f"\n{table.text(rows, _beside(rows, scripts), latency)}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("--sizes", default="1,10,100,1000", help="how many VMs, separated by commas")
    parser.add_argument("--volumes", type=int, default=1, help="volumes of each VM")
    parser.add_argument("--short", action="store_true", help="a quick profile, to see that the bench runs")
    parser.add_argument("--alone", action="store_true", help="without the sequential script")
    parser.add_argument("--cold", action="store_true", help="Protectors that have moved nothing before")
    parser.add_argument("--calls", action="store_true", help="list the calls that were made, and when phases ended")
    return parser


def _script(stage: Stage, vms: int, volumes: int, latency: Latency) -> Needed:
    """In the same world, on machines of its own."""
    stage.set_latency(Latency(boot=0, start=0, stop=0, delete=0, volume=0, manage=0, transfer=0))
    script = Script(stage, stage.make_machines(vms, volumes, prefix="seq"))
    script.prepare()
    stage.set_latency(latency)
    needed = script.move()
    cpu = 1000 * needed.cpu / vms
    print(f"{vms} VMs with the sequential script: {needed.wall:.1f} s, {cpu:.0f} ms CPU per VM", flush=True)
    return needed


def _beside(rows: Sequence[Measured], scripts: dict[int, Needed]) -> dict[int, tuple[str, str]]:
    """Seconds, and milliseconds of CPU per VM: measured, or (`≈`) extrapolated from the longest run: one VM after the other, so in proportion."""
    if not scripts:
        return {}
    longest = max(scripts)
    wall, cpu = scripts[longest].wall / longest, 1000 * scripts[longest].cpu / longest
    return {
        row.vms: (f"{scripts[row.vms].wall:.0f}", f"{1000 * scripts[row.vms].cpu / row.vms:.0f}")
        if row.vms in scripts
        else (f"≈ {wall * row.vms:,.0f}", f"≈ {cpu:.0f}")
        for row in rows
    }


if __name__ == "__main__":
    sys.exit(main())
