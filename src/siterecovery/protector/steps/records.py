"""Steps that touch both Protectors' databases: what must hold before, the claim, the commit, and the end.

The order is the protocol's: a claim in the target's database before the first side effect, the commit there conditional on it, the source
learns afterwards; an undo begins by revoking the claim.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any

from siterecovery.protector.clouds.base import Server
from siterecovery.protector.domain import claims
from siterecovery.protector.domain.epoch import Generation
from siterecovery.protector.domain.errors import CloudError, CloudNotFound, RemoteSiteUnreachable
from siterecovery.protector.domain.member import CopyState, Member, Volume
from siterecovery.protector.domain.operation import Debt
from siterecovery.protector.domain.states import ClaimState, GroupStatus, MemberStatus, SyncStatus
from siterecovery.protector.peer.base import Document
from siterecovery.protector.steps.base import ProtectorStep, World
from siterecovery.protector.steps.fencing import AGAIN
from siterecovery.protector.steps.replication import ChooseRecoveryPoint, epoch_of
from siterecovery.protector.steps.volumes import left_behind
from siterecovery.protector.store.base import Change, Transaction
from siterecovery.workflow.abreast import abreast
from siterecovery.workflow.step import Call, OnFailure, Outcome, Refused, Unsettled


class ValidateSites(ProtectorStep):
    """Reads only: both sites (forced: the target alone) can do what will be asked of them, and how the VMs are found is written down."""

    timeout = 120.0

    def __init__(self, world: World, name: str, *, forced: bool = False) -> None:
        super().__init__(world, name)
        self.forced = forced

    def do(self, call: Call) -> Outcome:
        if self.forced:
            # The array's link to the dead site is broken; what it holds is asked of it.
            abreast(self._signed_in(self.world.target), ChooseRecoveryPoint(self.world, self.name).found)
            return Outcome({"servers": {}, "reverse_configured": None})
        sites = (self.world.source, self.world.target)
        *_, servers, configured = abreast(
            *(self._signed_in(site) for site in sites),
            *(functools.partial(self._array_fit, site) for site in sites),
            self._served,
            self._in_sync,
            self._servers,
            self._configured,
        )
        return Outcome({"servers": servers, "reverse_configured": configured})

    def _signed_in(self, site_id: str) -> Callable[[], None]:
        return self.world.tenant(site_id).identity.check

    def _array_fit(self, site_id: str) -> None:
        health = self.world.driver.health(site_id)
        if health != "ok":
            raise Refused(
                f"The array of {self.world.site_names[site_id]} is not fit: {health} Put it right, then retry; nothing was changed. "
                "In a disaster, a forced failover needs the target's array only."
            )

    def _served(self) -> None:
        """A volume service that can take the copies under management; refused while nothing has been touched."""
        target = self.world.target
        self.world.service(target).volumes.service_host(self.world.plan.group.volume_type_on(target))

    def _in_sync(self) -> None:
        group = self.world.group()
        view = self.world.peer.view(group)
        if view is None or (view.epoch, view.version) != (group.failover_epoch, group.metadata_version):
            raise Refused(
                "Remote site unreachable — metadata sync required: run protection-group sync-force, then retry."
            )

    def _servers(self) -> dict[str, Any]:
        found = self.world.service(self.world.source).compute.servers(
            server_ids=[m.instance_id for m in self.world.plan.members]
        )
        by_id: dict[str, Server] = {server.id: server for server in found}
        missing = [m.instance_name for m in self.world.plan.members if m.instance_id not in by_id]
        if missing:
            raise Refused(
                f"These VMs are gone from the source site: {', '.join(missing)}. Remove them from the group, then retry."
            )
        return {
            member.id: {"status": by_id[member.instance_id].status, "locked": by_id[member.instance_id].locked}
            for member in self.world.plan.members
        }

    def _configured(self) -> bool:
        try:
            return bool(self.world.driver.members(self.world.replication(self.world.base)))
        except CloudNotFound:
            return False


class CreateOperationRecord(ProtectorStep):
    """The next epoch is claimed in the target's database; then the hold is told to the peer."""

    def do(self, call: Call) -> Outcome:
        group, operation_id = self.world.plan.group, self.world.operation.id
        call.check()
        if self.world.target == self.world.here:
            epoch = self._claim_here()
        else:
            newest = self.world.group().newest_epoch_known
            epoch = self.world.peer.claim(group, operation_id, group.failover_epoch, newest)
            self.world.peer.hold(group, operation_id)
        return Outcome({"epoch": epoch}, (_note_epoch(operation_id, epoch),))

    def _claim_here(self) -> int:
        plan, operation_id = self.world.plan, self.world.operation.id

        def claim(tx: Transaction) -> int:
            group = tx.groups.get(plan.group.id, lock=True)
            if group is None:
                raise Refused("The group is gone.")
            claimed = claims.claim(
                group,
                target_site_id=plan.target_site_id,
                operation_id=operation_id,
                base_epoch=plan.group.failover_epoch,
                newest_known=group.newest_epoch_known,
            )
            tx.groups.save(claimed)
            return claimed.claim.epoch

        epoch: int = self.world.read(claim)
        return epoch

    def undo(self, call: Call) -> None:
        if self.world.target != self.world.here:
            self.world.peer.release(self.world.plan.group, self.world.operation.id)


