"""What every step of a protection has: the work, the two clusters, the storage, and how a blocking step asks them."""

import dataclasses
from collections.abc import Coroutine, Hashable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from siterecovery.kubevirt.clusters import base, virtual_machines
from siterecovery.kubevirt.clusters.blocking import Bridge
from siterecovery.kubevirt.crds.drbd_replication_policy import Spec as Policy
from siterecovery.kubevirt.domain.names import PROTECTION, PROTECTION_CONTROLLER
from siterecovery.kubevirt.domain.protection import Plan, is_genuine, plan_of
from siterecovery.kubevirt.domain.resources import VIRTUAL_MACHINES, Object
from siterecovery.kubevirt.domain.virtual_machine import Observed
from siterecovery.kubevirt.steps.base import Clusters, Story
from siterecovery.kubevirt.storage import base as storage
from siterecovery.workflow.clock import Clock
from siterecovery.workflow.step import Call, Refused, Retry, Step

T = TypeVar("T")
PATIENT = Retry(attempts=10_000, first=0.5, longest=5.0)
"""As long as the step's own limit lasts: what is waited for is somebody else's work."""


@dataclasses.dataclass(frozen=True)
class Work:
    """One ProtectionRequest, as its flows see it. `primary`, `dr` and `home` (where the request is) are the clusters' own names; `policy` is the
    spec of its DRBDReplicationPolicy."""

    namespace: str
    name: str
    uid: str
    machine: str
    primary: str
    dr: str
    home: str
    policy_name: str
    policy: Object


@dataclasses.dataclass(frozen=True)
class Limits:
    """Seconds. `stop` is at least the guest's grace period; `sync` is for the first full sync of all its disks."""

    stop: float = 900.0
    start: float = 1800.0
    create: float = 600.0
    sync: float = 7 * 86400.0
    remove: float = 1800.0
    failed: float = 60.0
    """How long a DRBD Operator may say that it cannot make a volume before that is believed."""
    check: float = 120.0


class Progress(Protocol):
    """What people see of the volumes (`status.volumes`). Called from any thread."""

    def show(self, rows: Sequence[Object], percent: int | None) -> None:
        """`rows`: claim, drbdVolume, frontendClaim, progress, state; none when nothing is left of them."""
        ...

    def handles(self) -> list[str]:
        """The volumes that were shown last, also by an earlier process: known when the VM and its plan are gone."""
        ...

    def into(self, status: Object) -> None: ...


@dataclasses.dataclass(frozen=True)
class ProtectionWorld:
    work: Work
    clusters: Clusters
    storage: storage.Storage
    bridge: Bridge
    clock: Clock
    story: Story
    progress: Progress
    limits: Limits = dataclasses.field(default_factory=Limits)

    @property
    def primary(self) -> base.Cluster:
        return self.clusters.get(self.work.primary)

    @property
    def home(self) -> base.Cluster:
        return self.clusters.get(self.work.home)

    def ask(self, work: Coroutine[Any, Any, T]) -> T:
        """From a worker thread, in the loop that owns the clients."""
        return self.bridge(work)


class ProtectionStep(Step):
    def __init__(
        self, world: ProtectionWorld, name: str, timeout: float | None = None, undo_timeout: float | None = None
    ) -> None:
        self.world = world
        self.name = name
        self.timeout = timeout if timeout is not None else world.limits.check
        self.undo_timeout = undo_timeout if undo_timeout is not None else self.timeout

    @property
    def work(self) -> Work:
        return self.world.work


def is_idle(call: Call) -> bool:
    """Nothing was under replication when it was to be taken out of it."""
    return (call.last("check_home") or {}).get("protected") is False


async def find_machine(world: ProtectionWorld) -> Object | None:
    return await world.primary.find(VIRTUAL_MACHINES, world.work.machine, world.work.namespace)


async def machine(world: ProtectionWorld) -> Object:
    """The VM where it is at home, read now. Refused when there is none."""
    found = await find_machine(world)
    if found is None:
        work = world.work
        raise Refused(
            f"There is no virtual machine {work.machine} in namespace {work.namespace} on {work.primary}."
            f" See kubectl get vm -n {work.namespace} on {work.primary}"
        )
    return found


def plan_on(vm: Mapping[str, Any]) -> Plan | None:
    """Refused when the annotation was spoilt: guessing what a VM was before would lose its disks."""
    try:
        return plan_of(vm)
    except ValueError as error:
        raise Refused(f"{error}. Restore the annotation from a backup, or point the VM to its disks by hand") from error


async def trusted(world: ProtectionWorld) -> tuple[Object, Plan]:
    """`planned`, for steps that make what only this product may make. Refused when the plan is not what this request has written."""
    vm, plan = await planned(world)
    work = world.work
    mapped = Policy.parse(work.policy).storage_class_mappings
    classes = frozenset(name for item in mapped for name in (item.primary, item.dr))
    if not is_genuine(plan, work.uid, work.primary, work.dr, classes):
        raise Refused(
            f"Somebody has changed the annotation {PROTECTION} of {work.machine}: it is not what this request has written"
        )
    return vm, plan


async def planned(world: ProtectionWorld) -> tuple[Object, Plan]:
    """The VM and its plan; Refused when the plan has gone."""
    vm = await machine(world)
    plan = plan_on(vm)
    if plan is None:
        raise Refused(
            f"Somebody has taken the plan of its protection from {world.work.machine} on {world.work.primary}: it is not known any more what the"
            " virtual machine was before. Point it to its disks by hand, then delete the request"
        )
    return vm, plan


async def change(
    world: ProtectionWorld,
    vm: Mapping[str, Any],
    spec: Mapping[str, Any],
    annotations: Mapping[str, str | None] | None = None,
) -> Object:
    """Conditional on what was read."""
    metadata = vm["metadata"]
    patch: Object = {"metadata": {"resourceVersion": metadata["resourceVersion"]}}
    if annotations:
        patch["metadata"]["annotations"] = dict(annotations)
    if spec:
        patch["spec"] = dict(spec)
    return await world.primary.patch(
        VIRTUAL_MACHINES, metadata["name"], metadata["namespace"], patch, manager=PROTECTION_CONTROLLER
    )


@dataclasses.dataclass(frozen=True)
class MachineTopic:
    """What is true of the VM now, under its name."""

    world: ProtectionWorld

    @property
    def key(self) -> Hashable:
        return "machine", self.world.work.uid

    def read(self, subjects: frozenset[str]) -> Mapping[str, Observed]:
        names = sorted(subjects)
        return self.world.ask(virtual_machines.look(self.world.primary, self.world.work.namespace, names))
