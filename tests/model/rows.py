"""The bridge to the product: a model row becomes a `ProtectionGroup`, goes through the pure function, and comes back.

Answers are remembered: rows are few, states are many.
"""

import functools

from siterecovery.protector.domain import claims
from siterecovery.protector.domain.epoch import Claim, Generation
from siterecovery.protector.domain.errors import Conflict
from siterecovery.protector.domain.protection_group import ProtectionGroup
from siterecovery.protector.domain.states import ClaimState, GroupStatus

from .state import NAMES, Claimed, Past, Row

_STATES = (ClaimState.NONE, ClaimState.OPEN, ClaimState.COMMITTED, ClaimState.REVOKED)
_PROJECT = "project"


def _operation(number: int) -> str | None:
    return str(number) if number else None


@functools.lru_cache(maxsize=200_000)
def group_of(row: Row, hold: int = 0) -> ProtectionGroup:
    """`hold`: the operation that runs at this row's site."""
    return ProtectionGroup(
        id="group",
        name="group",
        project_id=_PROJECT,
        primary_site_id=NAMES[0],
        secondary_site_id=NAMES[1],
        current_primary_site_id=NAMES[row.active],
        volume_type="type",
        secondary_volume_type="type",
        status=GroupStatus.ERROR if row.trouble else GroupStatus.ACTIVE,
        failover_epoch=row.epoch,
        lineage=tuple(
            Generation(
                past.epoch, past.parent if past.parent >= 0 else None, NAMES[past.site], _operation(past.operation)
            )
            for past in row.lineage
        ),
        claim=Claim(row.claim_epoch, _operation(row.claim_by), _STATES[row.claim], row.fence),
        hold_operation_id=_operation(hold),
        remote_hold=_operation(row.pushed_hold),
        metadata_version=row.version,
    )


def row_of(group: ProtectionGroup, before: Row) -> Row:
    return before._replace(
        epoch=group.failover_epoch,
        version=group.metadata_version,
        active=NAMES.index(group.current_primary_site_id),
        trouble=group.status is GroupStatus.ERROR,
        claim_epoch=group.claim.epoch,
        claim_by=int(group.claim.operation_id or 0),
        claim=Claimed(_STATES.index(group.claim.state)),
        fence=group.claim.fence,
        pushed_hold=int(group.remote_hold or 0),
        lineage=tuple(
            Past(it.epoch, -1 if it.parent is None else it.parent, NAMES.index(it.site_id), int(it.operation_id or 0))
            for it in group.lineage
        ),
    )


@functools.lru_cache(maxsize=200_000)
def claim(row: Row, hold: int, site: int, operation: int, base: int, newest: int) -> Row | None:
    """None: refused."""
    try:
        group = claims.claim(
            group_of(row, hold),
            target_site_id=NAMES[site],
            operation_id=str(operation),
            base_epoch=base,
            newest_known=newest,
        )
    except Conflict:
        return None
    return row_of(group, row)


@functools.lru_cache(maxsize=200_000)
def revoke(row: Row, operation: int) -> tuple[Row, bool]:
    """And whether the undo may go on (it had not committed)."""
    group, outcome = claims.revoke(group_of(row), str(operation))
    return row_of(group, row), outcome == "revoked"


@functools.lru_cache(maxsize=200_000)
def commit(row: Row, past: Past) -> Row | None:
    """None: refused. The same row: it had been committed before."""
    generation = Generation(past.epoch, past.parent, NAMES[past.site], str(past.operation))
    try:
        group = claims.commit(
            group_of(row), operation_id=str(past.operation), generation=generation, status=GroupStatus.ACTIVE, now=""
        )
    except Conflict:
        return None
    return row_of(group, row)


def committed(row: Row, operation: int, epoch: int) -> bool:
    return claims.has_committed(group_of(row), str(operation), epoch)


@functools.lru_cache(maxsize=200_000)
def fence(row: Row, epoch: int) -> Row:
    return row_of(claims.fence(group_of(row), epoch), row)


@functools.lru_cache(maxsize=200_000)
def hold(row: Row, own_hold: int, operation: int) -> Row:
    try:
        return row_of(claims.hold(group_of(row, own_hold), str(operation)), row)
    except Conflict:
        return row


@functools.lru_cache(maxsize=200_000)
def release(row: Row, operation: int) -> Row:
    return row_of(claims.release(group_of(row), str(operation)), row)


@functools.lru_cache(maxsize=200_000)
def adopt(row: Row, hold: int, newest: Row) -> Row | None:
    """None: what is here is newer, or an operation that runs here outranks it."""
    group = group_of(row, hold)
    if not claims.newer(group, newest.epoch, newest.version) or claims.outranks(group, newest.epoch):
        return None
    moved = newest.epoch > row.epoch
    return row_of(claims.adopt(group, group_of(newest)), row)._replace(owes=row.owes and not moved)


@functools.lru_cache(maxsize=200_000)
def heed(row: Row, hold: int, operation: int, epoch: int, peer: Row, peer_hold: int) -> str | None:
    """What an operation here must do in view of the peer's row: "adopt" it, "stop", or go on (None)."""
    return claims.heed(
        group_of(row, hold),
        str(operation),
        epoch or None,
        peer_epoch=peer.epoch,
        peer_claim=group_of(peer).claim,
        peer_hold=_operation(peer_hold),
    )


@functools.lru_cache(maxsize=200_000)
def must_yield(row: Row, operation: int, epoch: int) -> bool:
    return claims.must_yield(group_of(row), str(operation), epoch or None) is not None


@functools.lru_cache(maxsize=200_000)
def ancestry(row: Row) -> tuple[int, ...]:
    """Epochs, youngest first."""
    return tuple(generation.epoch for generation in group_of(row).ancestry())


def newest_known(row: Row) -> int:
    return max(row.epoch, row.claim_epoch, row.fence)


def document(row: Row) -> Row:
    """What of a row travels."""
    return Row(row.epoch, row.version, row.active, row.trouble, lineage=row.lineage)


def commit_unchecked(row: Row, past: Past) -> Row:
    """Without CLAIM or TARGET_COMMITS there is nothing to compare with."""
    return row._replace(
        epoch=past.epoch,
        version=row.version + 1,
        active=past.site,
        trouble=False,
        claim_by=past.operation,
        claim_epoch=max(row.claim_epoch, past.epoch),
        claim=Claimed.COMMITTED,
        lineage=(*row.lineage, past),
    )
