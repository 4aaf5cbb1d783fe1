"""Finding what a path or body names, in the caller's project only: another tenant's object does not exist for the caller."""

from siterecovery.protector.api.call import Call
from siterecovery.protector.domain.admission import Picture
from siterecovery.protector.domain.errors import Conflict, NotFound
from siterecovery.protector.domain.member import Member
from siterecovery.protector.domain.operation import Operation
from siterecovery.protector.domain.protection_group import ProtectionGroup
from siterecovery.protector.domain.site import Site
from siterecovery.protector.store.base import Transaction


def site(tx: Transaction, name_or_id: str) -> Site:
    found = tx.sites.find(name_or_id)
    if found is None:
        raise NotFound(f"No site with a name or id of '{name_or_id}' exists.", code="site.not_found")
    return found


def own_site(tx: Transaction, call: Call) -> Site:
    """This Protector's own site: the registered one that has its configured name."""
    name = call.services.identity.site_name
    found = tx.sites.find(name)
    if found is None:
        raise Conflict(
            f"This Protector's own site '{name}' is not registered yet.",
            code="site.own_not_registered",
            remedy="Ask an administrator: openstack dr site create, once for each of the two sites.",
        )
    return found


def site_names(tx: Transaction) -> dict[str, str]:
    return {item.id: item.name for item in tx.sites.all()}


def group(tx: Transaction, call: Call) -> ProtectionGroup:
    """The group of the path, by id or name."""
    wanted = call.params["group"]
    found = tx.groups.find(call.project_id, wanted)
    if found is None:
        raise NotFound(
            f"No protection group with a name or id of '{wanted}' exists.", code="protection_group.not_found"
        )
    return found


def group_by_id(tx: Transaction, call: Call, group_id: str, *, lock: bool = False) -> ProtectionGroup:
    """A group that was found before, as it is now."""
    found = tx.groups.get(group_id, lock=lock)
    if found is None or found.project_id != call.project_id:
        raise NotFound(f"Protection group {group_id} was deleted meanwhile.", code="protection_group.not_found")
    return found


def member(tx: Transaction, call: Call, of: ProtectionGroup) -> Member:
    found = tx.members.get(call.params["member"])
    if found is None or found.group_id != of.id:
        raise NotFound(f"No member '{call.params['member']}' exists.", code="member.not_found")
    return found


def operation(tx: Transaction, call: Call, *, lock: bool = False, plan: bool = False) -> Operation:
    """Without its plan, which may be large, unless it is asked for."""
    found = tx.operations.get(call.params["operation"], lock=lock, plan=plan)
    if found is None or found.project_id != call.project_id:
        raise NotFound(f"No operation '{call.params['operation']}' exists.", code="operation.not_found")
    return found


def picture(tx: Transaction, call: Call, of: ProtectionGroup) -> Picture:
    """All that this site's database knows of the group."""
    own = own_site(tx, call)
    if own.id not in (of.primary_site_id, of.secondary_site_id):
        raise Conflict(f"The group does not belong to this site, {own.name}.", code="protection_group.foreign_site")
    return Picture(
        group=of,
        this_site_id=own.id,
        members=tx.members.of_group(of.id),
        volumes=tx.volumes.of_group(of.id),
        copies=tx.volumes.copies(of.id),
        policy=tx.policies.get(of.id),
        operations=tx.operations.of_group(of.id, unfinished=True),
        site_names=site_names(tx),
        mapped=tx.tenants.mapping(of.project_id, of.other_site(own.id)) is not None,
    )


def locked_picture(tx: Transaction, call: Call, group_id: str) -> Picture:
    """The same with the group's row locked: what is decided on it stays true until the transaction ends."""
    return picture(tx, call, group_by_id(tx, call, group_id, lock=True))
