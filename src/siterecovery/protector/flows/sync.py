"""Synchronising: the volumes now (`sync_volumes`), or the sites after one was lost (`sync_force`)."""

from collections.abc import Sequence

from siterecovery.protector.domain.operation import Debt
from siterecovery.protector.domain.states import GroupStatus
from siterecovery.protector.steps import enrolment, fencing, replication
from siterecovery.protector.steps.base import World
from siterecovery.workflow.flow import Flow, Phase, attempt, for_each, sequence


def volumes(world: World) -> Flow:
    """A group snapshot, sent at once. In failed_over the reverse direction is configured first."""
    turned = world.plan.group.status is GroupStatus.FAILED_OVER
    other = world.plan.group.other_site(world.base.site_id)
    body = sequence(
        *(
            (replication.ConfigureReplication(world, "configure_reverse_replication", lambda _: world.base),)
            if turned
            else ()
        ),
        replication.ReplicateNow(world, "snapshot_consistency_group", world.base, suffix=world.suffix, keep=False),
        enrolment.NoteReplication(world, "update_protection_group", "snapshot_consistency_group"),
        attempt(replication.DropKeptCopies(world, "drop_kept_copies", other)),
        attempt(enrolment.PushDocument(world, "push_metadata")),
    )
    names = ("configure_reverse_replication", "snapshot_consistency_group", "update_protection_group")
    return Flow("sync_volumes", body, tuple(Phase(name) for name in names), commit="update_protection_group")


def force(world: World, debts: Sequence[Debt]) -> Flow:
    """The lost site is back: what runs there of the group is stopped first, then the other debts are paid, then it learns what is true."""
    fences = [debt for debt in debts if debt.kind == "fence"]
    others = [debt for debt in debts if debt.kind != "fence"]
    sites = sorted({debt.site_id for debt in debts})
    body = sequence(
        for_each(
            fences, lambda debt: fencing.PayDebt(world, f"pay/{debt.id}", debt), name=lambda debt: debt.id, limit=64
        ),
        for_each(
            others, lambda debt: fencing.PayDebt(world, f"pay/{debt.id}", debt), name=lambda debt: debt.id, limit=8
        ),
        *(attempt(fencing.BurnStaleVolumes(world, f"burn_stale/{site}", site)) for site in sites),
        *((enrolment.NewVersion(world, "note_paid"),) if debts else ()),
        enrolment.PushDocument(world, "push_metadata"),
    )
    return Flow("sync_force", body, tuple(Phase(name) for name in ("pay", "burn_stale", "push_metadata")))


def step_down(world: World) -> Flow:
    """This site learnt that the group was moved away by force: its servers are stopped and locked, all by itself."""
    body = for_each(
        world.plan.members,
        lambda member: fencing.StepDown(world, f"step_down/{world.labels[member.id]}", member),
        name=lambda member: world.labels[member.id],
        limit=64,
    )
    return Flow("step_down", body, (Phase("step_down"),), commit=None)
