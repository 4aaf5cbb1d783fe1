"""From an accepted operation to the flow that carries it out: one table, and the world its steps act on."""

import dataclasses
import time
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from siterecovery.protector.arrays.base import Drivers, ReplicationDriver
from siterecovery.protector.closing import CleanupClosing, Closing, SettledClosing
from siterecovery.protector.clouds.base import Clouds
from siterecovery.protector.domain.errors import NotFound, PreconditionFailed
from siterecovery.protector.domain.member import Member
from siterecovery.protector.domain.operation import Operation
from siterecovery.protector.domain.plan import Plan, PlannedPolicy
from siterecovery.protector.domain.states import TERMINAL, GroupStatus, MemberStatus, OperationType
from siterecovery.protector.engine import Job
from siterecovery.protector.flows import cleanup, failback, failover, member, policy, protection_group, settling, sync
from siterecovery.protector.peer.base import Peers
from siterecovery.protector.steps.base import Recently, World
from siterecovery.protector.store.base import Store, Transaction
from siterecovery.workflow.flow import Flow
from siterecovery.workflow.journal import State
from siterecovery.workflow.step import Refused


@dataclasses.dataclass(frozen=True)
class Limits:
    """Seconds that a step waits for a VM to stop, to boot, for a snapshot to arrive."""

    stop: float = 300.0
    boot: float = 900.0
    transfer: float = 3600.0


class NoDriver:
    """A group without a policy has no arrays: whoever asks one is told so."""

    def __getattr__(self, name: str) -> Callable[..., NoReturn]:
        def refuse(*args: Any, **kwargs: Any) -> NoReturn:
            raise Refused("The protection group has no replication policy: create one (openstack dr policy create).")

        return refuse


class Planning:
    """`Planner`: reads the operation, builds its world and its flow. The same operation always gets the same flow."""

    def __init__(
        self,
        store: Store,
        clouds: Clouds,
        drivers: Drivers,
        peers: Peers,
        limits: Limits | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._clouds = clouds
        self._drivers = drivers
        self._peers = peers
        self._limits = limits or Limits()
        self._monotonic = monotonic

    def __call__(self, operation_id: str) -> Job:
        operation, plan, projects, names = self._store.run(lambda tx: self._read(tx, operation_id))
        world = self._world(operation, plan, projects, names)
        if operation.cleanup_requested:
            flow = cleanup.operation(world)
            return Job(operation, flow, CleanupClosing(operation, plan, flow))
        if operation.status in TERMINAL:
            flow = settling.late_calls(world, taken_back=self._taken_back(operation_id))
            return Job(operation, flow, SettledClosing(operation, plan, flow))
        flow = self._flow(world)
        return Job(operation, flow, Closing(operation, plan, flow))

    def _taken_back(self, operation_id: str) -> bool:
        """Its claim was revoked on the target, so that no commit can follow, and all of it was undone."""
        entries = self._store.run(lambda tx: {entry.step: entry for entry in tx.operations.entries(operation_id)})
        revoked = entries.get("revoke_claim")
        whole = all(entry.state is not State.UNDO_FAILED for entry in entries.values())
        return whole and revoked is not None and (revoked.state, revoked.value) == (State.UNDONE, "undo")

    def _read(self, tx: Transaction, operation_id: str) -> tuple[Operation, Plan, dict[str, str], dict[str, str]]:
        operation = tx.operations.get(operation_id)
        if operation is None:
            raise NotFound(f"Operation {operation_id} is gone.")
        plan = _completed(tx, operation, Plan.from_json(operation.plan))
        other = plan.group.other_site(plan.this_site_id)
        mapping = tx.tenants.mapping(plan.group.project_id, other)
        projects = {
            plan.this_site_id: plan.group.project_id,
            other: mapping.remote_project_id if mapping is not None else "",
        }
        return operation, plan, projects, {site.id: site.name for site in tx.sites.all()}

    def _world(self, operation: Operation, plan: Plan, projects: Mapping[str, str], names: Mapping[str, str]) -> World:
        return World(
            operation=operation,
            plan=plan,
            clouds=self._clouds,
            driver=self._driver(plan),
            peer=self._peers.of(plan.group),
            read=self._store.run,
            projects=projects,
            site_names=names,
            stop_timeout=self._limits.stop,
            boot_timeout=self._limits.boot,
            transfer_timeout=self._limits.transfer,
            monotonic=self._monotonic,
            recently=Recently(self._monotonic),
        )

    def _driver(self, plan: Plan) -> ReplicationDriver:
        try:
            return self._drivers.driver(plan.group.id)
        except PreconditionFailed:
            return NoDriver()

    def _flow(self, world: World) -> Flow:
        type, operation = world.operation.type, world.operation
        if type in (OperationType.FAILOVER, OperationType.FAILBACK) and operation.force and world.target == world.here:
            return failover.forced(world)
        build = FLOWS.get(type)
        if build is None:
            raise NotFound(f"This release has no flow for {type}.")
        return build(world)


def _completed(tx: Transaction, operation: Operation, plan: Plan) -> Plan:
    """What the picture taken at the acceptance does not show: the policy that is being applied, and which members a retry is about."""
    if operation.type is OperationType.APPLY_POLICY:
        row = tx.policies.get(plan.group.id)
        return dataclasses.replace(plan, policy=PlannedPolicy.of(row) if row is not None else None)
    if (
        operation.type is OperationType.FAILOVER
        and operation.force
        and plan.group.status is GroupStatus.FAILED_OVER_PARTIAL
    ):
        missing = tuple(member for member in plan.members if member.status is MemberStatus.ERROR)
        ids = {member.id for member in missing}
        return dataclasses.replace(plan, members=missing, volumes=tuple(v for v in plan.volumes if v.member_id in ids))
    return plan


def _about(world: World) -> Member:
    member_id = world.operation.request.get("member_id")
    found = next((member for member in world.plan.members if member.id == member_id), None)
    if found is None:
        raise NotFound(f"Member {member_id} is not in the operation's plan.")
    return found


FLOWS: Mapping[OperationType, Callable[[World], Flow]] = {
    OperationType.FAILOVER: failover.planned,
    OperationType.FAILBACK: failback.planned,
    OperationType.SYNC_VOLUMES: sync.volumes,
    OperationType.SYNC_FORCE: lambda world: sync.force(
        world, world.read(lambda tx: tx.debts.of_group(world.plan.group.id))
    ),
    OperationType.STEP_DOWN: sync.step_down,
    OperationType.CREATE_GROUP: protection_group.create,
    OperationType.DELETE_GROUP: protection_group.delete,
    OperationType.ADD_MEMBER: lambda world: member.add(world, _about(world)),
    OperationType.REMOVE_MEMBER: lambda world: member.remove(world, _about(world)),
    OperationType.APPLY_POLICY: policy.apply,
}
"""What this release can run; forced moves are chosen in `Planning._flow`."""

AVAILABLE = frozenset(FLOWS)
