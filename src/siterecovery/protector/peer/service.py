"""The receiving side of the peer protocol: each verb is one transaction with the group's row locked, the rule itself is in `domain.claims`.

Nothing here trusts the caller's token: what counts is the signature of the group's other site. So a tenant may carry a document from one site
to the other (client relay), and cannot write one. Every verb may be repeated, and its answer may be lost.
"""

import time
from collections.abc import Callable
from typing import Any

from siterecovery.protector.domain import claims
from siterecovery.protector.domain.codec import CodecError, from_json, to_json
from siterecovery.protector.domain.epoch import Generation
from siterecovery.protector.domain.errors import BadRequest, Conflict, NotFound
from siterecovery.protector.domain.protection_group import ProtectionGroup
from siterecovery.protector.domain.site import Site
from siterecovery.protector.domain.states import GroupStatus
from siterecovery.protector.peer import adoption, document
from siterecovery.protector.peer.base import Document, View
from siterecovery.protector.peer.envelope import Kind, Message, Signed, check_age, opened, sender_name, sign
from siterecovery.protector.peer.keys import Identity
from siterecovery.protector.store.base import Store, Transaction

Answer = dict[str, Any]


class PeerService:
    """`site_name` is this site's own; `project_id` arguments are the project of the caller's path, None for the peer's service user."""

    def __init__(
        self, store: Store, identity: Identity, site_name: str, clock: Callable[[], float] = time.time
    ) -> None:
        self._store = store
        self._identity = identity
        self._site_name = site_name
        self._clock = clock
        self._verbs: dict[Kind, Callable[[Transaction, Message, Site], Answer]] = {
            Kind.CLAIM: self._claim,
            Kind.REVOKE: self._revoke,
            Kind.COMMIT: self._commit,
            Kind.HOLD: self._hold,
            Kind.RELEASE: self._release,
            Kind.FENCE: self._fence,
            Kind.FORGET: self._forget,
        }

    def document(self, group_id: str, project_id: str | None = None) -> Signed:
        """GET replica: this site's document, signed, its secrets sealed to the group's other site."""

        def read(tx: Transaction) -> tuple[Document, Site]:
            group = self._group(tx, group_id, project_id)
            return document.build(tx, group), adoption.counterpart(tx, group, self._site_name)

        found, other = self._store.run(read)
        if not other.sealing_key:
            raise Conflict(
                f"Site '{other.name}' has no sealing key here, so nothing can be written for it.",
                code="site.keys_missing",
                remedy="Register the site again (site create exchanges the keys of both Protectors).",
            )
        body = {"document": document.dump(found, sealing_key=other.sealing_key)}
        message = Message(Kind.REPLICA, self._site_name, other.name, group_id, int(self._clock()), body)
        return sign(message, self._identity)

    def view(self, group_id: str, project_id: str | None = None) -> Answer:
        """GET replica/view."""
        return self._store.run(lambda tx: to_json(self._view(tx, self._group(tx, group_id, project_id))))

    def put(self, group_id: str, signed: object, project_id: str | None = None) -> Answer:
        """PUT replica: `accepted` also when this site had the same; False when what it has is newer."""
        return self._store.run(lambda tx: self._put(tx, group_id, signed, project_id))

    def act(self, kind: Kind, group_id: str, signed: object) -> Answer:
        """POST replica/<verb>."""

        def work(tx: Transaction) -> Answer:
            message, sender = self._open(tx, signed, kind, group_id)
            return self._verbs[kind](tx, message, sender)

        return self._store.run(work)

    def _open(self, tx: Transaction, signed: object, kind: Kind, group_id: str) -> tuple[Message, Site]:
        sender = tx.sites.find(sender_name(signed))
        message = opened(
            signed, kind=kind, group_id=group_id, sender=sender, receiver=self._site_name, now=self._clock()
        )
        assert sender is not None  # opened() refuses a message of an unknown site
        return message, sender

    def _group(self, tx: Transaction, group_id: str, project_id: str | None) -> ProtectionGroup:
        group = tx.groups.get(group_id)
        if group is None or project_id not in (None, group.project_id):
            raise _unknown(group_id)
        return group

    def _locked(self, tx: Transaction, message: Message, sender: Site) -> ProtectionGroup:
        group = tx.groups.get(message.group_id, lock=True)
        if group is None:
            raise _unknown(message.group_id)
        adoption.check_sender(tx, group, sender, self._site_name)
        return group

    def _put(self, tx: Transaction, group_id: str, signed: object, project_id: str | None) -> Answer:
        message, sender = self._open(tx, signed, Kind.REPLICA, group_id)
        found = self._document(message)
        known = tx.groups.get(group_id, lock=True)
        if known is None:
            check_age(message, self._clock())  # a late document must not bring a deleted group back
        else:
            adoption.check_sender(tx, known, sender, self._site_name)
        local = adoption.local_project(tx, found.group, sender, known)
        if project_id not in (None, local):
            raise _unknown(group_id)
        group, accepted = adoption.take(tx, known, found, local, sender, self._site_name)
        return {"accepted": accepted, "epoch": group.failover_epoch, "version": group.metadata_version}

    def _document(self, message: Message) -> Document:
        return document.load(_field(message, "document", dict), self._identity, group_id=message.group_id)

    def _view(self, tx: Transaction, group: ProtectionGroup) -> View:
        delegation = tx.tenants.delegation(group.project_id)
        return View(
            epoch=group.failover_epoch,
            version=group.metadata_version,
            status=group.status,
            active_site_id=group.current_primary_site_id,
            claim=group.claim,
            hold_operation_id=group.hold_operation_id,
            site_name=self._site_name,
            trust_id=delegation.trust_id if delegation is not None else None,
        )

    def _claim(self, tx: Transaction, message: Message, sender: Site) -> Answer:
        group = claims.claim(
            self._locked(tx, message, sender),
            target_site_id=adoption.own_site(tx, self._site_name).id,
            operation_id=_field(message, "operation_id", str),
            base_epoch=_field(message, "base_epoch", int),
            newest_known=_field(message, "newest_known", int),
        )
        tx.groups.save(group)
        return {"epoch": group.claim.epoch}

    def _revoke(self, tx: Transaction, message: Message, sender: Site) -> Answer:
        group, outcome = claims.revoke(self._locked(tx, message, sender), _field(message, "operation_id", str))
        tx.groups.save(group)
        return {"outcome": outcome}

    def _commit(self, tx: Transaction, message: Message, sender: Site) -> Answer:
        group = self._locked(tx, message, sender)
        operation_id, generation = _field(message, "operation_id", str), _parsed(message, "generation", Generation)
        if not claims.has_committed(group, operation_id, generation.epoch):
            found = self._document(message)
            adoption.local_project(tx, found.group, sender, group)
            status = _parsed(message, "status", GroupStatus)
            moved = claims.commit(group, operation_id=operation_id, generation=generation, status=status, now=tx.now())
            group = adoption.moved_with(moved, found.group)
            adoption.write(tx, group, found)
        return {"epoch": group.failover_epoch, "version": group.metadata_version}

    def _hold(self, tx: Transaction, message: Message, sender: Site) -> Answer:
        operation_id = _field(message, "operation_id", str)
        group = claims.hold(self._locked(tx, message, sender), operation_id)
        tx.groups.save(group)
        return {"held_by": operation_id}

    def _release(self, tx: Transaction, message: Message, sender: Site) -> Answer:
        group = claims.release(self._locked(tx, message, sender), _field(message, "operation_id", str))
        tx.groups.save(group)
        return {"held_by": group.remote_hold}

    def _fence(self, tx: Transaction, message: Message, sender: Site) -> Answer:
        group = claims.fence(self._locked(tx, message, sender), _field(message, "epoch", int))
        tx.groups.save(group)
        adoption.mark_yielding(tx, group)
        return {"fence": group.claim.fence, "epoch": group.failover_epoch}

    def _forget(self, tx: Transaction, message: Message, sender: Site) -> Answer:
        """Repeated, it finds nothing and is content. A site that has missed a move must not delete the group it no longer has."""
        if tx.groups.get(message.group_id) is None:
            return {"forgotten": True}
        group = self._locked(tx, message, sender)
        if group.failover_epoch > _field(message, "epoch", int):
            raise Conflict(
                f"The group is in epoch {group.failover_epoch} at site '{self._site_name}': it was moved meanwhile.",
                code="claim.stale",
                remedy="Synchronise the metadata (protection-group sync-force) and delete the group where it is active.",
            )
        if group.hold_operation_id is not None:
            raise Conflict(
                f"Operation {group.hold_operation_id} holds the group at site '{self._site_name}'.",
                code="protection_group.busy",
                remedy="Wait until it has ended, then delete the group.",
            )
        tx.groups.delete(group.id)
        return {"forgotten": True}


def _unknown(group_id: str) -> NotFound:
    return NotFound(f"Protection group {group_id} is not known here.", code="protection_group.not_found")


def _field(message: Message, name: str, kind: type) -> Any:
    value = message.body.get(name)
    if type(value) is not kind:
        raise BadRequest(f"The {message.kind} message lacks '{name}' ({kind.__name__}).", code="replica.unreadable")
    return value


def _parsed(message: Message, name: str, kind: type[Any]) -> Any:
    try:
        return from_json(kind, message.body.get(name), lenient=True)
    except CodecError as error:
        raise BadRequest(f"The {message.kind} message cannot be read: {error}.", code="replica.unreadable") from error
