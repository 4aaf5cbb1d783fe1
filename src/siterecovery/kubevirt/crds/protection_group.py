"""ProtectionGroup: VMs that run, stop and move to the other cluster as one.

`desiredState` and `currentState` are the product's own words; the other fields are ours where its pages are silent. The parts of the status have
one writer each: the group controller of a cluster owns what it observes there (`currentState` … `virtualMachines`, its conditions); `activeCluster`
and `epoch` change by conditional patches only; `location`, `debts` and `lastFailover` belong to the Failover controller."""

import enum
from collections import Counter
from collections.abc import Iterator
from typing import ClassVar

from pydantic import Field

from siterecovery.kubevirt.crds.base import (
    AGE,
    ClusterName,
    Column,
    Kind,
    LongName,
    Model,
    ObjectName,
    Rule,
    Text,
    Timestamp,
    Word,
    atomic,
    keyed,
)
from siterecovery.kubevirt.crds.conditions import Condition
from siterecovery.kubevirt.domain.resources import PROTECTION_GROUPS

MOST_MEMBERS = 1000


class DesiredState(enum.StrEnum):
    RUNNING = "running"
    STOPPED = "stopped"


class CurrentState(enum.StrEnum):
    RUNNING = "running"
    """Every member that shall run does."""
    STOPPED = "stopped"
    """No member has an instance, nor a launcher Pod."""
    MIXED = "mixed"
    UNKNOWN = "unknown"
    """At least one member could not be judged: a time-out is not an absence."""


class Backend(enum.StrEnum):
    LINSTOR = "linstor"
    DRBD_OPERATOR = "drbd-operator"


class ReadinessKind(enum.StrEnum):
    RUNNING = "Running"
    """The guest has been started."""
    READY = "Ready"
    """The instance's condition Ready, which includes its readiness probe."""
    AGENT_CONNECTED = "AgentConnected"
    """The guest agent answers: the guest's system is up."""


class Readiness(Model):
    """When a VM counts as up, for those that come after it."""

    condition: ReadinessKind = ReadinessKind.READY
    timeout_seconds: int = Field(default=300, ge=1, le=86400)


class Member(Model):
    name: ObjectName
    priority: int = Field(default=3, ge=1, le=5, description="1 is started first and stopped last")
    depends_on: list[ObjectName] = atomic(
        16, default_factory=list, description="Members that are up before this one starts"
    )
    readiness: Readiness = Field(default_factory=Readiness)

    rules: ClassVar = (
        Rule(
            "!has(self.dependsOn) || !(self.name in self.dependsOn)",
            "a virtual machine cannot depend on itself: take its own name out of dependsOn",
            lambda new, old: new.name not in new.depends_on,
        ),
    )


class Operator(enum.StrEnum):
    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"


class Expression(Model):
    key: str = Field(min_length=1, max_length=317)
    operator: Operator
    values: list[Word] = atomic(64, default_factory=list)


class Selector(Model):
    """The virtual machines of the group's namespace with these labels."""

    match_labels: dict[str, str] = Field(default_factory=dict)
    match_expressions: list[Expression] = atomic(16, default_factory=list)


class Storage(Model):
    backend: Backend = Backend.LINSTOR
    policy: ObjectName | None = Field(
        default=None, description="The DRBDReplicationPolicy of the group's namespace, for backend drbd-operator"
    )

    rules: ClassVar = (
        Rule(
            "!has(self.policy) || self.backend == 'drbd-operator'",
            "policy belongs to backend drbd-operator: leave it out for linstor",
            lambda new, old: new.policy is None or new.backend is Backend.DRBD_OPERATOR,
        ),
        Rule(
            "self.backend == oldSelf.backend",
            "the backend of a group cannot be changed: delete the group (its virtual machines go on) and create it anew",
            lambda new, old: old is None or new.backend is old.backend,
        ),
    )


class Clusters(Model):
    primary: ClusterName
    dr: ClusterName
    quorum: ClusterName | None = Field(
        default=None, description="A third cluster that may hold a copy of the group and with it its epoch"
    )

    rules: ClassVar = (
        Rule(
            "self.primary != self.dr",
            "primary and dr must be two clusters",
            lambda new, old: new.primary != new.dr,
        ),
        Rule(
            "self.primary == oldSelf.primary && self.dr == oldSelf.dr",
            "the clusters of a group cannot be changed: delete the group (its virtual machines go on) and create it anew",
            lambda new, old: old is None or (new.primary, new.dr) == (old.primary, old.dr),
        ),
    )


class NetworkMapping(Model):
    """A Multus network (`namespace/name`, or a name in the VM's namespace) and what stands for it on the other cluster."""

    primary: LongName
    dr: LongName


class StorageClassMapping(Model):
    primary: ObjectName
    dr: ObjectName


class Spec(Model):
    desired_state: DesiredState = Field(
        default=DesiredState.RUNNING,
        description="What all virtual machines of the group shall be; it starts nothing where the group is not active",
    )
    virtual_machines: list[Member] | None = keyed(MOST_MEMBERS, "name", default=None, min_length=1)
    vm_selector: Selector | None = Field(default=None, description="Members by label, instead of by name")
    storage: Storage = Field(default_factory=Storage)
    clusters: Clusters
    network_mapping: list[NetworkMapping] = atomic(64, default_factory=list)
    storage_class_mapping: list[StorageClassMapping] = atomic(64, default_factory=list)

    rules: ClassVar = (
        Rule(
            "has(self.virtualMachines) != has(self.vmSelector)",
            "say which virtual machines belong to the group: either virtualMachines or vmSelector, not both",
            lambda new, old: (new.virtual_machines is None) != (new.vm_selector is None),
        ),
    )

    def broken(self, old: Model | None = None, at: str = "") -> Iterator[str]:
        """Also what CEL cannot afford at a thousand members: dependencies that name nobody, or go round in a circle. The group controller
        publishes them as `Ready=False/InvalidSpec`."""
        yield from super().broken(old, at)
        members = self.virtual_machines or []
        yield from (f"{at}.virtualMachines: {name} is named twice" for name in _twice(members))
        names = {member.name for member in members}
        for member in members:
            for other in member.depends_on:
                if other not in names:
                    yield f"{at}.virtualMachines: {member.name} depends on {other}, which is not a member: add it or take it out of dependsOn"
        if circle := _circle({member.name: [*member.depends_on] for member in members}):
            yield f"{at}.virtualMachines: {' depends on '.join(circle)}: take one of these dependencies out"


