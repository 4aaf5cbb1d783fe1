"""A protection group begins and ends: its volume groups on both sites, the array groups, the peer's record."""

from siterecovery.protector.steps import enrolment
from siterecovery.protector.steps.base import World
from siterecovery.workflow.flow import Flow, Phase, sequence, together


def create(world: World) -> Flow:
    group = world.plan.group
    made = {group.primary_site_id: "create_primary_group", group.secondary_site_id: "create_secondary_group"}
    body = sequence(
        enrolment.AnnounceGroup(world, "announce_group"),
        together(*(enrolment.CreateVolumeGroup(world, step, site) for site, step in made.items())),
        enrolment.ActivateGroup(world, "activate_group", made),
        enrolment.PushDocument(world, "push_metadata"),
    )
    names = ("announce_group", *made.values(), "activate_group", "push_metadata")
    return Flow("create_group", body, tuple(Phase(name) for name in names))


def delete(world: World) -> Flow:
    """Order: nothing replicates any more, nothing is grouped any more, nobody knows it any more. The VMs and their volumes stay."""
    group = world.plan.group
    sites = {group.primary_site_id: "delete_primary_group", group.secondary_site_id: "delete_secondary_group"}
    body = sequence(
        *((enrolment.RemoveReplication(world, "remove_replication"),) if world.plan.policy is not None else ()),
        together(*(enrolment.DeleteVolumeGroup(world, step, site) for site, step in sites.items())),
        enrolment.ForgetGroup(world, "forget_group"),
    )
    names = ("remove_replication", *sites.values(), "forget_group")
    return Flow("delete_group", body, tuple(Phase(name) for name in names))
