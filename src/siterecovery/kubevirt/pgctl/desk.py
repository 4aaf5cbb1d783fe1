"""Where a command works: the configured clusters, asked together. One that is down never keeps the others' answers back."""

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from typing import Generic, TypeVar

import click

from siterecovery.kubevirt.clusters import base
from siterecovery.kubevirt.pgctl.configuration import Context, Role, Settings
from siterecovery.kubevirt.pgctl.errors import Failure, Unreachable, translated
from siterecovery.workflow.clock import Clock

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Site:
    """A configured cluster."""

    role: Role
    context: Context = dataclasses.field(hash=False)

    @property
    def name(self) -> str:
        return self.context.cluster

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name, *self.context.aliases)


Connect = Callable[[Site], base.Cluster]
"""Makes the client of a cluster; BadAccess when its kubeconfig cannot be used."""


@dataclasses.dataclass(frozen=True)
class Round(Generic[T]):
    """What several clusters answered."""

    answers: tuple[tuple[Site, T], ...]
    silent: tuple[tuple[Site, base.ClusterError], ...]

    def told(self) -> tuple[tuple[Site, T], ...]:
        """The answers, with a warning for each cluster that gave none; when nobody answered that is the failure."""
        if self.silent and not self.answers:
            first = translated(self.silent[0][1])
            sentence = "; ".join(str(error) for _, error in self.silent)
            raise first if len(self.silent) == 1 else type(first)(f"no cluster can be asked: {sentence}")
        for _, error in self.silent:
            warn(str(error))
        return self.answers


def warn(sentence: str) -> None:
    """On standard error: what is piped on stays whole."""
    click.echo(f"Warning: {sentence}", err=True)


class Desk:
    def __init__(self, settings: Settings, connect: Connect, clock: Clock) -> None:
        self.settings = settings
        self.clock = clock
        self._connect = connect
        self._open: dict[Role, base.Cluster] = {}

    @property
    def sites(self) -> tuple[Site, ...]:
        contexts = self.settings.contexts
        return tuple(Site(role, contexts[role]) for role in Role if role in contexts)

    @property
    def workload(self) -> tuple[Site, ...]:
        """Where virtual machines run."""
        return tuple(site for site in self.sites if site.role is not Role.QUORUM)

    def site(self, name: str) -> Site:
        """By name or alias. UsageError for a name that nobody has."""
        for site in self.sites:
            if name in site.names:
                return site
        known = ", ".join(" or ".join(site.names) for site in self.sites)
        raise click.UsageError(f"no cluster is called {name}: known are {known} (pgctl config view)")

    def workload_site(self, name: str) -> Site:
        site = self.site(name)
        if site.role is Role.QUORUM:
            raise click.UsageError(f"{name} is the quorum cluster, which runs no virtual machines")
        return site

    def of_role(self, role: Role) -> Site | None:
        return next((site for site in self.sites if site.role is role), None)

    def cluster(self, site: Site) -> base.Cluster:
        """Raises BadAccess."""
        if site.role not in self._open:
            self._open[site.role] = self._connect(site)
        return self._open[site.role]

    async def ask(
        self, question: Callable[[base.Cluster], Awaitable[T]], sites: Iterable[Site] | None = None
    ) -> Round[T]:
        """All at once. What a cluster refuses counts as silence too: its reason is told."""
        asked = self.sites if sites is None else tuple(sites)
        found = await asyncio.gather(*(self._one(site, question) for site in asked))
        pairs = list(zip(asked, found, strict=True))
        return Round(
            tuple((site, answer.value) for site, answer in pairs if isinstance(answer, _Answer)),
            tuple((site, answer) for site, answer in pairs if isinstance(answer, base.ClusterError)),
        )

    async def _one(
        self, site: Site, question: Callable[[base.Cluster], Awaitable[T]]
    ) -> "_Answer[T] | base.ClusterError":
        try:
            return _Answer(await question(self.cluster(site)))
        except base.ClusterError as error:
            return error

    async def close(self) -> None:
        await asyncio.gather(*(cluster.close() for cluster in self._open.values()))


@dataclasses.dataclass(frozen=True)
class _Answer(Generic[T]):
    value: T


@contextlib.asynccontextmanager
async def opened(settings: Settings, connect: Connect, clock: Clock) -> AsyncIterator[Desk]:
    """Errors of clusters that nobody has caught leave as exit codes."""
    desk = Desk(settings, connect, clock)
    try:
        yield desk
    except base.ClusterError as error:
        raise translated(error) from error
    finally:
        await desk.close()


def names_of(sites: Sequence[Site]) -> str:
    return ", ".join(site.name for site in sites) or "no cluster"


def first_failure(round_: Round[T]) -> Failure:
    """For questions that one silent cluster makes pointless."""
    return translated(round_.silent[0][1]) if round_.silent else Unreachable("no cluster is configured")
