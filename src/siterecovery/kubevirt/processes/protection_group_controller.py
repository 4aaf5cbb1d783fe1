"""`protection-group-controller`: runs in each workload cluster, and makes its VMs follow their groups."""

from collections.abc import Sequence

from aiohttp import web
from prometheus_client import CollectorRegistry, Gauge

from siterecovery.kubevirt.clusters.leader import Election
from siterecovery.kubevirt.clusters.registry import Registry
from siterecovery.kubevirt.controllers.protection_group.controller import GroupController, Settings
from siterecovery.kubevirt.controllers.protection_group.status import current_state
from siterecovery.kubevirt.crds.protection_group import CurrentState
from siterecovery.kubevirt.processes import logs, probes, running, settings
from siterecovery.kubevirt.processes.settings import ControllerSettings
from siterecovery.kubevirt.processes.volumes import StorageViews
from siterecovery.kubevirt.storage.linstor import LinstorSettings, LinstorStorage

NAME = "protection-group-controller"
_DEAF = 180.0
"""Seconds without a word from the own API server after which a restart is worth trying."""


def main(arguments: Sequence[str] | None = None) -> int:
    found = settings.read(NAME, "Make the VMs of a cluster follow their ProtectionGroups.", arguments)
    logs.setup(debug=found.debug, as_json=found.log_json)
    return running.entry(NAME, lambda: serve(found))


async def serve(found: ControllerSettings) -> None:
    """Until cancelled."""
    async with running.connected(found) as registry:
        process = Process(found, registry)
        try:
            async with probes.serving(found.listen, process.application()):
                await process.run()
        finally:
            await process.close()


class Process:
    """A controller is made anew each time this process becomes the leader: what a former one knew is old."""

    def __init__(self, found: ControllerSettings, registry: Registry) -> None:
        self._found = found
        self._registry = registry
        linstor = LinstorStorage(LinstorSettings(found.linstor)) if found.linstor else None
        self._views = StorageViews(linstor, registry.get)
        self._controller: GroupController | None = None
        self._election: Election | None = None

    async def run(self) -> None:
        self._election, work = running.elected(NAME, self._found, self._registry.local, self._control)
        await work()

    async def _control(self) -> None:
        pace = Settings(
            resync=self._found.resync,
            mirror=self._found.mirror_interval,
            storage=self._found.storage_interval,
            workers=self._found.workers,
        )
        self._controller = GroupController(self._registry, self._views, settings=pace)
        try:
            await self._controller.run()
        finally:
            self._controller = None

    async def close(self) -> None:
        await self._views.close()

    def application(self) -> web.Application:
        metrics = CollectorRegistry()
        groups = Gauge("siterecovery_protection_groups", "Groups by current state", ["state"], registry=metrics)
        for state in CurrentState:
            groups.labels(state.value).set_function(lambda state=state: self._count(state))  # type: ignore[misc]
        leading = Gauge("siterecovery_leader", "1 while this process is the leader", registry=metrics)
        leading.set_function(lambda: float(self._election.leading) if self._election else 1.0)
        waiting = Gauge("siterecovery_queue_length", "Groups that wait or are worked on", registry=metrics)
        waiting.set_function(lambda: float(self._controller.waiting) if self._controller else 0.0)
        return probes.application(self._deaf, self._unready, metrics)

    def _count(self, state: CurrentState) -> float:
        scopes = list(self._controller.scopes.values()) if self._controller else []
        return float(sum(current_state(scope.members, scope.desired) is state for scope in scopes))

    def _deaf(self) -> str:
        age = self._controller.age if self._controller else None
        return f"the API server has said nothing for {age:.0f} s" if age is not None and age > _DEAF else ""

    def _unready(self) -> str:
        if self._controller is None:
            return "" if self._election is not None else "starting"  # a replica that waits for its turn is ready for it
        return "" if self._controller.synced else "the lists of the cluster have not come in yet"
