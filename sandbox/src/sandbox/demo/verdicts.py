"""What has to hold after each move, asked of the world itself; a broken claim names the volumes or VMs that break it."""

from __future__ import annotations

from datetime import datetime

from sandbox import seed
from sandbox.demo.comparing import Outcome, claim, numbers, spread
from sandbox.demo.movement import Movement
from sandbox.demo.screen import Screen

VMS = tuple(sorted(machine.name for machine in seed.WORKLOAD))
VOLUMES = tuple(sorted(volume for machine in seed.WORKLOAD for volume in machine.volumes))


def planned(screen: Screen, title: str, move: Movement) -> Outcome:
    """Everything arrived with its last write, and nothing stayed behind."""
    show_writes(screen, move)
    arrived(screen, move)
    lost = _behind(move, move.written)
    claim(screen, "no write was lost on any volume", lost)
    last = move.samples[-1]
    claim(screen, f"nothing is left on {move.source}", last.present[move.source] | set(last.volumes[move.source]))
    return Outcome(title, silence(move), "nothing" if not lost else "see above")


def forced(screen: Screen, title: str, move: Movement, point: datetime) -> Outcome:
    """Everything until the recovery point arrived, whole; what came after it is counted."""
    show_writes(screen, move)
    arrived(screen, move)
    until = f"everything written until the recovery point, {point:%H:%M:%S} UTC, is there"
    claim(screen, until, _behind(move, move.written_by(point.timestamp())))
    torn = {m.name for m in seed.WORKLOAD if len({move.restored.get(volume) for volume in m.volumes}) != 1}
    claim(screen, "the disks of each VM are of one and the same moment", torn)
    writes = max(move.written.get(name, 0) - move.restored.get(name, 0) for name in VOLUMES)
    lost = f"{writes} writes of each VM, the last {lived_after(move, point):.0f} s"
    screen.line(f"      Lost: {lost} before the site died.")
    return Outcome(title, silence(move), lost)


def arrived(screen: Screen, move: Movement) -> None:
    """All VMs run on the target, none elsewhere, and never did two copies of one run."""
    last = move.samples[-1]
    elsewhere = (set(VMS) - last.running[move.target]) | last.running[move.source]
    claim(screen, f"all {len(VMS)} VMs run on {move.target}, and nowhere else", elsewhere)
    claim(screen, "no VM ever ran on both sites at once", move.twice)


def _behind(move: Movement, due: dict[str, int]) -> set[str]:
    """The volumes that are missing on the target, or hold less than is due."""
    return {name for name in VOLUMES if name not in due or move.restored.get(name, -1) < due[name]}


def silence(move: Movement) -> str:
    """How long the VMs gave no sign of life."""
    return spread([gap for name in VMS if (gap := move.away(name)) is not None], digits=1)


def lived_after(move: Movement, point: datetime) -> float:
    """Seconds from the recovery point to the source's last sign of life."""
    lived = [sample.time for sample in move.samples if sample.running[move.source]]
    return max(lived, default=point.timestamp()) - point.timestamp()


def show_writes(screen: Screen, move: Movement) -> None:
    """The number of the last write of every volume, before and after."""
    screen.line()
    screen.prose("What the pretend world itself says, without asking Protector:")
    rows = [(name, *_numbers(move.written.get(name), move.restored.get(name))) for name in VOLUMES]
    screen.table(("volume", f"last write on {move.source}", f"found on {move.target}", "lost"), rows)


def _numbers(before: int | None, after: int | None) -> tuple[str, str, str]:
    lost = "all" if before is None or after is None else str(max(before - after, 0))
    return (*numbers(before, after, "missing"), lost)
