"""`failover-controller`: runs on the quorum cluster, or on both workload clusters where there is none, and carries out
Failovers and ProtectionRequests."""

import argparse
import asyncio
import dataclasses
import zlib
from collections.abc import Sequence

from aiohttp import web
from prometheus_client import CollectorRegistry, Gauge

from siterecovery.kubevirt.clusters.blocking import Bridge
from siterecovery.kubevirt.clusters.leader import Election
from siterecovery.kubevirt.clusters.registry import Registry
from siterecovery.kubevirt.controllers.failover.controller import FailoverController
from siterecovery.kubevirt.controllers.failover.execution import Ground, Rules
from siterecovery.kubevirt.controllers.protection_request.controller import ProtectionController
from siterecovery.kubevirt.crds.failover import Phase
from siterecovery.kubevirt.domain.names import FORCE_IO_ERROR_TAINT, LOST_QUORUM_TAINT
from siterecovery.kubevirt.processes import logs, probes, running, settings
from siterecovery.kubevirt.processes.settings import ControllerSettings
from siterecovery.kubevirt.processes.storages import Backends
from siterecovery.kubevirt.steps.base import Limits, Settings
from siterecovery.kubevirt.storage.linstor import LinstorSettings, LinstorStorage
from siterecovery.workflow.clock import SystemClock
from siterecovery.workflow.workers import ThreadWorkers

NAME = "failover-controller"
_DEAF = 180.0
"""Seconds without a word from the own API server after which a restart is worth trying."""


@dataclasses.dataclass(frozen=True)
class FailoverSettings:
    common: ControllerSettings
    lock_seconds: float
    round_seconds: float
    steps: Settings


def main(arguments: Sequence[str] | None = None) -> int:
    found = read(arguments)
    logs.setup(debug=found.common.debug, as_json=found.common.log_json)
    return running.entry(NAME, lambda: serve(found))


def read(arguments: Sequence[str] | None = None) -> FailoverSettings:
    """Ends the process with a sentence (exit code 2) when something is missing or wrong."""
    made = settings.parser(NAME, "Carry out Failovers: move groups of VMs to the other cluster.")
    add = settings.adder(made)
    default = Limits()
    add("--lock-seconds", "300", "how long the Lease of a group's failover lasts; renewed at a third of it")
    add(
        "--round-seconds",
        "15",
        "pause between two looks at all groups: where they run, and what is owed to their clusters",
    )
    add("--quorum-taints", LOST_QUORUM_TAINT, "keys of the taints that a failover removes, separated by commas")
    add("--stop-seconds", f"{default.stop:g}", "how long a group may take to stop, at least its longest grace period")
    add("--start-seconds", f"{default.start:g}", "how long a group may take to start")
    add("--release-seconds", f"{default.release:g}", "how long its disks may take to be released")
    add("--check-seconds", f"{default.check:g}", "how long each check may take")
    given = made.parse_args(arguments)
    common = settings.taken(NAME, made, given)
    try:
        return FailoverSettings(
            common,
            settings.positive(given.lock_seconds),
            settings.positive(given.round_seconds),
            _steps(common, given),
        )
    except ValueError as error:
        made.error(str(error))


def _steps(common: ControllerSettings, given: argparse.Namespace) -> Settings:
    taints = settings.parts(given.quorum_taints)
    if FORCE_IO_ERROR_TAINT in taints:
        raise ValueError(
            f"--quorum-taints: {FORCE_IO_ERROR_TAINT} says that a volume still fails its I/O: it is waited for, never removed"
        )
    limits = Limits(
        stop=settings.positive(given.stop_seconds),
        start=settings.positive(given.start_seconds),
        release=settings.positive(given.release_seconds),
        promote=settings.positive(given.release_seconds),
        check=settings.positive(given.check_seconds),
    )
    return Settings(namespace=common.namespace, taints=taints, limits=limits)


def holder(found: ControllerSettings) -> str:
    """The same for every process of this installation: a restarted one goes on with its predecessor's locks at once; leadership says who may."""
    return f"{NAME}-{zlib.crc32(f'{found.cluster_name}/{found.namespace}'.encode()) % 100_000:05d}"


async def serve(found: FailoverSettings) -> None:
    """Until cancelled."""
    async with running.connected(found.common) as registry:
        process = Process(found, registry)
        try:
            async with probes.serving(found.common.listen, process.application()):
                await process.run()
        finally:
            await process.close()


class Process:
    """A controller is made anew each time this process becomes the leader: what a former one knew is old."""

    def __init__(self, found: FailoverSettings, registry: Registry) -> None:
        self._found = found
        self._registry = registry
        linstor = LinstorStorage(LinstorSettings(found.common.linstor)) if found.common.linstor else None
        self._backends = Backends(linstor, registry.get)
        self._workers = ThreadWorkers()
        self._controller: FailoverController | None = None
        self._requests: ProtectionController | None = None
        self._election: Election | None = None

    async def run(self) -> None:
        common = self._found.common
        self._election, work = running.elected(NAME, common, self._registry.local, self._control)
        await work()

    def ground(self) -> Ground:
        """Made in the event loop of the clients."""
        return Ground(
            clusters=self._registry,
            storages=self._backends,
            bridge=Bridge(asyncio.get_running_loop()),
            workers=self._workers,
            clock=SystemClock(),
            rules=Rules(holder(self._found.common), self._found.lock_seconds, self._found.steps),
            leading=lambda: self._election is None or self._election.held,
        )

    async def _control(self) -> None:
        common = self._found.common
        ground = self.ground()
        self._controller = FailoverController(
            ground, resync=common.resync, rounds=self._found.round_seconds, workers=common.workers
        )
        requests = self._requests = ProtectionController(ground, resync=common.resync)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._controller.run())
                tasks.create_task(requests.run())
        finally:
            self._controller = self._requests = None

    async def close(self) -> None:
        await asyncio.get_running_loop().run_in_executor(None, self._workers.close)
        await self._backends.close()

    def application(self) -> web.Application:
        metrics = CollectorRegistry()
        ended = Gauge("siterecovery_failovers_ended", "Failovers ended by this process", ["phase"], registry=metrics)
        for phase in (Phase.SUCCEEDED, Phase.FAILED):
            ended.labels(phase.value).set_function(lambda phase=phase: self._ended(phase))  # type: ignore[misc]
        under_way = Gauge("siterecovery_failovers_running", "Failovers under way", registry=metrics)
        under_way.set_function(lambda: float(self._controller.running) if self._controller else 0.0)
        protecting = Gauge("siterecovery_protection_requests_running", "ProtectionRequests under way", registry=metrics)
        protecting.set_function(lambda: float(self._requests.running) if self._requests else 0.0)
        leading = Gauge("siterecovery_leader", "1 while this process is the leader", registry=metrics)
        leading.set_function(lambda: float(self._election.leading) if self._election else 1.0)
        waiting = Gauge("siterecovery_queue_length", "Failovers that wait or are looked at", registry=metrics)
        waiting.set_function(lambda: float(self._controller.waiting) if self._controller else 0.0)
        return probes.application(self._deaf, self._unready, metrics)

    def _ended(self, phase: Phase) -> float:
        return float(self._controller.ended[phase.value]) if self._controller else 0.0

    def _deaf(self) -> str:
        age = self._controller.age if self._controller else None
        return f"the API server has said nothing for {age:.0f} s" if age is not None and age > _DEAF else ""

    def _unready(self) -> str:
        if self._controller is None:
            return "" if self._election is not None else "starting"  # a replica that waits for its turn is ready for it
        return "" if self._controller.synced else "the list of Failovers has not come in yet"
