"""What an engine does at rest, without being asked.

A site asks its peer before its engine claims anything, and keeps asking; what is newer there is adopted, and servers that must not run here
any more are stopped and locked. An active server that a late call of ours has stopped is put right. What could not be pushed is pushed again.
"""

import dataclasses
import logging
import time
import uuid
from collections.abc import Callable, Mapping

from siterecovery.protector.clouds.base import Clouds, Server
from siterecovery.protector.domain import claims
from siterecovery.protector.domain.errors import CloudBusy, CloudError, ProtectorError, RemoteSiteUnreachable
from siterecovery.protector.domain.member import Member
from siterecovery.protector.domain.operation import Debt, Operation
from siterecovery.protector.domain.plan import Plan, PlannedPolicy
from siterecovery.protector.domain.protection_group import ProtectionGroup
from siterecovery.protector.domain.states import OperationType, SyncStatus
from siterecovery.protector.peer import adoption
from siterecovery.protector.peer.base import Peers, View
from siterecovery.protector.steps.base import LOOK_AGE
from siterecovery.protector.steps.enrolment import document
from siterecovery.protector.steps.guards import LOCK_REASON
from siterecovery.protector.store.base import Store, Transaction
from siterecovery.workflow.ownership import owned

LOG = logging.getLogger(__name__)

STEPPED_DOWN = "stepped_down"
"""Key in the group's `extra`: the greatest epoch or fence for which this site has stopped its servers."""


