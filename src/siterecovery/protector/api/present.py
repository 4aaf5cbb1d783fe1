"""Domain values as the API shows them, with the names that people know things by."""

from typing import Any

from siterecovery.protector.api import lookup
from siterecovery.protector.api.call import Call
from siterecovery.protector.api.schemas.members import Member
from siterecovery.protector.api.schemas.operations import Operation
from siterecovery.protector.api.schemas.protection_groups import ProtectionGroup, ProtectionGroupWithPolicy
from siterecovery.protector.domain import member as members
from siterecovery.protector.domain import operation as operations
from siterecovery.protector.domain import protection_group as groups
from siterecovery.protector.store.base import Transaction


def group(tx: Transaction, found: groups.ProtectionGroup) -> dict[str, Any]:
    """One group, its policy with it."""
    shown = ProtectionGroupWithPolicy.shown(
        found,
        site_names=lookup.site_names(tx),
        member_count=tx.members.count([found.id]).get(found.id, 0),
        policy=tx.policies.get(found.id),
    )
    return shown.wire()


def group_list(tx: Transaction, found: list[groups.ProtectionGroup]) -> list[dict[str, Any]]:
    names = lookup.site_names(tx)
    counts = tx.members.count([item.id for item in found])
    return [ProtectionGroup.of(item, site_names=names, member_count=counts.get(item.id, 0)).wire() for item in found]


def member(tx: Transaction, found: members.Member) -> dict[str, Any]:
    return Member.of(found, tx.volumes.of_member(found.id)).wire()


def operation(tx: Transaction, call: Call, found: operations.Operation) -> dict[str, Any]:
    return operation_list(tx, call, [found])[0]


def operation_list(tx: Transaction, call: Call, found: list[operations.Operation]) -> list[dict[str, Any]]:
    """A deleted group's operations stay readable, without its name unless their plan remembers it."""
    site_names = lookup.site_names(tx)
    group_names: dict[str, str | None] = {}
    for item in found:
        if item.group_id not in group_names:
            of = tx.groups.get(item.group_id)
            group_names[item.group_id] = of.name if of else _remembered(tx, item.id)
    return [
        Operation.of(item, call.version, site_names=site_names, group_name=group_names[item.group_id]).on_wire(
            call.version
        )
        for item in found
    ]


def _remembered(tx: Transaction, operation_id: str) -> str | None:
    """The name of a group that is gone, as the operation's plan knows it."""
    found = tx.operations.get(operation_id)
    name = found.plan.get("group", {}).get("name") if found is not None else None
    return str(name) if name is not None else None
