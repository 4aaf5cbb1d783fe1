"""What the controllers use while nothing happens: many groups of running VMs, and a minute of silence."""

import dataclasses
import time

from benchmarks.kubernetes.stage import Stage
from benchmarks.usage import Usage

WATCHED = 60.0
"""Seconds; each group is looked at again once in that time."""


@dataclasses.dataclass(frozen=True)
class Idle:
    groups: int
    vms_each: int
    disks: bool
    prepared: float
    """Seconds from the first group to the last copy on the target."""
    controllers: dict[str, Usage]
    """CPU seconds within `WATCHED`."""


def run(stage: Stage, groups: int, vms_each: int, *, disks: bool) -> Idle:
    """In a fresh stage."""
    for cluster in stage.world.clusters:
        cluster.agent.set(write=30.0)
    began = time.monotonic()
    stage.make([f"pg-{number}" for number in range(groups)], vms_each, disks=disks)
    prepared = time.monotonic() - began
    time.sleep(WATCHED / 2)  # the measured state is silence: what the preparation left to do is done
    before = {controller.name: controller.used for controller in stage.controllers}
    time.sleep(WATCHED)
    used = {controller.name: controller.used.since(before[controller.name]) for controller in stage.controllers}
    return Idle(groups, vms_each, disks, prepared, used)
