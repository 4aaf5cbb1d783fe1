"""What commands have in common: where they look, how they print, and the event loop they run in."""

import asyncio
import dataclasses
import functools
import os
import pathlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Concatenate, ParamSpec, TypeVar

import click

from siterecovery.kubevirt.clusters.client import ClusterClient
from siterecovery.kubevirt.pgctl import configuration
from siterecovery.kubevirt.pgctl.desk import Connect, Desk, Site, opened
from siterecovery.kubevirt.pgctl.printing import Output
from siterecovery.kubevirt.pgctl.words import Words
from siterecovery.workflow.clock import Clock, SystemClock

P = ParamSpec("P")
F = TypeVar("F", bound=Callable[..., Any])


@dataclasses.dataclass
class Surroundings:
    """What a command needs from outside; tests bring their own."""

    path: pathlib.Path
    connect: Connect
    clock: Clock = dataclasses.field(default_factory=SystemClock)
    environment: Mapping[str, str] = dataclasses.field(default_factory=lambda: os.environ)


def surroundings(environment: Mapping[str, str] | None = None, timeout: float = 15.0) -> Surroundings:
    """`timeout`: seconds for one call to a cluster."""
    used = os.environ if environment is None else environment

    def connect(site: Site) -> ClusterClient:
        return ClusterClient(site.name, configuration.access_of(site.context, used), timeout=timeout)

    return Surroundings(configuration.location(used), connect, environment=used)


def asynchronous(work: Callable[Concatenate[Desk, P], Awaitable[None]]) -> Callable[P, None]:
    """A command that needs clusters: it is given a Desk, closed when it ends."""

    @functools.wraps(work)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        around = click.get_current_context().ensure_object(Surroundings)
        settings = configuration.load(around.path)
        configuration.require(settings, around.path)

        async def at_desk() -> None:
            async with opened(settings, around.connect, around.clock) as desk:
                await work(desk, *args, **kwargs)

        asyncio.run(at_desk())

    return run


def in_namespace(command: F) -> F:
    return click.option(
        "-n", "--namespace", help="Where to look. [default: the configuration's, site-recovery if it has none]"
    )(command)


def printed(command: F) -> F:
    return click.option(
        "-o", "--output", type=Words(Output), default=Output.TABLE.value, show_default=True, help="How to print."
    )(command)


def everywhere(command: F) -> F:
    return click.option("-A", "--all-namespaces", is_flag=True, help="Look in every namespace.")(command)


def confirmed(command: F) -> F:
    return click.option("-y", "--yes", is_flag=True, help="Do not ask for confirmation.")(command)
