"""The metadata document: everything of a group that the other site must know to rebuild it alone.

Local to a site, and never in the document: its claim, its holds, its sync status, its database's times. `project_id` travels as the writer's
project; the receiver maps it. Secrets (array tokens, user data, which often holds passwords) are sealed to the receiver's key, so that a
relay carries what it cannot read.
"""

import dataclasses
from typing import Any

from siterecovery.protector.domain.codec import CodecError, from_json, to_json
from siterecovery.protector.domain.errors import BadRequest
from siterecovery.protector.domain.member import Member, Volume, VolumeCopy
from siterecovery.protector.domain.operation import Debt
from siterecovery.protector.domain.protection_group import ProtectionGroup
from siterecovery.protector.domain.secret import Secret
from siterecovery.protector.peer.base import Document
from siterecovery.protector.peer.keys import Identity, seal
from siterecovery.protector.store.base import Transaction

LOCAL = (
    "claim",
    "hold_operation_id",
    "remote_hold",
    "remote_sync_status",
    "remote_sync_version",
    "remote_failover_epoch",
    "created_at",
    "updated_at",
)


def build(tx: Transaction, group: ProtectionGroup) -> Document:
    """What this site's database holds of the group now."""
    return Document(
        group=group,
        members=tuple(tx.members.of_group(group.id)),
        volumes=tuple(tx.volumes.of_group(group.id)),
        copies=tuple(tx.volumes.copies(group.id)),
        policy=tx.policies.get(group.id),
        debts=tuple(tx.debts.of_group(group.id)),
    )


def dump(document: Document, *, sealing_key: str) -> dict[str, Any]:
    """JSON for the owner of `sealing_key`."""
    group_id = document.group.id

    def sealed(secret: Secret) -> str:
        return seal(secret.reveal(), sealing_key, group_id=group_id)

    data: dict[str, Any] = to_json(document, seal=sealed)
    for name in LOCAL:
        del data["group"][name]
    for member in data["members"]:
        rebuild = member["rebuild"]
        if rebuild is not None and rebuild["user_data"] is not None:
            rebuild["user_data"] = sealed(Secret(rebuild["user_data"]))
    return data


def load(data: dict[str, Any], identity: Identity, *, group_id: str) -> Document:
    """Raises BadRequest when it has not the shape of a document of this group, SealBroken when its secrets are for somebody else."""

    def unsealed(value: Any) -> Secret:
        return Secret(identity.unseal(value, group_id=group_id))

    given = data.get("group")
    shared = {**data, "group": {k: v for k, v in given.items() if k not in LOCAL}} if isinstance(given, dict) else data
    try:
        # lenient: a newer peer may know more than we do
        document = from_json(Document, shared, unseal=unsealed, lenient=True)
    except CodecError as error:
        raise BadRequest(
            f"The document cannot be read: {error}.",
            code="replica.unreadable",
            remedy="Upgrade the older of the two Protectors, then synchronise.",
        ) from error
    _check_whole(document, group_id)
    members = tuple(_with_user_data(member, identity, group_id) for member in document.members)
    return dataclasses.replace(document, members=members)


def replace_rows(tx: Transaction, document: Document) -> None:
    """Members, volumes, policy, copies and debts become those of the document; the group's own row is the caller's."""
    group_id = document.group.id
    kept = {member.id for member in document.members}
    for member in tx.members.of_group(group_id):
        if member.id not in kept:
            tx.members.delete(member.id)
    tx.members.save(*document.members)
    _replace_volumes(tx, document)
    if document.policy is not None:
        tx.policies.save(document.policy)
    owed = {debt.id for debt in document.debts}
    for debt in tx.debts.of_group(group_id):
        if debt.id not in owed:
            tx.debts.delete(debt.id)
    for debt in document.debts:
        tx.debts.save(debt)


def _replace_volumes(tx: Transaction, document: Document) -> None:
    group_id = document.group.id
    volumes = {volume.id for volume in document.volumes}
    for volume in tx.volumes.of_group(group_id):
        if volume.id not in volumes:
            tx.volumes.delete(volume.id)
    tx.volumes.save(*document.volumes)
    copies = {copy.id for copy in document.copies}
    for copy in tx.volumes.copies(group_id):
        if copy.id not in copies:
            tx.volumes.delete_copy(copy.id)
    tx.volumes.save_copy(*document.copies)


def _with_user_data(member: Member, identity: Identity, group_id: str) -> Member:
    rebuild = member.rebuild
    if rebuild is None or rebuild.user_data is None:
        return member
    user_data = identity.unseal(rebuild.user_data, group_id=group_id)
    return dataclasses.replace(member, rebuild=dataclasses.replace(rebuild, user_data=user_data))


def _check_whole(document: Document, group_id: str) -> None:
    """A document speaks of one group only: it must not reach another one's rows."""
    members = {member.id for member in document.members}
    rows: list[Member | Volume | VolumeCopy | Debt] = [
        *document.members,
        *document.volumes,
        *document.copies,
        *document.debts,
    ]
    foreign = [row.id for row in rows if row.group_id != group_id]
    foreign += [volume.id for volume in document.volumes if volume.member_id not in members]
    if document.policy is not None and document.policy.group_id != group_id:
        foreign.append("policy")
    if document.group.id != group_id or foreign:
        raise BadRequest(
            f"The document of group {group_id} speaks of something else: {', '.join(foreign) or document.group.id}.",
            code="replica.unreadable",
        )
