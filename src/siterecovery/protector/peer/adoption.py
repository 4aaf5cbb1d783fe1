"""Taking over what the other site says of a group: who may say it, which project it is here, what becomes of local operations.

Used by the service when a document is pushed and by an engine that fetched one itself. All of it runs inside the caller's
transaction, with the group's row locked.
"""

import dataclasses

from siterecovery.protector.domain import claims
from siterecovery.protector.domain.errors import Conflict, Forbidden
from siterecovery.protector.domain.protection_group import ProtectionGroup
from siterecovery.protector.domain.site import Site
from siterecovery.protector.domain.states import SyncStatus
from siterecovery.protector.peer import document
from siterecovery.protector.peer.base import Document
from siterecovery.protector.store.base import Transaction


def own_site(tx: Transaction, site_name: str) -> Site:
    site = tx.sites.find(site_name)
    if site is None:
        raise Conflict(
            f"This Protector calls itself '{site_name}', but no site of that name is registered here.",
            code="site.not_registered",
            remedy="Register both sites (site create), or correct [DEFAULT] site_name.",
        )
    return site


def counterpart(tx: Transaction, group: ProtectionGroup, site_name: str) -> Site:
    """The group's other site, as it is registered here."""
    other_id = group.other_site(own_site(tx, site_name).id)
    other = tx.sites.get(other_id)
    if other is None:
        raise Conflict(
            f"The group's other site {other_id} is not registered here.",
            code="site.not_registered",
            remedy="Register it with the same id on both Protectors (site create).",
        )
    return other


def check_sender(tx: Transaction, group: ProtectionGroup, sender: Site, site_name: str) -> None:
    """Only the group's other site may speak of it. Raises Forbidden."""
    if {sender.id, own_site(tx, site_name).id} != {group.primary_site_id, group.secondary_site_id}:
        raise Forbidden(
            f"Site '{sender.name}' is not the other site of protection group {group.id}.", code="replica.foreign_group"
        )


def local_project(tx: Transaction, theirs: ProtectionGroup, sender: Site, known: ProtectionGroup | None) -> str:
    """The tenant mapping decides whose group this is here, never the document alone. Raises Forbidden."""
    mapping = tx.tenants.mapping_from(sender.id, theirs.project_id)
    if mapping is None:
        raise Forbidden(
            f"Project {theirs.project_id} of site '{sender.name}' is mapped to no project of this site.",
            code="tenant_mapping.missing",
            remedy="An admin of this site maps it: tenant-mapping create.",
        )
    if known is not None and known.project_id != mapping.local_project_id:
        raise Forbidden(
            f"The group belongs to another project here than the one project {theirs.project_id} of site '{sender.name}' is mapped to.",
            code="tenant_mapping.changed",
            remedy="Restore the tenant mapping under which the group was created.",
        )
    return mapping.local_project_id


def take(
    tx: Transaction,
    known: ProtectionGroup | None,
    found: Document,
    project_id: str,
    sender: Site,
    site_name: str,
) -> tuple[ProtectionGroup, bool]:
    """The row afterwards, and whether this site now has what `found` says. Older ones change nothing. Raises Conflict where a local
    operation with a higher claim is under way."""
    theirs = _as_learnt(found.group, project_id)
    if known is None:
        check_sender(tx, theirs, sender, site_name)
        group = dataclasses.replace(theirs, created_at=tx.now(), updated_at=tx.now())
    elif not claims.newer(known, theirs.failover_epoch, theirs.metadata_version):
        same = (known.failover_epoch, known.metadata_version) == (theirs.failover_epoch, theirs.metadata_version)
        return (_settled(tx, known) if same else known), same
    else:
        _check_adoptable(known, theirs)
        group = dataclasses.replace(claims.adopt(known, theirs), updated_at=tx.now())
    write(tx, group, found)
    return group, True


def write(tx: Transaction, group: ProtectionGroup, found: Document) -> None:
    """The row as it is now, and everything of the document below it."""
    _check_members(tx, found)
    tx.groups.save(group)
    document.replace_rows(tx, found)
    mark_yielding(tx, group)


def moved_with(moved: ProtectionGroup, described: ProtectionGroup) -> ProtectionGroup:
    """The committed row with what the move changed besides: the peer that sent the commit described it. Version numbers only grow."""
    return dataclasses.replace(
        described,
        project_id=moved.project_id,
        status=moved.status,
        error_message=moved.error_message,
        failover_epoch=moved.failover_epoch,
        lineage=moved.lineage,
        current_primary_site_id=moved.current_primary_site_id,
        claim=moved.claim,
        hold_operation_id=moved.hold_operation_id,
        remote_hold=moved.remote_hold,
        failover_count=moved.failover_count,
        last_failover_at=moved.last_failover_at,
        metadata_version=max(moved.metadata_version, described.metadata_version + 1),
        remote_sync_status=SyncStatus.PENDING,
        remote_sync_version=moved.remote_sync_version,
        remote_failover_epoch=moved.remote_failover_epoch,
        created_at=moved.created_at,
        updated_at=moved.last_failover_at or moved.updated_at,
    )


def mark_yielding(tx: Transaction, group: ProtectionGroup) -> None:
    """Says in the records of this site's unfinished operations why they end. What makes an engine end them, without undo, is the group's
    row itself: it asks `claims.must_yield` before every step."""
    for unfinished in tx.operations.of_group(group.id, unfinished=True):
        reason = claims.must_yield(group, unfinished.id, unfinished.epoch)
        operation = tx.operations.get(unfinished.id, lock=True, plan=False) if reason else None
        if reason and operation is not None and reason not in operation.warnings:
            tx.operations.save(dataclasses.replace(operation, warnings=(*operation.warnings, reason)))


def _as_learnt(theirs: ProtectionGroup, project_id: str) -> ProtectionGroup:
    """What the writer has, it has: after taking it both sites agree."""
    return dataclasses.replace(
        theirs,
        project_id=project_id,
        remote_sync_status=SyncStatus.SYNCED,
        remote_sync_version=theirs.metadata_version,
        remote_failover_epoch=theirs.failover_epoch,
    )


def _settled(tx: Transaction, known: ProtectionGroup) -> ProtectionGroup:
    """The peer has shown that it has the same: a push of ours whose answer was lost has arrived."""
    if known.remote_sync_status is not SyncStatus.PENDING:
        return known
    group = dataclasses.replace(
        known,
        remote_sync_status=SyncStatus.SYNCED,
        remote_sync_version=known.metadata_version,
        remote_failover_epoch=known.failover_epoch,
    )
    tx.groups.save(group)
    return group


def _check_adoptable(known: ProtectionGroup, theirs: ProtectionGroup) -> None:
    if (known.primary_site_id, known.secondary_site_id) != (theirs.primary_site_id, theirs.secondary_site_id):
        raise Forbidden(
            "The document names other sites than the group has here.",
            code="replica.foreign_group",
            remedy="Both Protectors must know the two sites by the same ids.",
        )
    if claims.outranks(known, theirs.failover_epoch):
        raise Conflict(
            f"Operation {known.hold_operation_id} is taking the group over here with epoch {known.claim.epoch}.",
            code="protection_group.busy",
            remedy="Wait until it has ended; this site then tells what became of the group.",
        )


def _check_members(tx: Transaction, found: Document) -> None:
    """A member is known by one group only: a document must not pull another group's into its own."""
    for stranger in tx.members.elsewhere([member.id for member in found.members], found.group.id):
        raise Forbidden(f"Member {stranger} belongs to another group here.", code="replica.foreign_group")
