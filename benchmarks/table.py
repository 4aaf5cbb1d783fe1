"""The figures as people read them: one line while it runs, a table in the end."""

import datetime
import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.failover import Measured
from sandbox.latency import Latency

HEAD = (
    "VMs",
    "wall s",
    "bound s",
    "overhead",
    "script s",
    "CPU ms/VM",
    "of it API",
    "script CPU",
    "calls/VM",
    "engine MB",
    "simulator CPU s",
    "waited s",
    "others",
)


def line(row: Measured) -> str:
    return (
        f"{row.vms} VMs: {row.wall:.1f} s, bound {row.bound.total:.1f} s, overhead {row.overhead:.2f}, "
        f"{row.cpu_per_vm:.0f} ms CPU per VM (engine {row.engine_cpu:.1f} s, api {row.api_cpu:.1f} s), "
        f"{row.calls / row.vms:.1f} calls per VM, engine peak {row.engine_peak:.0f} MB, simulator {row.world_cpu:.1f} s CPU"
    )


def details(row: Measured) -> str:
    bound = row.bound
    parts = (
        f"bound: prepare {bound.prepare:.2f}, stop {bound.stop:.2f}, bring up {bound.bring_up:.2f}, "
        f"tidy up {bound.tidy_up:.2f} {bound.binding}"
    )
    phases = "\n".join(f"  {when:8.2f} s  {name}" for name, when in row.phases)
    calls = "\n".join(f"  {count:6d}  {call}" for call, count in row.by_call)
    return f"{parts}\n{phases}\n{calls}"


def text(rows: Sequence[Measured], scripts: Mapping[int, tuple[str, str]], latency: Latency) -> str:
    """`scripts`: what the sequential script needed, by size: seconds, and milliseconds of CPU per VM."""
    body = [_cells(row, scripts.get(row.vms, ("–", "–"))) for row in rows]
    lines = ["| " + " | ".join(HEAD) + " |", "|" + "---:|" * len(HEAD)]
    lines += ["| " + " | ".join(cells) + " |" for cells in body]
    return "\n".join([_where(latency), "", *lines])


def _cells(row: Measured, script: tuple[str, str]) -> list[str]:
    return [
        f"{row.vms:,}",
        f"{row.wall:.1f}",
        f"{row.bound.total:.1f}",
        f"{row.overhead:.2f}",
        script[0],
        f"{row.cpu_per_vm:.0f}",
        f"{1000 * row.api_cpu / row.vms:.0f}",
        script[1],
        f"{row.calls / row.vms:.1f}",
        f"{row.engine_peak:.0f}",
        f"{row.world_cpu:.1f}",
        f"{row.waited:.1f}",
        f"{row.others:.0%}",
    ]


def _where(latency: Latency) -> str:
    now = datetime.datetime.now(datetime.UTC)
    return (
        f"{now:%Y-%m-%d %H:%M} UTC, {os.cpu_count()} × {_processor()}, Python {platform.python_version()}; an API call takes "
        f"{1000 * float(latency.api_call):.0f} ms, a boot {latency.boot:g} s, {latency.boot_concurrency} at once, "  # type: ignore[arg-type]
        f"a snapshot {latency.transfer:g} s."
    )


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((text.partition(":")[2].strip() for text in lines if text.startswith("model name")), "processor")
