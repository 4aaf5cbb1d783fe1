"""A group moves to the other cluster. Planned: both clusters work and nothing is lost. Unplanned: the source is down, a person has said so, and what
it is owed is written down.

Both have the same steps, so that a person who watches one knows the other. Until `verify_target` everything is taken back when a step fails."""

from siterecovery.kubevirt.crds.failover import FailoverType
from siterecovery.kubevirt.steps.authority import RaiseEpoch
from siterecovery.kubevirt.steps.base import LOCATE, World
from siterecovery.kubevirt.steps.checks import (
    CheckConcurrentSafety,
    CheckReplication,
    CheckSplitBrain,
    LocateVirtualMachines,
)
from siterecovery.kubevirt.steps.groups import StartTarget, StopSource, VerifyTarget
from siterecovery.kubevirt.steps.locks import AcquireLock, ReleaseLock
from siterecovery.kubevirt.steps.storage import PromoteStorage, ReleaseStorage
from siterecovery.kubevirt.steps.taints import RemoveQuorumTaints
from siterecovery.workflow.flow import Flow, Phase, sequence

CHECKS = (
    "acquire_lock",
    LOCATE,
    "check_split_brain",
    "check_concurrent_safety",
    "check_standby",
    "check_replication",
)
"""Steps that change nothing but Leases. A Failover stays Pending in them: one that is refused never ran."""
COMMIT = "verify_target"
_WEIGHTS = {"stop_source": 25.0, "release_storage": 10.0, "promote_storage": 10.0, "start_target": 35.0}


def move(world: World) -> Flow:
    limits = world.settings.limits
    body = sequence(
        AcquireLock(world, "acquire_lock"),
        LocateVirtualMachines(world, LOCATE),
        CheckSplitBrain(world, "check_split_brain"),
        CheckConcurrentSafety(world, "check_concurrent_safety"),
        CheckReplication(world, "check_replication"),
        StopSource(world, "stop_source", limits.stop),
        ReleaseStorage(world, "release_storage", limits.release),
        RaiseEpoch(world, "raise_epoch", limits.check, undo_timeout=limits.stop),
        PromoteStorage(world, "promote_storage", limits.promote),
        RemoveQuorumTaints(world, "remove_quorum_taints"),
        StartTarget(world, "start_target", limits.start, undo_timeout=limits.stop),
        VerifyTarget(world, COMMIT),
        ReleaseLock(world, "release_lock"),
    )
    phases = tuple(Phase(step.name, _WEIGHTS.get(step.name, 2.0)) for step in body.nodes if hasattr(step, "name"))
    name = "unplanned" if world.move.type is FailoverType.UNPLANNED else "planned"
    return Flow(name, body, phases, commit=COMMIT)
