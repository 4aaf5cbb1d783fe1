"""A VM joins a group, or leaves it."""

from siterecovery.protector.domain.member import Member
from siterecovery.protector.steps import enrolment
from siterecovery.protector.steps.base import World
from siterecovery.workflow.flow import Flow, Phase, sequence


def add(world: World, member: Member) -> Flow:
    body = sequence(
        enrolment.DescribeMember(world, "describe_member", member),
        enrolment.EnrolVolumes(world, "enrol_volumes", "describe_member"),
        enrolment.RecordMember(world, "record_member", member, "describe_member"),
        enrolment.PushDocument(world, "push_metadata"),
    )
    return Flow("add_member", body, _phases("describe_member", "enrol_volumes", "record_member", "push_metadata"))


def remove(world: World, member: Member) -> Flow:
    body = sequence(
        enrolment.RemoveMember(world, "remove_member", member), enrolment.PushDocument(world, "push_metadata")
    )
    return Flow("remove_member", body, _phases("remove_member", "push_metadata"), commit="remove_member")


def _phases(*names: str) -> tuple[Phase, ...]:
    return tuple(Phase(name) for name in names)
