"""A test failover and its clean-up. The group runs on and replicates on; what is started is a copy, on copies."""

from siterecovery.kubevirt.steps.base import LOCATE, World
from siterecovery.kubevirt.steps.checks import CheckReplication, LocateVirtualMachines
from siterecovery.kubevirt.steps.drills import CheckStandby, CopyVolumes, CreateCopies, RemoveCopies, StartCopies
from siterecovery.kubevirt.steps.locks import AcquireLock, ReleaseLock
from siterecovery.workflow.flow import Flow, Phase, Sequence, sequence
from siterecovery.workflow.step import Step


def test(world: World) -> Flow:
    limits = world.settings.limits
    body = sequence(
        AcquireLock(world, "acquire_lock"),
        LocateVirtualMachines(world, LOCATE),
        CheckStandby(world, "check_standby"),
        CheckReplication(world, "check_replication"),
        CopyVolumes(world, "copy_volumes", limits.promote),
        CreateCopies(world, "create_copies", limits.check, undo_timeout=limits.stop),
        StartCopies(world, "start_copies", limits.start),
        ReleaseLock(world, "release_lock"),
    )
    return Flow("test", body, _phases(body), commit="start_copies")


def cleanup(world: World) -> Flow:
    body = sequence(
        AcquireLock(world, "acquire_lock"),
        RemoveCopies(world, "remove_copies", world.settings.limits.stop),
        ReleaseLock(world, "release_lock"),
    )
    return Flow("cleanup", body, _phases(body), commit="remove_copies")


def _phases(body: Sequence) -> tuple[Phase, ...]:
    return tuple(Phase(node.name) for node in body.nodes if isinstance(node, Step))