class Duties:
    """`site_name` is this site's. Called from one worker thread of each engine; several engines may do the same at once without harm."""

    def __init__(
        self,
        store: Store,
        clouds: Clouds,
        peers: Peers,
        site_name: str,
        new_id: Callable[[], str] = lambda: str(uuid.uuid4()),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._clouds = clouds
        self._peers = peers
        self._site_name = site_name
        self._new_id = new_id
        self._monotonic = monotonic

    def __call__(self) -> None:
        for group in self._store.run(lambda tx: tx.groups.select()):
            try:
                self.look_after(group)
            except RemoteSiteUnreachable:
                LOG.debug("group %s: the peer does not answer", group.id)
            except ProtectorError as error:
                LOG.warning("group %s: %s", group.id, error.detail)

    def look_after(self, group: ProtectionGroup) -> None:
        """RETURN_ASKS: the peer is asked, always and without a user; its newer record is adopted, which ends what runs here for an older epoch, and
        this site's own servers are stopped and locked. The peer may be away: then only what concerns this site alone is done."""
        try:
            view = self._peers.of(group).view(group)
        except (RemoteSiteUnreachable, CloudError):
            view = None
        if view is not None:
            self._settle(group, view)
        self._step_down(group.id)
        if view is not None:
            self._watch_up(group.id)

    # ------------------------------------------------------------------------------------------------ records

    def synchronise(self, group_id: str) -> None:
        """Brings both records to the newer of the two, and writes down what was learnt; an unreachable peer is no error."""
        group = self._store.run(lambda tx: tx.groups.get(group_id))
        if group is None:
            return
        try:
            view = self._peers.of(group).view(group)
        except (RemoteSiteUnreachable, CloudError):
            self._note(group_id, remote_sync_status=SyncStatus.UNREACHABLE)
            return
        if view is not None:
            self._settle(group, view)
        elif group.hold_operation_id is None:
            self._push(group_id)

    def _settle(self, group: ProtectionGroup, view: View) -> None:
        if claims.newer(group, view.epoch, view.version):
            self._adopt(group)
        elif (view.epoch, view.version) < (group.failover_epoch, group.metadata_version):
            if group.hold_operation_id is None and group.remote_sync_status is not SyncStatus.UNREACHABLE:
                self._push(group.id)
        elif group.remote_sync_status is SyncStatus.PENDING:
            self._note(group.id, remote_sync_status=SyncStatus.SYNCED, remote_sync_version=view.version)

    def _adopt(self, group: ProtectionGroup) -> None:
        found = self._peers.of(group).fetch(group)
        if found is None:
            return

        def work(tx: Transaction) -> None:
            known = tx.groups.get(group.id, lock=True)
            if known is None:
                return
            sender = adoption.counterpart(tx, known, self._site_name)
            project_id = adoption.local_project(tx, found.group, sender, known)
            adoption.take(tx, known, found, project_id, sender, self._site_name)

        self._store.run(work)
        LOG.warning(
            "group %s: adopted epoch %d, version %d of the peer",
            group.id,
            found.group.failover_epoch,
            found.group.metadata_version,
        )

    def _push(self, group_id: str) -> None:
        def read(tx: Transaction) -> tuple[ProtectionGroup, object]:
            group = tx.groups.get(group_id)
            assert group is not None
            return group, document(tx, group)

        group, sent = self._store.run(read)
        if self._peers.of(group).push(sent):  # type: ignore[arg-type]
            self._note(group_id, remote_sync_status=SyncStatus.SYNCED, remote_sync_version=group.metadata_version)

    def _note(self, group_id: str, **fields: object) -> None:
        def work(tx: Transaction) -> None:
            group = tx.groups.get(group_id, lock=True)
            if group is None:
                return
            owed = fields.get("remote_sync_status") is SyncStatus.SYNCED and tx.debts.of_group(group_id)
            kept = {**fields, **({"remote_sync_status": SyncStatus.UNREACHABLE} if owed else {})}
            tx.groups.save(dataclasses.replace(group, **kept))  # type: ignore[arg-type]

        self._store.run(work)

    # ------------------------------------------------------------------------------------------------ servers

    def _step_down(self, group_id: str) -> None:
        """An operation of its own, so that it is journalled and survives like any other."""

        def work(tx: Transaction) -> None:
            group = tx.groups.get(group_id, lock=True)
            if group is None or group.hold_operation_id is not None:
                return
            here = adoption.own_site(tx, self._site_name).id
            due = self._due(tx, group, here)
            if due is None:
                return
            number, members = due
            marked = dataclasses.replace(group, extra={**group.extra, STEPPED_DOWN: number})
            if members:
                operation = self._operation(tx, marked, here, members)
                tx.operations.add(operation)
                marked = dataclasses.replace(marked, hold_operation_id=operation.id)
                LOG.warning("group %s: stepping down, %d servers are stopped and locked", group.id, len(members))
            tx.groups.save(marked)

        self._store.run(work)

    def _due(self, tx: Transaction, group: ProtectionGroup, here: str) -> tuple[int, list[Member]] | None:
        done = int(group.extra.get(STEPPED_DOWN, -1))
        fenced = group.claim.fence > group.failover_epoch and group.current_primary_site_id == here
        if fenced and group.claim.fence > done:
            return group.claim.fence, tx.members.of_group(group.id)
        owed = [debt for debt in tx.debts.of_group(group.id) if debt.site_id == here and debt.kind == "fence"]
        if owed and group.current_primary_site_id != here and group.failover_epoch > done:
            return group.failover_epoch, [self._left_here(group, debt) for debt in owed]
        return None

    def _left_here(self, group: ProtectionGroup, debt: Debt) -> Member:
        return Member(debt.id, group.id, debt.resource, str(debt.detail.get("name", debt.resource)))

    def _operation(self, tx: Transaction, group: ProtectionGroup, here: str, members: list[Member]) -> Operation:
        policy = tx.policies.get(group.id)
        plan = Plan(
            group=group,
            this_site_id=here,
            source_site_id=here,
            target_site_id=here,
            members=tuple(members),
            policy=PlannedPolicy.of(policy) if policy is not None else None,
        )
        return Operation(
            id=self._new_id(),
            group_id=group.id,
            project_id=group.project_id,
            type=OperationType.STEP_DOWN,
            source_site_id=here,
            target_site_id=here,
            plan=plan.to_json(),
            created_at=tx.now(),
        )

    def _watch_up(self, group_id: str) -> None:
        """WATCH_UP: at rest, an active server that is stopped under a lock of ours is put right: a late call must have done it.

        The peer is asked after the lock was seen. If the lock is of a newer move's (a debt that was paid here, say), that move is known there by
        then, and nothing is started."""

        def read(tx: Transaction) -> tuple[ProtectionGroup | None, list[Member], str]:
            """Members, a thousand rows perhaps, only where there is something to watch: not while an operation moves them."""
            group, site_id = tx.groups.get(group_id), adoption.own_site(tx, self._site_name).id
            watched = group is not None and self._at_rest_here(group, site_id)
            return group, tx.members.of_group(group_id) if watched else [], site_id

        group, members, here = self._store.run(read)
        if group is None or not members:
            return
        wanted = {member.instance_id: member for member in members if member.rebuild is not None}
        compute = self._clouds.service(here, group.project_id).compute
        stopped = [server for server in compute.servers(server_ids=wanted) if ours(server)]
        looked_at = self._monotonic()
        if not stopped or not self._agreed(group_id, here):
            return

        def fresh() -> None:
            if self._monotonic() - looked_at > LOOK_AGE:
                raise CloudBusy(
                    f"What was known of group {group.id} is {LOOK_AGE:.0f} s old: it is looked at again first."
                )

        owned(fresh, lambda: self._put_right(group, stopped, wanted, here))

    def _agreed(self, group_id: str, here: str) -> bool:
        """Both sites have the same record of a group that rests here, and nothing moves it over there."""
        group = self._store.run(lambda tx: tx.groups.get(group_id))
        if group is None or not self._at_rest_here(group, here):
            return False
        view = self._peers.of(group).view(group)
        if view is None or (view.epoch, view.version) != (group.failover_epoch, group.metadata_version):
            return False
        return (
            claims.heed(
                group,
                "",
                group.failover_epoch,
                peer_epoch=view.epoch,
                peer_claim=view.claim,
                peer_hold=view.hold_operation_id,
            )
            is None
        )

    def _put_right(
        self, group: ProtectionGroup, stopped: list[Server], wanted: Mapping[str, Member], here: str
    ) -> None:
        """Nothing is sent on a look that is old: an engine frozen here must not start what was moved away since."""
        compute = self._clouds.service(here, group.project_id).compute
        for server in stopped:
            LOG.warning(
                "group %s: server %s was stopped by a late call of ours, it is started again", group.id, server.id
            )
            compute.unlock(server.id)
            rebuild = wanted[server.id].rebuild
            if server.status == "SHUTOFF" and rebuild is not None and rebuild.powered_on:
                self._clouds.tenant(here, group.project_id).compute.start(server.id)

    def _at_rest_here(self, group: ProtectionGroup, here: str) -> bool:
        held = group.hold_operation_id or group.remote_hold
        fenced = group.claim.fence > group.failover_epoch
        return (
            group.current_primary_site_id == here
            and group.status.rests
            and group.status != "error"
            and not held
            and not fenced
        )


def ours(server: Server) -> bool:
    return server.locked and (server.locked_reason or "").startswith(LOCK_REASON)
