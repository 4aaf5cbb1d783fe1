"""One VM goes under replication, or out of it again (DRBD Operator model). Until it runs on its new disks everything is taken back when a step fails:
the VM is then on its old claims as before, and nothing is left of the rest."""

from siterecovery.kubevirt.steps.protection.base import ProtectionWorld
from siterecovery.kubevirt.steps.protection.checks import CheckHome, PlanProtection
from siterecovery.kubevirt.steps.protection.claims import (
    CreateFrontends,
    ForgetPlan,
    RemoveFrontends,
    RestoreClaims,
    SwitchClaims,
)
from siterecovery.kubevirt.steps.protection.power import StartMachine, StopMachine
from siterecovery.kubevirt.steps.protection.volumes import CreateVolumes, RemoveVolumes, SyncVolumes
from siterecovery.workflow.flow import Flow, Phase, Sequence, sequence
from siterecovery.workflow.step import Step

COMMIT = "start_virtual_machine"
CHECKS = ("plan_protection", "check_home")
"""Steps that leave a VM as it is, but for the annotation that names its request."""


def protect(world: ProtectionWorld) -> Flow:
    limits = world.limits
    body = sequence(
        PlanProtection(world, "plan_protection"),
        StopMachine(world, "stop_virtual_machine", limits.stop, undo_timeout=limits.start),
        CreateVolumes(world, "create_volumes", limits.create, undo_timeout=limits.remove),
        SyncVolumes(world, "sync_volumes", limits.sync),
        CreateFrontends(world, "create_frontend_claims", limits.create, undo_timeout=limits.remove),
        SwitchClaims(world, "switch_claims"),
        StartMachine(world, COMMIT, limits.start, undo_timeout=limits.stop),
    )
    return Flow("protect", body, _phases(body), commit=COMMIT)


def unprotect(world: ProtectionWorld) -> Flow:
    """Once the VM runs on its plain claims nothing is taken back: what cannot be removed is told."""
    limits = world.limits
    body = sequence(
        CheckHome(world, "check_home"),
        StopMachine(world, "stop_virtual_machine", limits.stop, undo_timeout=limits.start),
        RestoreClaims(world, "restore_claims"),
        StartMachine(world, COMMIT, limits.start, undo_timeout=limits.stop),
        RemoveFrontends(world, "remove_frontend_claims", limits.remove),
        RemoveVolumes(world, "remove_volumes", limits.remove),
        ForgetPlan(world, "forget_plan"),
    )
    return Flow("unprotect", body, _phases(body), commit=COMMIT)


def _phases(body: Sequence) -> tuple[Phase, ...]:
    return tuple(Phase(node.name) for node in body.nodes if isinstance(node, Step))
