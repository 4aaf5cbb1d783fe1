"""The rules of two sites and one group, each in one place. Pure functions from one group row to the next.

They run inside a transaction with the row locked, in the database of the site they speak of: that is what makes each of them a
compare-and-swap. The local engine and the peer's requests go through the same functions. Capitals name the rules of the failover protocol;
tests/model explores what happens without each of them.
"""

import dataclasses
from typing import Literal

from siterecovery.protector.domain.epoch import Claim, Generation, next_epoch
from siterecovery.protector.domain.errors import Conflict
from siterecovery.protector.domain.protection_group import ProtectionGroup
from siterecovery.protector.domain.states import ClaimState, GroupStatus, SyncStatus


def claim(
    group: ProtectionGroup, *, target_site_id: str, operation_id: str, base_epoch: int, newest_known: int
) -> ProtectionGroup:
    """CLAIM: the next epoch is claimed in the target's database before the first side effect.

    `base_epoch` is the epoch the operation believes the group to be in, `newest_known` the greatest number its own site knows. Asking again
    for the same operation answers the same claim. An open claim of another operation is superseded: that one's commit will be refused.
    A hold that the peer has pushed refuses nothing here: who may begin at all is a matter of admission.
    """
    mine = group.claim
    if mine.operation_id == operation_id:
        if mine.state is not ClaimState.OPEN:
            raise Conflict(f"The claim of operation {operation_id} was {mine.state}.", code="claim.closed")
        return group
    if group.failover_epoch != base_epoch:
        raise Conflict(
            f"The target knows epoch {group.failover_epoch} of the group, not {base_epoch}: it was moved meanwhile.",
            code="claim.stale",
            remedy="Check where the group is active and synchronise the metadata (protection-group sync-force), then retry.",
        )
    if group.hold_operation_id not in (None, operation_id):
        raise Conflict(
            f"Operation {group.hold_operation_id} holds the group on the target.", code="protection_group.busy"
        )
    newest = max(group.newest_epoch_known, newest_known)
    epoch = next_epoch(newest, for_primary=target_site_id == group.primary_site_id)
    return dataclasses.replace(group, claim=Claim(epoch, operation_id, ClaimState.OPEN, mine.fence))


def revoke(group: ProtectionGroup, operation_id: str) -> tuple[ProtectionGroup, Literal["revoked", "committed"]]:
    """What an undo asks for first. "committed" means that the operation has won and must go forward instead.

    The lineage is asked, not the newest claim: a commit whose answer was lost stays one when the group has moved on since.
    """
    mine = group.claim
    if any(generation.operation_id == operation_id for generation in group.lineage):
        return group, "committed"
    if mine.operation_id != operation_id:
        return group, "revoked"
    return dataclasses.replace(group, claim=dataclasses.replace(mine, state=ClaimState.REVOKED)), "revoked"


def has_committed(group: ProtectionGroup, operation_id: str, epoch: int) -> bool:
    """The operation's move is part of the group's history, on whichever site and whatever happened since."""
    return any((it.epoch, it.operation_id) == (epoch, operation_id) for it in group.lineage)


def is_committed(group: ProtectionGroup, operation_id: str, epoch: int) -> bool:
    """The group is in the epoch that this operation committed. True on the source too, once it has learnt (its own claim row never says so)."""
    return group.failover_epoch == epoch and has_committed(group, operation_id, epoch)


def commit(
    group: ProtectionGroup, *, operation_id: str, generation: Generation, status: GroupStatus, now: str
) -> ProtectionGroup:
    """The move becomes true in the target's database, conditional on its claim. Asking again changes nothing."""
    epoch = generation.epoch
    if has_committed(group, operation_id, epoch):
        return group
    mine = group.claim
    if group.failover_epoch >= epoch or (mine.epoch, mine.operation_id, mine.state) != (
        epoch,
        operation_id,
        ClaimState.OPEN,
    ):
        raise Conflict(
            f"Epoch {epoch} of operation {operation_id} can no longer be committed: the group is in epoch {group.failover_epoch}, "
            f"its newest claim {mine.epoch} of {mine.operation_id} is {mine.state}.",
            code="claim.lost",
        )
    return dataclasses.replace(
        group,
        failover_epoch=epoch,
        lineage=(*group.lineage, dataclasses.replace(generation, operation_id=operation_id)),
        current_primary_site_id=generation.site_id,
        status=status,
        error_message=None,
        claim=dataclasses.replace(mine, state=ClaimState.COMMITTED),
        remote_hold=group.remote_hold if group.remote_hold == operation_id else None,
        metadata_version=group.metadata_version + 1,
        failover_count=group.failover_count + (status is not GroupStatus.ACTIVE),
        last_failover_at=group.last_failover_at if status is GroupStatus.ACTIVE else now,
    )


