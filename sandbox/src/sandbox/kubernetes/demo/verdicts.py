"""What has to hold, asked of machines and disks; a broken claim names the VMs or disks that break it."""

from __future__ import annotations

from collections.abc import Sequence

from sandbox.demo.comparing import Outcome, claim, numbers, spread
from sandbox.demo.screen import Screen
from sandbox.kubernetes.demo.movement import Movement, twice
from sandbox.kubernetes.demo.witness import Sample
from sandbox.kubernetes.workload import GROUPS, volume_of


def moved(screen: Screen, title: str, move: Movement) -> Outcome:
    """Every VM arrived with its last write, and never two copies of one."""
    screen.line()
    screen.prose("What machines and disks themselves say, without asking Site Recovery or an API server:")
    rows = [_row(volume_of(vm), move.written(vm), move.found(vm)) for vm in move.vms]
    screen.table(("disk", f"last write on {move.source}", f"found on {move.target}", "lost"), rows)
    claim(screen, f"all VMs of {move.group} run on {move.target}, and nowhere else", move.misplaced())
    never_twice(screen, move.samples)
    behind = {volume_of(vm) for vm in move.vms if _lost(move.written(vm), move.found(vm)) != 0}
    claim(screen, "no write was lost on any disk", behind)
    return Outcome(
        title,
        spread([gap for vm in move.vms if (gap := move.away(vm)) is not None], digits=0),
        "nothing" if not behind else "see above",
    )


def stayed(screen: Screen, group: str, cluster: str, samples: Sequence[Sample]) -> None:
    """Every VM of a group ran there all the time, and nowhere else."""
    shaken = {vm for vm in GROUPS[group] for sample in samples if vm not in sample.running[cluster]}
    claim(screen, f"{group} ran on {cluster} all the time, undisturbed", shaken)


def never_twice(screen: Screen, samples: Sequence[Sample]) -> None:
    """The promise above all others."""
    text = "at no moment did a VM run on both clusters, or was a disk in use on both"
    claim(screen, text, twice(samples))


def _lost(before: int | None, after: int | None) -> int | None:
    """None when either was not seen: nobody can say."""
    return None if before is None or after is None else max(before - after, 0)


def _row(disk: str, before: int | None, after: int | None) -> tuple[str, ...]:
    lost = _lost(before, after)
    return (disk, *numbers(before, after, "not seen"), "unknown" if lost is None else str(lost))
