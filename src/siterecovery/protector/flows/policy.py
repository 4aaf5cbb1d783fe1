"""A policy is applied: the arrays replicate the group's volumes as it says."""

from siterecovery.protector.steps import enrolment, replication
from siterecovery.protector.steps.base import World
from siterecovery.workflow.flow import Flow, Phase, sequence


def apply(world: World) -> Flow:
    body = sequence(
        replication.ConfigureReplication(world, "configure_replication", lambda _: world.base),
        enrolment.ActivatePolicy(world, "activate_policy"),
        enrolment.PushDocument(world, "push_metadata"),
    )
    return Flow(
        "apply_policy",
        body,
        tuple(Phase(name) for name in ("configure_replication", "activate_policy", "push_metadata")),
    )
