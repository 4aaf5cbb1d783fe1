"""DRBDVolume: one replicated volume, as the DRBD Operator of a cluster sees it.

The object of the same name in the other cluster is its other side."""

import enum
from typing import ClassVar

from pydantic import Field

from siterecovery.kubevirt.crds.base import (
    AGE,
    ClusterName,
    Column,
    Kind,
    Model,
    ObjectName,
    Text,
    Timestamp,
    Word,
    atomic,
    keyed,
)
from siterecovery.kubevirt.crds.conditions import Condition
from siterecovery.kubevirt.crds.drbd_replication_policy import OnNoQuorum, Quorum
from siterecovery.kubevirt.domain.resources import DRBD_VOLUMES


class Role(enum.StrEnum):
    PRIMARY = "Primary"
    SECONDARY = "Secondary"
    UNKNOWN = "Unknown"


class Replica(Model):
    cluster: ClusterName
    node: ObjectName
    diskless: bool = False


class Spec(Model):
    size: str = Field(min_length=1, max_length=32, pattern=r"^[0-9]+(\.[0-9]+)?(Ki|Mi|Gi|Ti|Pi|k|M|G|T|P)?$")
    volume_handle: Word | None = None
    virtual_machine: ObjectName | None = None
    claim: ObjectName | None = Field(default=None, description="The claim whose content is replicated")
    frontend_claim: ObjectName | None = Field(default=None, description="The claim the virtual machine uses instead")
    policy: ObjectName | None = None
    storage_class: ObjectName | None = Field(
        default=None, description="The class of the backing device on this cluster"
    )
    replicas: list[Replica] = atomic(16, default_factory=list)
    quorum: Quorum = Quorum.MAJORITY
    on_no_quorum: OnNoQuorum = OnNoQuorum.SUSPEND_IO
    discard_my_data: bool = Field(
        default=False,
        description="After a split brain: this side gives up what it has written. A recorded, confirmed step",
    )
    source_snapshot: Word | None = Field(
        default=None, description="Made as a copy of this snapshot, for a test failover"
    )


class ReplicaStatus(Model):
    cluster: ClusterName
    node: ObjectName
    role: Role = Role.UNKNOWN
    disk_state: Word | None = None
    connection: Word | None = None
    quorum: bool | None = None
    in_use: bool | None = None
    sync_progress: int | None = Field(default=None, ge=0, le=100)


class Status(Model):
    phase: Word | None = None
    message: Text | None = None
    role: Role | None = None
    disk_state: Word | None = None
    connection: Word | None = None
    quorum: bool | None = None
    in_use: bool | None = None
    sync_progress: int | None = Field(default=None, ge=0, le=100)
    replicas: list[ReplicaStatus] | None = atomic(16, default=None)
    observed_generation: int | None = None
    last_observed_at: Timestamp | None = None
    conditions: list[Condition] | None = keyed(16, "type", default=None)


class DRBDVolume(Kind):
    resource: ClassVar = DRBD_VOLUMES
    short_names: ClassVar = ("drbdv",)
    about: ClassVar = "One volume replicated between the clusters, as the DRBD Operator of this cluster sees it."
    columns: ClassVar = (
        Column("Role", ".status.role"),
        Column("Disk", ".status.diskState"),
        Column("Connection", ".status.connection"),
        Column("Sync", ".status.syncProgress", "integer"),
        AGE,
        Column("Virtual-Machine", ".spec.virtualMachine", wide=True),
        Column("Claim", ".spec.claim", wide=True),
    )

    spec: Spec
    status: Status = Field(default_factory=Status)
