"""Members: the VMs of a group. Adding and removing are operations; the row is there at once with its passing status."""

import dataclasses
from typing import Any

from siterecovery.protector.api import accept, lookup, present
from siterecovery.protector.api.accept import Findings, Wish
from siterecovery.protector.api.call import Answer, Call
from siterecovery.protector.api.precheck import InstanceFound
from siterecovery.protector.api.schemas.members import CreateMember
from siterecovery.protector.domain import member as domain
from siterecovery.protector.domain.admission import Ask, Picture
from siterecovery.protector.domain.errors import Conflict
from siterecovery.protector.domain.operation import Operation
from siterecovery.protector.domain.protection_group import ProtectionGroup
from siterecovery.protector.domain.states import MemberStatus, OperationType
from siterecovery.protector.store.base import Transaction


def list_members(call: Call) -> Answer:
    def read(tx: Transaction) -> dict[str, Any]:
        group = lookup.group(tx, call)
        return {"members": [present.member(tx, member) for member in tx.members.of_group(group.id)]}

    return Answer(call.services.store.run(read))


def get_member(call: Call) -> Answer:
    def read(tx: Transaction) -> dict[str, Any]:
        return {"member": present.member(tx, lookup.member(tx, call, lookup.group(tx, call)))}

    return Answer(call.services.store.run(read))


def create_member(call: Call) -> Answer:
    """202 with the member in status `adding`. 412 when the instance is unknown or its volumes do not qualify; 409 `member.exists`."""
    wanted = call.read(CreateMember).member.instance_id
    member_id = call.services.new_id()
    found: list[InstanceFound] = []

    def investigate(picture: Picture) -> Findings:
        group, site_id = picture.group, picture.this_site_id
        precheck = call.services.precheck
        instance = precheck.instance(site_id, group.project_id, wanted, group.volume_type_on(site_id))
        found.append(instance)
        return Findings((*instance.unmet, *precheck.delegated(site_id, group.project_id)))

    def change(tx: Transaction, picture: Picture, operation: Operation) -> ProtectionGroup:
        instance = found[-1]
        _refuse_protected(tx, instance)
        tx.members.save(
            domain.Member(
                id=member_id,
                group_id=picture.group.id,
                instance_id=instance.id,
                instance_name=instance.name,
                index=max((member.index for member in picture.members), default=-1) + 1,
                created_at=operation.created_at,
            )
        )
        operation.request.update({"instance_id": instance.id})
        return picture.group

    accept.accept(call, Wish(Ask(OperationType.ADD_MEMBER), {"member_id": member_id}, investigate, change))
    return _answer(call, member_id)


def _refuse_protected(tx: Transaction, instance: InstanceFound) -> None:
    if tx.members.by_instance(instance.id) is not None:
        raise Conflict(
            f"The instance '{instance.name}' is a member of a protection group already.",
            code="member.exists",
            remedy="Remove that member first; one whose adding failed must be removed too.",
        )


def delete_member(call: Call) -> Answer:
    """202: its volumes leave the group first, the record last."""
    member_id = call.params["member"]

    def change(tx: Transaction, picture: Picture, operation: Operation) -> ProtectionGroup:
        member = lookup.member(tx, call, picture.group)
        tx.members.save(dataclasses.replace(member, status=MemberStatus.REMOVING))
        return picture.group

    def exists(tx: Transaction) -> None:
        lookup.member(tx, call, lookup.group(tx, call))

    call.services.store.run(exists)
    accept.accept(call, Wish(Ask(OperationType.REMOVE_MEMBER), {"member_id": member_id}, change=change))
    return _answer(call, member_id)


def _answer(call: Call, member_id: str) -> Answer:
    def read(tx: Transaction) -> dict[str, Any] | None:
        member = tx.members.get(member_id)  # a fast engine may have removed it already
        return {"member": present.member(tx, member)} if member else None

    return Answer(call.services.store.run(read), status=202)