def _note_epoch(operation_id: str, epoch: int) -> Change:
    def change(tx: Transaction) -> None:
        operation = tx.operations.get(operation_id, lock=True, plan=False)
        if operation is not None:
            tx.operations.save(dataclasses.replace(operation, epoch=epoch))

    return change


class RevokeClaim(ProtectorStep):
    """The way back begins here."""

    def do(self, call: Call) -> Outcome:
        """REVOKE: before anything is undone the claim is revoked in the target's database, so that no commit can follow. When the answer is that the
        move has been committed there, the flow goes forward instead."""
        if not call.begun("create_operation_record"):
            return Outcome("undo")
        try:
            answer = self._revoke()
        except (RemoteSiteUnreachable, CloudError) as error:
            return self._unanswered(call, error)
        return Outcome("forward" if answer == "committed" else "undo")

    def _unanswered(self, call: Call, error: Exception) -> Outcome:
        """HANDOVER: once a server was asked for on the target, the source may not have its VMs back before the target has answered; that is
        repeated, and ends in `error` with both stopped. Before, it may: the claim is superseded by the next one."""
        if call.begun("recreate_instances"):
            raise Unsettled(
                f"The target site does not answer ({error}), and VMs may have been created there: the source stays stopped until it does."
            ) from error
        return Outcome("undo")

    def _revoke(self) -> str:
        plan, operation_id = self.world.plan, self.world.operation.id
        if self.world.target != self.world.here:
            return self.world.peer.revoke(plan.group, operation_id)

        def revoke(tx: Transaction) -> str:
            group = tx.groups.get(plan.group.id, lock=True)
            if group is None:
                return "revoked"
            revoked, answer = claims.revoke(group, operation_id)
            tx.groups.save(revoked)
            return answer

        found: str = self.world.read(revoke)
        return found


