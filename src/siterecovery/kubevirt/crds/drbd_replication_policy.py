"""DRBDReplicationPolicy: how claims of a storage class are replicated to the other cluster (DRBD Operator model)."""

import enum
from typing import ClassVar

from pydantic import Field

from siterecovery.kubevirt.crds.base import AGE, Column, Kind, Model, ObjectName, atomic, keyed
from siterecovery.kubevirt.crds.conditions import Condition
from siterecovery.kubevirt.crds.protection_group import Clusters
from siterecovery.kubevirt.domain.resources import DRBD_REPLICATION_POLICIES


class Quorum(enum.StrEnum):
    MAJORITY = "majority"
    OFF = "off"
    """Nothing but the authority of the group keeps the second copy from running: its VMs are held at runStrategy Manual."""


class OnNoQuorum(enum.StrEnum):
    SUSPEND_IO = "suspend-io"
    IO_ERROR = "io-error"


class ClassMapping(Model):
    source: ObjectName = Field(description="The storage class of the claims")
    primary: ObjectName = Field(description="The class of the backing device on the primary cluster")
    dr: ObjectName = Field(description="The class of the backing device on the DR cluster")


class Spec(Model):
    clusters: Clusters
    storage_class_mappings: list[ClassMapping] = keyed(64, "source", min_length=1)
    replicas: int = Field(default=1, ge=1, le=4, description="Diskful replicas on each cluster")
    quorum: Quorum = Quorum.MAJORITY
    on_no_quorum: OnNoQuorum = OnNoQuorum.SUSPEND_IO


class Status(Model):
    observed_generation: int | None = None
    conditions: list[Condition] | None = atomic(16, default=None)


class DRBDReplicationPolicy(Kind):
    resource: ClassVar = DRBD_REPLICATION_POLICIES
    short_names: ClassVar = ("drp",)
    about: ClassVar = "How the claims of a storage class are replicated to the other cluster."
    columns: ClassVar = (
        Column("Primary", ".spec.clusters.primary"),
        Column("DR", ".spec.clusters.dr"),
        Column("Quorum", ".spec.quorum"),
        AGE,
    )

    spec: Spec
    status: Status = Field(default_factory=Status)
