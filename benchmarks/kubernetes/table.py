"""The figures as people read them."""

from collections.abc import Sequence

from benchmarks.kubernetes.failover import Measured
from benchmarks.kubernetes.idle import WATCHED, Idle

MOVES = (
    *("groups", "VMs", "last start s", "succeeded s", "guests' own s", "bare s", "overhead"),
    *("CPU ms/VM", "failover controller MB", "group controllers MB", "machine busy"),
)
IDLE = (
    *("groups", "VMs each", "disks", "prepared s", "failover controller CPU %", "MB"),
    *("group controller CPU % (active, standby)", "MB (active, standby)"),
)


def line(row: Measured) -> str:
    return (
        f"{row.groups} groups, {row.vms} VMs: last start {row.started:.1f} s, succeeded {row.ended:.1f} s, "
        f"bare {row.bare:.1f} s, overhead {row.overhead:.2f}, machine {row.busy:.0%} busy"
    )


def moves(rows: Sequence[Measured]) -> str:
    return _table(MOVES, [_move(row) for row in rows])


def idle(rows: Sequence[Idle]) -> str:
    return _table(IDLE, [_idle(row) for row in rows])


def _move(row: Measured) -> list[str]:
    first, *others = row.controllers.values()
    cpu = sum(used.cpu for used in row.controllers.values())
    return [
        f"{row.groups:,}",
        f"{row.vms:,}",
        f"{row.started:.1f}",
        f"{row.ended:.1f}",
        f"{row.floor:.1f}",
        f"{row.bare:.1f}",
        f"{row.overhead:.2f}",
        f"{1000 * cpu / row.vms:.0f}",
        f"{first.peak:.0f}",
        " + ".join(f"{used.peak:.0f}" for used in others),
        f"{row.busy:.0%}",
    ]


def _idle(row: Idle) -> list[str]:
    first, *others = row.controllers.values()
    return [
        f"{row.groups:,}",
        f"{row.vms_each}",
        "one a VM" if row.disks else "none replicated",
        f"{row.prepared:.0f}",
        f"{100 * first.cpu / WATCHED:.1f}",
        f"{first.peak:.0f}",
        ", ".join(f"{100 * used.cpu / WATCHED:.1f}" for used in others),
        ", ".join(f"{used.peak:.0f}" for used in others),
    ]


def _table(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---:|" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(cells) + " |" for cells in body)])
