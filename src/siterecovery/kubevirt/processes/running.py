"""What every controller process does: connects, elects, serves its probes, and ends cleanly on SIGTERM."""

import asyncio
import contextlib
import logging
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable

from siterecovery.kubevirt.clusters import base
from siterecovery.kubevirt.clusters.access import Access, from_file, from_service_account
from siterecovery.kubevirt.clusters.client import ClusterClient
from siterecovery.kubevirt.clusters.leader import Election
from siterecovery.kubevirt.clusters.leases import LeaseLock
from siterecovery.kubevirt.clusters.registry import Registry
from siterecovery.kubevirt.processes.settings import ControllerSettings

LOG = logging.getLogger(__name__)
_REFRESH = 30.0
_FIRST = 15.0
"""Seconds in which the Secrets of the other clusters are waited for before the work begins."""


def access(settings: ControllerSettings) -> Access:
    if settings.kubeconfig is None:
        return from_service_account()
    return from_file(settings.kubeconfig, settings.context)


@contextlib.asynccontextmanager
async def connected(settings: ControllerSettings) -> AsyncIterator[Registry]:
    """The registry of clusters, kept fresh; everything is closed afterwards."""
    local = ClusterClient(settings.cluster_name, access(settings))
    registry = Registry(local, settings.namespace, aliases=settings.aliases)
    refreshing = asyncio.create_task(_refresh(registry, known := asyncio.Event()))
    try:
        with contextlib.suppress(TimeoutError):  # work that needs no other cluster begins all the same
            async with asyncio.timeout(_FIRST):
                await known.wait()
        yield registry
    finally:
        refreshing.cancel()
        await asyncio.gather(refreshing, return_exceptions=True)
        await registry.close()
        await local.close()


async def _refresh(registry: Registry, known: asyncio.Event) -> None:
    """A Secret that comes, changes or goes is noticed within half a minute; at first the server is asked until it answers."""
    while True:
        try:
            await registry.refresh()
            known.set()
        except base.ClusterError as error:
            LOG.warning("the clusters' Secrets could not be read: %s", error)
        await asyncio.sleep(_REFRESH if known.is_set() else 2.0)


def elected(
    name: str, settings: ControllerSettings, cluster: base.Cluster, work: Callable[[], Awaitable[None]]
) -> tuple[Election | None, Callable[[], Awaitable[None]]]:
    """The election (None without one) and what to run: the work, while this process leads."""
    if not settings.leader_election:
        return None, work
    lock = LeaseLock(cluster, settings.namespace, name, holder=settings.identity, ttl=settings.lease_seconds)
    election = Election(lock, renew_every=settings.lease_seconds / 3)
    return election, lambda: election.lead(work)


async def until_stopped(work: Callable[[], Awaitable[None]]) -> None:
    """SIGTERM and SIGINT cancel the work and wait until it has put everything down."""
    running = asyncio.ensure_future(work())
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, running.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await running


def entry(name: str, work: Callable[[], Awaitable[None]]) -> int:
    """Exit code 1 with one sentence for what a person can correct."""
    try:
        asyncio.run(until_stopped(work))
    except (base.BadAccess, OSError) as error:
        sys.stderr.write(f"{name}: {error}\n")
        return 1
    return 0
