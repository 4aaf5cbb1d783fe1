"""ProtectionRequest: takes one VM under DRBD replication (DRBD Operator model), or out of it again.

Taking it under costs downtime: the VM is stopped until the first full sync is over, then its volumes are the DRBD-backed frontend claims."""

import enum
from typing import ClassVar

from pydantic import Field

from siterecovery.kubevirt.crds.base import (
    AGE,
    Column,
    Kind,
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
from siterecovery.kubevirt.crds.failover import MOST_HISTORY, MOST_STEPS, HistoryEntry, StepStatus
from siterecovery.kubevirt.domain.resources import PROTECTION_REQUESTS


class Wanted(enum.StrEnum):
    PROTECTED = "protected"
    UNPROTECTED = "unprotected"
    """Back on plain claims; the replicas are removed afterwards."""


class Phase(enum.StrEnum):
    PENDING = "Pending"
    STOPPING = "Stopping"
    CREATING = "Creating"
    SYNCING = "Syncing"
    SWITCHING = "Switching"
    STARTING = "Starting"
    PROTECTED = "Protected"
    UNPROTECTING = "Unprotecting"
    UNPROTECTED = "Unprotected"
    FAILED = "Failed"


class Spec(Model):
    virtual_machine: ObjectName
    policy: ObjectName = Field(
        description="A DRBDReplicationPolicy of the same namespace that maps every storage class of the VM"
    )
    desired_state: Wanted = Wanted.PROTECTED

    rules: ClassVar = (
        Rule(
            "self.virtualMachine == oldSelf.virtualMachine && self.policy == oldSelf.policy",
            "a ProtectionRequest stays with its virtual machine and policy: create another one",
            lambda new, old: old is None or (new.virtual_machine, new.policy) == (old.virtual_machine, old.policy),
        ),
    )


class VolumeProgress(Model):
    claim: ObjectName
    drbd_volume: ObjectName | None = None
    frontend_claim: ObjectName | None = None
    progress: int | None = Field(default=None, ge=0, le=100)
    state: Word | None = None


class Status(Model):
    phase: Phase | None = None
    message: Text | None = None
    progress: int | None = Field(default=None, ge=0, le=100)
    volumes: list[VolumeProgress] | None = keyed(32, "claim", default=None)
    steps: list[StepStatus] | None = keyed(MOST_STEPS, "name", default=None)
    history: list[HistoryEntry] | None = atomic(MOST_HISTORY, default=None)
    epoch: int | None = Field(default=None, ge=0)
    observed_generation: int | None = None
    started_at: Timestamp | None = None
    completed_at: Timestamp | None = None
    conditions: list[Condition] | None = keyed(16, "type", default=None)


class ProtectionRequest(Kind):
    resource: ClassVar = PROTECTION_REQUESTS
    short_names: ClassVar = ("pr", "protect")
    about: ClassVar = "Takes one virtual machine under DRBD replication."
    columns: ClassVar = (
        Column("Virtual-Machine", ".spec.virtualMachine"),
        Column("Phase", ".status.phase"),
        Column("Progress", ".status.progress", "integer"),
        AGE,
        Column("Policy", ".spec.policy", wide=True),
        Column("Message", ".status.message", wide=True),
    )

    spec: Spec
    status: Status = Field(default_factory=Status)