@dataclasses.dataclass(frozen=True)
class Move:
    """What a move makes of the group, read off the steps' results."""

    world: World
    epoch: int
    status: GroupStatus
    servers: Mapping[str, str]
    """Member id → server on the target; members that could not be rebuilt are missing."""
    volumes: Mapping[str, Mapping[str, str]]
    """Volume id → `{"volume_id", "array_volume_name", "array_volume_id"}` on the target."""
    parent: int

    @classmethod
    def of(cls, world: World, call: Call, status: GroupStatus) -> "Move":
        servers, volumes = {}, {}
        attached = call.results("attach_volumes")
        records = call.results("update_volume_records")
        created = call.results("recreate_instances")
        for member in world.plan.members:
            label = world.labels[member.id]
            if f"attach_volumes/{label}" not in attached:
                continue
            servers[member.id] = created[f"recreate_instances/{label}"]["server_id"]
            volumes.update(records[f"update_volume_records/{label}"])
        return cls(world, epoch_of(call), status, servers, volumes, call.result("get_latest_snapshot")["epoch"])

    def generation(self, now: str) -> Generation:
        stays = (
            self.world.base.site_id == self.world.target
        )  # the missing members of a partial failover join the others
        kept = dict(self.world.base.volumes) if stays else {}
        names = {id: moved["array_volume_name"] for id, moved in self.volumes.items()}
        name = self.world.replication_name(self.epoch)
        return Generation(
            self.epoch, self.parent, self.world.target, self.world.operation.id, name, {**kept, **names}, now
        )

    def members(self) -> list[Member]:
        return [self._member(member) for member in self.world.plan.members]

    def document(self, tx: Transaction) -> Document:
        """The group as the target shall know it: what moved as it is there, everything else as it is here."""
        group_id = self.world.plan.group.id
        members = {member.id: member for member in tx.members.of_group(group_id)} | {m.id: m for m in self.members()}
        volumes = {v.id: v for v in tx.volumes.of_group(group_id)} | {v.id: v for v in self.moved_volumes()}
        group = tx.groups.get(group_id)
        return Document(
            group or self.world.plan.group,
            tuple(members.values()),
            tuple(volumes.values()),
            tuple(tx.volumes.copies(group_id)),
            tx.policies.get(group_id),
            tuple(tx.debts.of_group(group_id)),
        )

    def _member(self, member: Member) -> Member:
        server = self.servers.get(member.id)
        if server is None:
            return dataclasses.replace(
                member, status=MemberStatus.ERROR, error_message="It could not be recreated on the target site."
            )
        home = self.status is GroupStatus.ACTIVE
        status = MemberStatus.PROTECTED if home else MemberStatus.RECOVERED
        return dataclasses.replace(
            member, instance_id=server, status=status, error_message=None, rebuild=self._rebuild(member)
        )

    def _rebuild(self, member: Member) -> Any:
        """Flavor and networks as they are called where the member runs now."""
        rebuild, plan = member.rebuild, self.world.plan
        if rebuild is None:
            return None
        ports = tuple(
            dataclasses.replace(port, network_id=plan.network_map.get(port.network_id, port.network_id))
            for port in rebuild.ports
        )
        flavor = plan.flavor_map.get(rebuild.flavor_id, rebuild.flavor_id)
        return dataclasses.replace(rebuild, flavor_id=flavor, ports=ports)

    def moved_volumes(self) -> list[Volume]:
        return [
            _renamed(volume, self.volumes[volume.id]) if volume.id in self.volumes else volume
            for volume in self.world.plan.volumes
        ]


def _renamed(volume: Volume, moved: Mapping[str, str]) -> Volume:
    return dataclasses.replace(
        volume,
        volume_id=moved["volume_id"],
        array_volume_name=moved["array_volume_name"],
        array_volume_id=moved["array_volume_id"],
    )


class CommitPlanned(ProtectorStep):
    """The commit point of a planned move: status, active site, epoch and ids become true on both sites."""

    def __init__(self, world: World, name: str, status: GroupStatus) -> None:
        super().__init__(world, name)
        self.status = status

    def do(self, call: Call) -> Outcome:
        """TARGET_COMMITS: first in the target's database, by compare-and-swap on the claim; what was committed there has happened, whatever becomes
        of this site. Then here, together with this step's journal entry."""
        move = Move.of(self.world, call, self.status)
        generation = move.generation(now=self.world.read(lambda tx: tx.now()))
        document = self.world.read(move.document)
        call.check()
        version = self.world.peer.commit(self.world.operation.id, generation, self.status, document)
        return Outcome({"epoch": move.epoch, "version": version}, (self._learn(move, generation, version),))

    def look(self, call: Call) -> Outcome | None:
        """A commit whose answer was lost is seen in the target's row; only what was never heard there is said again."""
        seen, move = self.world.peer.view(self.world.group()), Move.of(self.world, call, self.status)
        mine = (move.epoch, self.world.operation.id, ClaimState.COMMITTED)
        if (
            seen is None
            or seen.epoch != move.epoch
            or (seen.claim.epoch, seen.claim.operation_id, seen.claim.state) != mine
        ):
            return None
        generation = move.generation(now=self.world.read(lambda tx: tx.now()))
        return Outcome({"epoch": move.epoch, "version": seen.version}, (self._learn(move, generation, seen.version),))

    def _learn(self, move: Move, generation: Generation, version: int) -> Change:
        """The source learns what the target has committed."""
        group_id, operation = self.world.plan.group.id, self.world.operation

        def change(tx: Transaction) -> None:
            group = tx.groups.get(group_id, lock=True)
            if group is None or group.failover_epoch >= generation.epoch:
                return
            tx.groups.save(claims.learn(group, generation, status=move.status, version=version))
            _save_things(tx, move)
            _note_epoch(operation.id, generation.epoch)(tx)

        return change


def _save_things(tx: Transaction, move: Move) -> None:
    tx.members.save(*move.members())
    tx.volumes.save(*move.moved_volumes())


