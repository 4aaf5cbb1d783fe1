"""The checker: look everywhere once, then ask each rule."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from sandbox.check.report import Finding, Report
from sandbox.kubernetes.check.looking import Clusters, look
from sandbox.kubernetes.check.picture import Picture
from sandbox.kubernetes.check.rules import no_loss, nothing_left, one_copy, one_primary, record, states

RULES: Mapping[str, str] = {
    "one_copy": "One copy: no VM runs on both sides, now or ever",
    "one_primary": "One Primary: no volume is written on both sides, now or ever",
    "no_loss": "No loss: what was written is there where the VM starts next",
    "states": "Group states are true: currentState, activeCluster, location, epoch",
    "nothing_left": "Nothing left: locks, drill copies, taints, properties, marks",
    "record": "Every Failover ends, its record agrees with the world, its trail is complete",
}
"""In their order, with the sentence people read."""
EVER = frozenset({"one_copy", "one_primary", "no_loss"})
"""What these find has happened: no waiting mends it."""

_ASKED: Mapping[str, Callable[[Picture], Iterable[str]]] = {
    "one_copy": one_copy.findings,
    "one_primary": one_primary.findings,
    "no_loss": no_loss.findings,
    "states": states.findings,
    "nothing_left": nothing_left.findings,
    "record": record.findings,
}


def check(
    world: Clusters, *, namespaces: Iterable[str] | None = None, excused: Iterable[str] = (), settled: bool = True
) -> Report:
    """Looks once; `settled=False` lets Failovers be under way. `namespaces` narrows it, `excused` are names of VMs that may run twice."""
    return judge(*look(world, namespaces=namespaces, excused=excused, settled=settled))


def judge(picture: Picture, unseen: tuple[str, ...] = ()) -> Report:
    """The rules in their order."""
    findings = [Finding(name, what) for name in RULES for what in dict.fromkeys(_ASKED[name](picture))]
    return Report(tuple(findings), looked(picture), unseen, RULES)


def looked(picture: Picture) -> dict[str, int]:
    """How much of each was seen."""
    sides = picture.sides.values()
    return {
        "clusters": len(sides),
        "groups": len(picture.groups),
        "Failovers": sum(1 for _ in picture.failovers()),
        "VMs": sum(len(side.vms) for side in sides),
        "guests": sum(len(side.executing) for side in sides),
        "volumes": len(picture.disks),
        "events": len(picture.disk_events) + sum(len(side.events) for side in sides),
    }
