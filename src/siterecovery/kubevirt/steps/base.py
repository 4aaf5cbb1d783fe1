"""What every step of a failover has: the move, the two clusters, the storage, and how a blocking step asks them."""

import dataclasses
import logging
from collections.abc import Coroutine, Hashable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from siterecovery.kubevirt.clusters import base
from siterecovery.kubevirt.clusters.blocking import Bridge
from siterecovery.kubevirt.clusters.named import named
from siterecovery.kubevirt.crds.failover import FailoverType
from siterecovery.kubevirt.domain.authority import Claim, claim_of
from siterecovery.kubevirt.domain.names import LOST_QUORUM_TAINT
from siterecovery.kubevirt.domain.resources import PROTECTION_GROUPS, Object
from siterecovery.kubevirt.storage import base as storage
from siterecovery.workflow.clock import Clock
from siterecovery.workflow.step import Answer, Call, Outcome, Refused, Step, StepError, Unsettled

LOG = logging.getLogger(__name__)
T = TypeVar("T")
LOCATE = "locate_virtual_machines"


@dataclasses.dataclass(frozen=True)
class Move:
    """One Failover, as its flow sees it. Clusters by the names the group uses; `asked` is the target's name as it was given."""

    namespace: str
    name: str
    uid: str
    group: str
    source: str
    target: str
    home: str
    """Where the Failover is."""
    asked: str = ""
    quorum: str | None = None
    """A third cluster that may hold a copy of the group."""
    type: FailoverType = FailoverType.PLANNED
    force: bool = False

    @property
    def moves(self) -> bool:
        """False for a test and its clean-up: the group stays where it is."""
        return self.type in (FailoverType.PLANNED, FailoverType.UNPLANNED)

    @property
    def shown(self) -> str:
        return self.asked or self.target

    @property
    def kept_on(self) -> tuple[str, ...]:
        """Clusters with a copy of the group, the source first: what loses authority learns of it before who gains it."""
        return self.source, *((self.quorum,) if self.quorum else ()), self.target


@dataclasses.dataclass(frozen=True)
class Limits:
    """Seconds. `stop` is at least the longest grace period of a guest."""

    stop: float = 900.0
    start: float = 1800.0
    release: float = 300.0
    promote: float = 300.0
    check: float = 120.0


@dataclasses.dataclass(frozen=True)
class Settings:
    """`namespace`: the controllers' own, in which the target's Lease lies on the target."""

    namespace: str = "site-recovery"
    taints: tuple[str, ...] = (LOST_QUORUM_TAINT,)
    limits: Limits = dataclasses.field(default_factory=Limits)


class Clusters(Protocol):
    """Fulfilled by `clusters.registry.Registry`."""

    def get(self, name: str) -> base.Cluster: ...

    def resolve(self, name: str) -> str: ...

    def same(self, one: str, other: str) -> bool: ...


class Locks(Protocol):
    """The Lease of the group on every cluster that answers."""

    async def acquire(self) -> Sequence[str]:
        """The clusters on which it is held now. Raises LockHeld, and then holds none of them."""
        ...

    async def release(self) -> None: ...

    def target(self) -> "TargetLock": ...


class TargetLock(Protocol):
    """Serialises the look at other groups and the removal of taints on one target."""

    async def acquire(self) -> None: ...

    async def release(self) -> None: ...


class Story(Protocol):
    def tell(self, reason: str, message: str, kind: str = "Normal") -> None:
        """Into the Failover's history, and as an Event. Called from any thread."""
        ...

    def into(self, status: Object) -> None:
        """Adds what was told to the history in a status."""
        ...


@dataclasses.dataclass(frozen=True)
class Scene:
    """A group between two clusters, and the storage under it."""

    move: Move
    clusters: Clusters
    storage: storage.Storage

    @property
    def source(self) -> base.Cluster:
        return self.clusters.get(self.move.source)

    @property
    def target(self) -> base.Cluster:
        return self.clusters.get(self.move.target)

    @property
    def home(self) -> base.Cluster:
        return self.clusters.get(self.move.home)

    def site(self, cluster: str) -> str:
        """The cluster's own name, by which the storage knows it."""
        return self.clusters.resolve(cluster)

    def claim_of(self, group: Object) -> Claim:
        """The claim in a copy, with the names of this move: a copy may carry an alias."""
        claim = claim_of(group)
        known = (self.move.source, self.move.target)
        return Claim(
            claim.epoch, next((name for name in known if self.clusters.same(name, claim.active)), claim.active)
        )


@dataclasses.dataclass(frozen=True)
class World(Scene):
    """What a step has besides."""

    locks: Locks
    bridge: Bridge
    clock: Clock
    story: Story
    settings: Settings = dataclasses.field(default_factory=Settings)

    def ask(self, work: Coroutine[Any, Any, T]) -> T:
        """From a worker thread, in the loop that owns the clients."""
        return self.bridge(work)


class MoveStep(Step):
    """A step of a move. When the group was found to be at its target already, nothing is done."""

    def __init__(
        self, world: World, name: str, timeout: float | None = None, undo_timeout: float | None = None
    ) -> None:
        self.world = world
        self.name = name
        self.timeout = timeout if timeout is not None else world.settings.limits.check
        self.undo_timeout = undo_timeout if undo_timeout is not None else self.timeout

    @property
    def move(self) -> Move:
        return self.world.move

    def do(self, call: Call) -> Answer:
        return Outcome() if is_idle(call) else self.act(call)

    def act(self, call: Call) -> Answer:
        """Do it."""
        raise NotImplementedError(type(self).__name__)


def located(call: Call) -> Mapping[str, Any]:
    """What `locate_virtual_machines` has answered: `location`, `already`, `desired` (of the source's copy), `away` (the source did not answer)."""
    found: Mapping[str, Any] = call.last(LOCATE) or {}
    return found


def is_idle(call: Call) -> bool:
    return bool(located(call).get("already"))


@dataclasses.dataclass(frozen=True)
class GroupTopic:
    """Copies of groups on one cluster, by name."""

    world: World
    cluster: str

    @property
    def key(self) -> Hashable:
        return "group", self.cluster, self.world.move.namespace

    def read(self, subjects: frozenset[str]) -> Mapping[str, Object]:
        cluster, namespace = self.world.clusters.get(self.cluster), self.world.move.namespace
        return self.world.ask(named(cluster, PROTECTION_GROUPS, namespace, sorted(subjects)))


def translate(error: Exception) -> StepError:
    """Foreign errors become the core's own, once. What may have been applied, or may work later, is unsettled: so is a lost race."""
    if isinstance(error, StepError):
        return error
    if isinstance(error, base.Unknown | base.Conflict | storage.Unknown):
        return Unsettled(str(error))
    if isinstance(error, base.ClusterError | storage.StorageError):
        return Refused(str(error))
    LOG.error("a step failed in a way nobody foresaw: this is a bug", exc_info=error)
    return Refused(
        f"Internal error ({type(error).__name__}): {error}. The log of the failover controller has the traceback."
    )
