"""How a request becomes an operation: look, ask around, look again, and write everything in one transaction.

The first look refuses cheaply. Then the peer and the clouds are asked side by side, outside of any transaction. In the transaction the group's row is
locked, the rules are asked once more of what is true by then, and the operation, the hold and the group's passing status are written
together: an accepted operation always holds its group, a refused one has changed nothing.
"""

import dataclasses
import logging
from collections.abc import Callable
from typing import Any

from siterecovery.protector.api import lookup
from siterecovery.protector.api.call import Call
from siterecovery.protector.api.errors import NotAvailable
from siterecovery.protector.domain import admission
from siterecovery.protector.domain.admission import Ask, Peer, PeerRecord, Picture
from siterecovery.protector.domain.errors import (
    CloudUnreachable,
    Forbidden,
    PreconditionFailed,
    RemoteSiteUnreachable,
    Unmet,
)
from siterecovery.protector.domain.operation import Operation
from siterecovery.protector.domain.plan import Plan, PlannedPolicy
from siterecovery.protector.domain.protection_group import ProtectionGroup
from siterecovery.protector.domain.states import OperationType
from siterecovery.protector.store.base import Transaction
from siterecovery.workflow.abreast import abreast

LOG = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Findings:
    """What the clouds have answered."""

    unmet: tuple[Unmet, ...] = ()
    network_map: dict[str, str] = dataclasses.field(default_factory=dict)
    flavor_map: dict[str, str] = dataclasses.field(default_factory=dict)


def nothing(picture: Picture) -> Findings:
    return Findings()


def unchanged(tx: Transaction, picture: Picture, operation: Operation) -> ProtectionGroup:
    return picture.group


@dataclasses.dataclass(frozen=True)
class Wish:
    """`investigate` asks the clouds, outside of the transaction; `change` writes what else becomes true with the acceptance and answers the
    group as it is then; both may raise and then nothing is changed."""

    ask: Ask
    request: dict[str, Any] = dataclasses.field(default_factory=dict)
    investigate: Callable[[Picture], Findings] = nothing
    change: Callable[[Transaction, Picture, Operation], ProtectionGroup] = unchanged


def accept(call: Call, wish: Wish) -> Operation:
    """The written operation, pending. Raises what `domain.admission` does, PreconditionFailed with all that is unmet, NotAvailable."""
    store = call.services.store
    check_available(call, wish.ask.type)
    seen = store.run(lambda tx: lookup.picture(tx, call, lookup.group(tx, call)))
    admission.check_conflicts(wish.ask, seen)
    peer, findings = abreast(lambda: _checked_peer(call, wish, seen), lambda: _investigate(wish, seen))
    refuse_unmet([*admission.unmet(wish.ask, seen, peer), *findings.unmet])
    operation_id = call.services.new_id()

    def write(tx: Transaction) -> Operation:
        picture = lookup.locked_picture(tx, call, seen.group.id)
        written = tx.operations.get(operation_id, plan=False)
        if written is not None:
            return written  # the commit's answer was lost, the commit was not
        refuse_unmet(admission.admit(wish.ask, picture, peer))
        return _write(tx, call, wish, picture, peer, findings, operation_id)

    operation = store.run(write)
    if operation.force:
        LOG.warning(
            "operation %s (%s) of group %s was accepted with force", operation.id, operation.type, seen.group.id
        )
    return operation


def _checked_peer(call: Call, wish: Wish, seen: Picture) -> Peer:
    peer = ask_peer(call, seen.group, mapped=seen.mapped)
    admission.check_peer(wish.ask, seen, peer)
    return peer


def check_available(call: Call, type: OperationType) -> None:
    if type not in call.services.config.flows_available:
        raise NotAvailable(
            f"This release cannot run {type}.",
            code="operation.not_available",
            remedy="Upgrade Protector on both sites.",
        )


def refuse_unmet(unmet: list[Unmet]) -> None:
    if unmet:
        raise PreconditionFailed(unmet)


def ask_peer(call: Call, group: ProtectionGroup, *, mapped: bool) -> Peer:
    """What the other site's Protector knows. It is not asked in client relay, nor without a tenant mapping, which is refused anyhow."""
    if call.services.config.sync_mode == "client" or not mapped:
        return Peer(asked=False)
    try:
        view = call.services.peers.of(group).view(group)
    except (RemoteSiteUnreachable, Forbidden) as error:
        # Forbidden: our own credentials over there are wrong. That is the operator's matter, for the caller the site is out of reach.
        LOG.warning("the peer of group %s gives no answer: %s", group.id, error.detail)
        return Peer()
    return Peer(PeerRecord(True, view.epoch, view.version) if view else PeerRecord(False))


def _investigate(wish: Wish, seen: Picture) -> Findings:
    try:
        return wish.investigate(seen)
    except CloudUnreachable as error:
        _, target = admission.direction(wish.ask, seen)
        if target == seen.this_site_id:
            raise
        raise RemoteSiteUnreachable(admission.CANNOT_MODIFY, remedy=error.detail) from error


def _write(
    tx: Transaction, call: Call, wish: Wish, picture: Picture, peer: Peer, findings: Findings, operation_id: str
) -> Operation:
    source, target = admission.direction(wish.ask, picture)
    operation = Operation(
        id=operation_id,
        group_id=picture.group.id,
        project_id=picture.group.project_id,
        type=wish.ask.type,
        source_site_id=source,
        target_site_id=target,
        force=wish.ask.force,
        request=wish.request,
        warnings=admission.warnings(wish.ask, picture, peer),
        user_id=call.caller.user_id,
        request_id=call.request_id,
        created_at=tx.now(),
    )
    changed = wish.change(tx, picture, operation)
    plan = make_plan(tx, call, wish.ask.type, picture, findings, operation)
    operation = dataclasses.replace(operation, plan=plan.to_json())
    tx.operations.add(operation)
    status = admission.PASSING.get(wish.ask.type, changed.status)
    tx.groups.save(
        dataclasses.replace(changed, status=status, hold_operation_id=operation.id, updated_at=operation.created_at)
    )
    return operation


def make_plan(
    tx: Transaction, call: Call, type: OperationType, picture: Picture, findings: Findings, operation: Operation
) -> Plan:
    """Members are read again: the acceptance itself may have added or marked one."""
    members = tx.members.of_group(picture.group.id)
    if type in admission.REBUILDS:
        members = admission.rebuildable(members)
    config = call.services.config.plan
    asked = operation.request.get("allow_hard_stop")
    return Plan(
        group=picture.group,
        this_site_id=picture.this_site_id,
        source_site_id=operation.source_site_id or picture.this_site_id,
        target_site_id=operation.target_site_id or picture.this_site_id,
        members=tuple(members),
        volumes=tuple(tx.volumes.of_group(picture.group.id)),
        copies=tuple(picture.copies),
        policy=PlannedPolicy.of(picture.policy) if picture.policy else None,
        network_map=findings.network_map,
        flavor_map=findings.flavor_map,
        request=operation.request,
        config=config if asked is None else dataclasses.replace(config, allow_hard_stop=asked),
    )
