"""Site Recovery installed on running clusters, and virtual machines under its protection: what a person finds after `up --site-recovery`."""

from __future__ import annotations

from pathlib import Path

from sandbox.kubernetes import binaries
from sandbox.kubernetes.attached import AttachedWorld
from sandbox.kubernetes.client import ApiError
from sandbox.kubernetes.installation import Installation
from sandbox.kubernetes.workload import Workload
from sandbox.processes import ProcessError

# Slow enough that a move can be watched, quick enough that nobody leaves. Seconds.
_TIMES = {"boot": 2.0, "stop": 2.0, "write": 0.5}


def populate(world: AttachedWorld, state: Path, say: binaries.Say) -> None:
    """Whatever is there already stays as it is (ProcessError with the sentence that explains a failure)."""
    for cluster in world.clusters:
        cluster.agent.set(**_TIMES)
    say("Installing Site Recovery on the three clusters with Helm ...")
    try:
        Installation(world, world.storage.linstor, state / "planes").install()  # where all other keys lie
        say("Making two groups of two virtual machines each, pg-a and pg-b, on cluster1 ...")
        Workload(world).make()
    except (ApiError, OSError) as error:
        raise ProcessError(f"the clusters of {state} are not usable yet: {error}") from error
