"""Failover: one move of a group, its lock, its journal and its audit trail. Finished ones stay.

The journal is `status.steps`: one row a step, overwritten as the step moves on, every write conditional on `resourceVersion`. The bounds keep the
largest Failover far below what etcd takes (1.5 MiB): per-VM detail is for exceptions only."""

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
    Rule,
    Text,
    Timestamp,
    Word,
    atomic,
    keyed,
)
from siterecovery.kubevirt.crds.conditions import Condition
from siterecovery.kubevirt.domain.resources import FAILOVERS

MOST_STEPS = 256
MOST_HISTORY = 100
MOST_RESULT = 512
"""Characters of one step's answer, as JSON."""


class FailoverType(enum.StrEnum):
    PLANNED = "planned"
    UNPLANNED = "unplanned"
    """The source is down: nothing of it is asked, and what it is owed becomes a debt."""
    TEST = "test"
    """A drill on copies, while replication goes on."""
    CLEANUP = "cleanup"
    """Removes what a drill has made."""


class Phase(enum.StrEnum):
    PENDING = "Pending"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"

    @property
    def terminal(self) -> bool:
        return self in (Phase.SUCCEEDED, Phase.FAILED)


class Spec(Model):
    protection_group: ObjectName = Field(description="The group to move, of the same namespace")
    target_cluster: ClusterName = Field(description="A cluster's name, or one of its aliases")
    force: bool = Field(
        default=False,
        description="Override the check that protects other groups when quorum taints are removed; nothing else",
    )
    type: FailoverType = Field(
        default=FailoverType.PLANNED,
        description="planned: both clusters work, nothing is lost. unplanned: the source is down. test and cleanup: a drill on copies",
    )
    confirm_source_down: bool = Field(
        default=False, description="A person has seen that the source is down and stays down"
    )

    rules: ClassVar = (
        Rule(
            "self == oldSelf",
            "a Failover cannot be changed: create another one",
            lambda new, old: old is None or new == old,
        ),
        Rule(
            "self.type != 'unplanned' || self.confirmSourceDown",
            "an unplanned failover needs confirmSourceDown: true: make sure that the source cluster is down and stays down, then say so",
            lambda new, old: new.type is not FailoverType.UNPLANNED or new.confirm_source_down,
        ),
        Rule(
            "!self.confirmSourceDown || self.type == 'unplanned'",
            "confirmSourceDown belongs to type: unplanned",
            lambda new, old: new.type is FailoverType.UNPLANNED or not new.confirm_source_down,
        ),
    )


class StepStatus(Model):
    """One row of the journal. `state` is the workflow core's word."""

    name: Word
    state: Word
    result: str | None = Field(default=None, max_length=MOST_RESULT, description="What the step answered, as JSON")
    resource_id: Word | None = None
    started_at: Timestamp | None = None
    completed_at: Timestamp | None = None
    message: str | None = Field(default=None, max_length=512, description="Why it failed, and what to do")


class HistoryEntry(Model):
    """One event of the story, kept when the Event object is long gone."""

    time: Timestamp
    reason: Word
    message: Text


class Status(Model):
    phase: Phase | None = Field(
        default=None, description="Pending until every check is passed; a refused one never ran"
    )
    message: str | None = Field(
        default=None, max_length=4096, description="What is being done, or why it failed and what to do"
    )
    source_cluster: ClusterName | None = None
    target_cluster: ClusterName | None = Field(
        default=None, description="The target's own name where an alias was asked for"
    )
    steps: list[StepStatus] | None = keyed(
        MOST_STEPS, "name", default=None, description="The journal: a controller that takes over goes on from here"
    )
    history: list[HistoryEntry] | None = atomic(
        MOST_HISTORY, default=None, description="The story, kept when its Events are long gone"
    )
    progress: int | None = Field(default=None, ge=0, le=100, description="Percent")
    started_at: Timestamp | None = None
    completed_at: Timestamp | None = None
    epoch: int | None = Field(
        default=None, ge=0, description="The fencing epoch of who executes it: journal writes of older ones are refused"
    )
    observed_generation: int | None = None
    conditions: list[Condition] | None = keyed(16, "type", default=None)

    rules: ClassVar = (
        Rule(
            "!has(oldSelf.epoch) || (has(self.epoch) && self.epoch >= oldSelf.epoch)",
            "the epoch of a Failover never goes down",
            lambda new, old: old is None or (new.epoch or 0) >= (old.epoch or 0),
        ),
        Rule(
            "!has(oldSelf.phase) || !(oldSelf.phase in ['Succeeded', 'Failed']) || (has(self.phase) && self.phase == oldSelf.phase)",
            "a finished Failover stays as it ended",
            lambda new, old: old is None or old.phase is None or not old.phase.terminal or new.phase is old.phase,
        ),
    )


class Failover(Kind):
    resource: ClassVar = FAILOVERS
    short_names: ClassVar = ("fo",)
    about: ClassVar = "One move of a ProtectionGroup to a cluster, and its record."
    columns: ClassVar = (
        Column("Protection-Group", ".spec.protectionGroup"),
        Column("Phase", ".status.phase"),
        AGE,
        Column("Target", ".spec.targetCluster", wide=True),
        Column("Message", ".status.message", wide=True),
    )

    spec: Spec
    status: Status = Field(default_factory=Status)
