"""The figures as people read them."""

from collections.abc import Sequence

from benchmarks.failover import Measured
from sandbox.latency import Latency


def line(row: Measured) -> str:
    return (
        f"{row.vms} VMs: {row.wall:.1f} s, bound {row.bound.total:.1f} s, overhead {row.overhead:.2f}, "
        f"{row.cpu_per_vm:.0f} ms CPU per VM (engine {row.engine_cpu:.1f} s, api {row.api_cpu:.1f} s), "
        f"{row.calls / row.vms:.1f} calls per VM, engine peak {row.engine_peak:.0f} MB, simulator {row.world_cpu:.1f} s CPU"
    )


def details(row: Measured) -> str:
    bound = row.bound
    parts = f"bound: prepare {bound.prepare:.2f}, stop {bound.stop:.2f}, bring up {bound.bring_up:.2f}, tidy up {bound.tidy_up:.2f} {bound.binding}"
    phases = "\n".join(f"  {when:8.2f} s  {name}" for name, when in row.phases)
    calls = "\n".join(f"  {count:6d}  {call}" for call, count in row.by_call)
    return f"{parts}\n{phases}\n{calls}"


def text(rows: Sequence[Measured], latency: Latency) -> str:
    return "\n".join(map(line, rows))
