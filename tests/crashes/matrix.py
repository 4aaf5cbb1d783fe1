"""The crash matrix, made from the flows themselves: a step that is added to a flow is in it by itself."""

import dataclasses
import itertools
from collections.abc import Callable
from typing import Any, cast

from crashes.death import Point, points
from sandbox.seed import Machine
from siterecovery.protector.domain.epoch import Generation
from siterecovery.protector.domain.member import Member, Rebuild, Volume
from siterecovery.protector.domain.operation import Operation
from siterecovery.protector.domain.plan import Plan, PlannedPolicy
from siterecovery.protector.domain.protection_group import ProtectionGroup
from siterecovery.protector.domain.states import OperationType
from siterecovery.protector.flows import failback, failover
from siterecovery.protector.steps.base import World
from siterecovery.workflow.flow import Flow

MACHINES = (
    Machine("web", "net-primary-web", "m1.small", ("web-boot", "web-data")),
    Machine("db", "net-primary-db", "m1.large", ("db-boot",)),
)
COMMIT = "update_protection_group"
"""Refusing it makes a flow take back everything it does: all that comes before is done then."""


@dataclasses.dataclass(frozen=True)
class Kind:
    """A move: which site's engine runs it, and where the group is before."""

    name: str
    site: str
    start: str
    build: Callable[[World], Flow]
    request: dict[str, Any] = dataclasses.field(default_factory=dict)
    site_a_dead: bool = False

    @property
    def end(self) -> str:
        return "site-b" if self.start == "site-a" else "site-a"


PLANNED = Kind("planned failover", "site-a", "site-a", failover.planned)
UNPLANNED = Kind("unplanned failover", "site-b", "site-a", failover.forced, {"force": True}, site_a_dead=True)
FAILBACK = Kind("failback", "site-b", "site-b", failback.planned, {"reverse_replication": True})
KINDS = (PLANNED, FAILBACK, UNPLANNED)


@dataclasses.dataclass(frozen=True)
class Case:
    kind: Kind
    point: Point

    def __str__(self) -> str:
        return f"{self.kind.name}, {self.point}"


def flow_of(kind: Kind) -> Flow:
    """As the planner would build it for MACHINES; its steps are looked at, never called."""
    group = ProtectionGroup("group", "prod", "project", "site-a", "site-b", kind.start, "gold", "gold")
    group = dataclasses.replace(group, lineage=(Generation(0, None, kind.start, None),))
    members = tuple(Member(m.name, "group", m.name, m.name, rebuild=Rebuild("f", "f")) for m in MACHINES)
    volumes = tuple(
        Volume(name, "group", machine.name, name, name, 1) for machine in MACHINES for name in machine.volumes
    )
    policy = PlannedPolicy("https://a", "https://b", "pg")
    plan = Plan(group, kind.site, kind.start, kind.end, members, volumes, policy=policy, request={**kind.request})
    operation = Operation(
        "operation", "group", "project", OperationType.FAILOVER, force=bool(kind.request.get("force"))
    )
    nothing = cast(Any, None)
    names = {"site-a": "site-a", "site-b": "site-b"}
    return kind.build(World(operation, plan, nothing, nothing, nothing, nothing, {}, names))


def cases(*, undoing: bool) -> list[Case]:
    """All of one direction. What is taken back ends where it has begun: moves of one kind stand together. Of those that get there, failover and
    failback take turns: each begins where the one before has ended, and no group has to be brought there first."""
    there, home, away = ([Case(kind, point) for point in points(flow_of(kind), undoing=undoing)] for kind in KINDS)
    if undoing:
        return [*there, *home, *away]
    turns = itertools.chain.from_iterable(itertools.zip_longest(there, home))
    return [*(case for case in turns if case is not None), *away]