def _twice(members: list[Member]) -> list[str]:
    return [name for name, count in Counter(member.name for member in members).items() if count > 1]


def _circle(needs: dict[str, list[str]]) -> list[str] | None:
    """Names along one circle of two or more, the first repeated at the end. Without recursion: a chain may be a thousand long."""
    over: set[str] = set()
    for start in needs:
        path: dict[str, None] = {}
        ahead = [(start, False)]
        while ahead:
            name, leaving = ahead.pop()
            if leaving:
                path.popitem()
                over.add(name)
            elif name in path:
                along = list(path)
                circle = [*along[along.index(name) :], name]
                if len(circle) > 2:  # one that depends on itself breaks a rule of its own
                    return circle
            elif name not in over:
                path[name] = None
                ahead.append((name, True))
                ahead += [(other, False) for other in needs.get(name, ())]
    return None


class Location(enum.StrEnum):
    """Besides a cluster's name."""

    BOTH = "both"
    NONE = "none"
    UNKNOWN = "unknown"


class MemberPhase(enum.StrEnum):
    RUNNING = "Running"
    STARTING = "Starting"
    STOPPING = "Stopping"
    STOPPED = "Stopped"
    WAITING = "Waiting"
    """For members with a better priority, or for what it depends on."""
    EXCLUDED = "Excluded"
    """It was halted when it became a member, and stays so."""
    COMPLETED = "Completed"
    """Its guest has shut down by itself, which its run strategy leaves at that."""
    MISSING = "Missing"
    UNKNOWN = "Unknown"
    FAILED = "Failed"


class VolumeStatus(Model):
    name: Word = Field(description="The claim")
    volume_handle: Word | None = None
    role: Word | None = None
    disk_state: Word | None = None
    connection: Word | None = None
    quorum: bool | None = None


class MemberStatus(Model):
    name: ObjectName
    phase: MemberPhase
    node: Word | None = None
    held: bool | None = None
    message: str | None = Field(default=None, max_length=256)
    volumes: list[VolumeStatus] | None = atomic(32, default=None)


class Debt(Model):
    """What an unplanned failover owes a cluster that could not be asked."""

    cluster: ClusterName
    kind: Word
    epoch: int
    message: Text | None = None
    recorded_at: Timestamp | None = None
    failover: Word | None = None


class LastFailover(Model):
    name: ObjectName
    type: Word | None = None
    phase: Word | None = None
    target_cluster: Word | None = None
    completed_at: Timestamp | None = None


class Status(Model):
    current_state: CurrentState | None = Field(
        default=None,
        description="What the virtual machines are on this cluster: unknown when at least one cannot be judged",
    )
    active_cluster: ClusterName | None = Field(
        default=None, description="The cluster that may run the group; the copy with the highest epoch counts"
    )
    epoch: int | None = Field(default=None, ge=0, description="Raised by each failover, never lowered")
    location: Word | None = Field(default=None, description="A cluster's name, both, none or unknown")
    observed_generation: int | None = None
    last_observed_at: Timestamp | None = Field(default=None, description="When this cluster's controller last looked")
    virtual_machines: list[MemberStatus] | None = atomic(MOST_MEMBERS, default=None)
    debts: list[Debt] | None = atomic(
        64, default=None, description="What a cluster that was down is still owed before it may follow again"
    )
    last_failover: LastFailover | None = None
    conditions: list[Condition] | None = keyed(16, "type", default=None)

    rules: ClassVar = (
        Rule(
            "!has(oldSelf.epoch) || (has(self.epoch) && self.epoch >= oldSelf.epoch)",
            "the epoch of a group never goes down",
            lambda new, old: old is None or (new.epoch or 0) >= (old.epoch or 0),
        ),
        Rule(
            "!has(oldSelf.activeCluster) || !has(oldSelf.epoch) || (has(self.activeCluster) && self.activeCluster == oldSelf.activeCluster)"
            " || (has(self.epoch) && self.epoch > oldSelf.epoch)",
            "authority over a group moves with a higher epoch only",
            lambda new, old: (
                old is None
                or not old.active_cluster
                or new.active_cluster == old.active_cluster
                or (new.epoch or 0) > (old.epoch or 0)
            ),
        ),
    )


class ProtectionGroup(Kind):
    resource: ClassVar = PROTECTION_GROUPS
    short_names: ClassVar = ("pg",)
    about: ClassVar = "Virtual machines that run, stop and move to the other cluster as one."
    columns: ClassVar = (
        Column("Desired", ".spec.desiredState"),
        Column("Current", ".status.currentState"),
        Column("Location", ".status.location", wide=True),
        Column("Epoch", ".status.epoch", "integer", wide=True),
        Column("Replicated", '.status.conditions[?(@.type=="Replicated")].status', wide=True),
        Column(AGE.name, AGE.path, AGE.type, wide=True),
    )

    spec: Spec
    status: Status = Field(default_factory=Status)