class CommitForced(ProtectorStep):
    """The commit point of a forced failover, on the target alone: what works is kept, what is owed to the old site goes into the ledger.

    The old site's volumes are written down as stale copies: nothing but a person's own cleanup deletes them."""

    def do(self, call: Call) -> Outcome:
        servers = call.results("attach_volumes")
        if not servers and self.world.plan.members:
            sentences = "; ".join(sentence for _, sentence, _ in call.failures())
            raise Refused(f"No VM could be recreated on the target site: {sentences}")
        whole = len(servers) == len(self.world.plan.members)
        status = GroupStatus.FAILED_OVER if whole else GroupStatus.FAILED_OVER_PARTIAL
        if self.world.target == self.world.plan.group.primary_site_id and whole:
            status = GroupStatus.ACTIVE
        move = Move.of(self.world, call, status)
        fenced = call.results("fence_source")
        call.check()
        return Outcome({"epoch": move.epoch, "status": str(status)}, (self._commit(move, fenced),))

    def _commit(self, move: Move, fenced: Mapping[str, Any]) -> Change:
        world = self.world

        def change(tx: Transaction) -> None:
            group = tx.groups.get(world.plan.group.id, lock=True)
            if group is None:
                raise Refused("The group is gone.")
            now = tx.now()
            committed = claims.commit(
                group, operation_id=world.operation.id, generation=move.generation(now), status=move.status, now=now
            )
            tx.groups.save(dataclasses.replace(committed, remote_sync_status=SyncStatus.UNREACHABLE))
            _save_things(tx, move)
            for debt in self._debts(move, fenced):
                tx.debts.save(debt)
            if world.source != world.target:
                for volume in world.plan.volumes:
                    if volume.id in move.volumes:
                        tx.volumes.save_copy(
                            dataclasses.replace(left_behind(world, volume, CopyState.STALE), created_at=now)
                        )

        return change

    def _debts(self, move: Move, fenced: Mapping[str, Any]) -> list[Debt]:
        world = self.world
        if world.source == world.target:
            return []
        done = {step.partition("/")[2].removesuffix(AGAIN) for step, value in fenced.items() if value.get("stopped")}
        debts = [
            self._debt("fence", member.instance_id, {"name": member.instance_name})
            for member in world.plan.members
            if world.labels[member.id] not in done
        ]
        return [*debts, self._debt("schedule_off", world.replication(world.base).group, {})]

    def _debt(self, kind: str, resource: str, detail: dict[str, Any]) -> Debt:
        operation = self.world.operation
        id = f"{operation.id[:18]}-{kind}-{resource}"[:96]
        epoch = self.world.base.epoch
        return Debt(id, self.world.plan.group.id, self.world.source, kind, resource, detail, operation.id, epoch)


class Finalize(ProtectorStep):
    """The record gets its result, the peer learns the last state and lets go of the hold."""

    on_failure = OnFailure.RECORD

    def do(self, call: Call) -> Outcome:
        result = self._result(call)
        operation_id = self.world.operation.id

        def change(tx: Transaction) -> None:
            operation = tx.operations.get(operation_id, lock=True, plan=False)
            if operation is not None:
                tx.operations.save(dataclasses.replace(operation, result_data=result))

        if self.world.target != self.world.here:
            call.check()
            self.world.peer.release(self.world.plan.group, operation_id)
        return Outcome(result, (change,))

    def _result(self, call: Call) -> dict[str, Any]:
        created = call.results("recreate_instances")
        names = {self.world.labels[m.id]: m.instance_name for m in self.world.plan.members}
        by_name = {
            step.partition("/")[2]: value["server_id"] for step, value in created.items() if "server_id" in value
        }
        notes = [note for value in created.values() for note in value.get("notes", ())]
        group = self.world.group()
        result = {
            "instances_created": {
                label if list(names.values()).count(names[label]) > 1 else names[label]: id
                for label, id in by_name.items()
                if label in names
            },
            "volumes_managed": len(call.results("manage_volumes_cinder")),
            "failover_count": group.failover_count,
            "current_primary_site": self.world.site_names[group.current_primary_site_id],
            "recovery_point_at": call.result("get_latest_snapshot")["taken_at"],
        }
        kept = [value["retained"] for value in call.results("retain_source_volume").values() if "retained" in value]
        return {**result, **({"volumes_retained": kept} if kept else {}), **({"notes": notes} if notes else {})}