def learn(group: ProtectionGroup, generation: Generation, *, status: GroupStatus, version: int) -> ProtectionGroup:
    """What the target has committed becomes known on the source. A group that has moved on since, or has learnt already, stays as it is."""
    if group.failover_epoch >= generation.epoch:
        return group
    home = status is GroupStatus.ACTIVE
    return dataclasses.replace(
        group,
        failover_epoch=generation.epoch,
        lineage=(*group.lineage, generation),
        current_primary_site_id=generation.site_id,
        status=status,
        error_message=None,
        failover_count=group.failover_count + (not home),
        last_failover_at=group.last_failover_at if home else generation.committed_at,
        metadata_version=version,
        remote_sync_status=SyncStatus.SYNCED,
        remote_sync_version=version,
        remote_failover_epoch=generation.epoch,
    )


def hold(group: ProtectionGroup, operation_id: str) -> ProtectionGroup:
    """The active site tells which of its operations holds the group. It has one at a time, so its newest word replaces an older one."""
    if group.hold_operation_id not in (None, operation_id):
        raise Conflict(
            f"Operation {group.hold_operation_id} holds the group on the target.", code="protection_group.busy"
        )
    return dataclasses.replace(group, remote_hold=operation_id)


def release(group: ProtectionGroup, operation_id: str) -> ProtectionGroup:
    return dataclasses.replace(group, remote_hold=None) if group.remote_hold == operation_id else group


def fence(group: ProtectionGroup, epoch: int) -> ProtectionGroup:
    """A forced failover of `epoch` tells this site, before it starts anything on its own, that it must stop."""
    if epoch <= max(group.claim.fence, group.failover_epoch):
        return group
    return dataclasses.replace(
        group,
        claim=dataclasses.replace(group.claim, fence=epoch),
        status=GroupStatus.ERROR,
        error_message=f"A forced failover (epoch {epoch}) is taking the group over on the other site; nothing is started here.",
    )


def must_yield(group: ProtectionGroup, operation_id: str, epoch: int | None) -> str | None:
    """Why a local operation must end without undo, or None: a higher epoch was committed, or a fence set, since it claimed."""
    if epoch is None or is_committed(group, operation_id, epoch):
        return None
    if group.failover_epoch >= epoch:
        return f"Epoch {group.failover_epoch} was committed by another operation."
    if group.claim.fence > epoch:
        return f"A forced failover with epoch {group.claim.fence} has fenced this site."
    return None


def heed(
    group: ProtectionGroup,
    operation_id: str,
    epoch: int | None,
    *,
    peer_epoch: int,
    peer_claim: Claim,
    peer_hold: str | None,
) -> Literal["adopt", "stop"] | None:
    """What a local operation must do before its next step, in view of the peer's row. None: go on.

    "adopt": the peer is in a higher epoch, so take its record and end without undo. "stop": an operation that runs over there has a live claim
    above ours (both are odd and even, so one of them is higher): end, and start nothing. The higher number wins.
    """
    committed_there = (peer_claim.operation_id, peer_claim.state) == (operation_id, ClaimState.COMMITTED)
    if committed_there and peer_claim.epoch == peer_epoch:
        return None
    if peer_epoch > group.failover_epoch:
        return None if outranks(group, peer_epoch) else "adopt"
    live = peer_claim.state is ClaimState.OPEN and peer_hold is not None and peer_claim.operation_id == peer_hold
    if live and peer_hold != operation_id and peer_claim.epoch > (epoch or 0):
        return "stop"
    return None


def newer(group: ProtectionGroup, epoch: int, version: int) -> bool:
    """A document is accepted only if its (epoch, version) is newer than what is known here."""
    return (epoch, version) > (group.failover_epoch, group.metadata_version)


def outranks(group: ProtectionGroup, epoch: int) -> bool:
    """An operation of this very site holds a live claim above `epoch`: it wins, and the peer's record is taken when it has ended."""
    mine = group.claim
    own = (
        mine.state is ClaimState.OPEN and mine.operation_id is not None and mine.operation_id == group.hold_operation_id
    )
    return own and mine.epoch > epoch


def adopt(group: ProtectionGroup, newest: ProtectionGroup) -> ProtectionGroup:
    """The peer's newer record of the group is taken over, unless `outranks`. A higher epoch revokes what was claimed here, also under
    a higher number (the peer's own operation, which it has dropped), and lets go of what held it, unless the move is the holder's own: that
    one has learnt so that it has won, and still holds the group until it has ended."""
    holder = group.hold_operation_id
    own = holder is not None and has_committed(newest, holder, newest.failover_epoch)
    moved = newest.failover_epoch > group.failover_epoch
    mine = group.claim
    if moved and mine.state is ClaimState.OPEN:
        mine = dataclasses.replace(mine, state=ClaimState.REVOKED)
    return dataclasses.replace(
        newest,
        project_id=group.project_id,
        claim=mine,
        hold_operation_id=None if moved and not own else holder,
        remote_hold=None if moved else group.remote_hold,
        created_at=group.created_at or newest.created_at,
    )
