"""All Failovers of one cluster: found, begun, resumed, and let go when they have ended. Level-triggered: each is looked at as it is now."""

import asyncio
import logging
from collections import Counter

from siterecovery.kubevirt.clusters import base
from siterecovery.kubevirt.clusters.events import WARNING, Recorder
from siterecovery.kubevirt.clusters.informer import Informer, Key
from siterecovery.kubevirt.clusters.queue import WorkQueue
from siterecovery.kubevirt.controllers.executions import Executions
from siterecovery.kubevirt.controllers.failover import phases
from siterecovery.kubevirt.controllers.failover.debts import Cashier
from siterecovery.kubevirt.controllers.failover.execution import Execution, Ground
from siterecovery.kubevirt.controllers.failover.phases import NotHere, Planned
from siterecovery.kubevirt.controllers.failover.rounds import Rounds
from siterecovery.kubevirt.crds.failover import Phase
from siterecovery.kubevirt.domain import times
from siterecovery.kubevirt.domain.names import FAILOVER_CONTROLLER, FINALIZER, GROUP_LABEL
from siterecovery.kubevirt.domain.resources import FAILOVERS, Object
from siterecovery.kubevirt.journal.rows import MOST_CONDITION, cut
from siterecovery.kubevirt.storage.base import StorageError
from siterecovery.workflow.step import Refused

LOG = logging.getLogger(__name__)
_SOON = 0.5
_WHILE_AWAY = 2.0
_PATIENCE = 30.0
"""Seconds a target that does not answer is asked again before its Failover fails."""


class FailoverController:
    """Made in the event loop in which it is run. `most`: Failovers carried out at a time; `rounds`: seconds between two looks at all groups."""

    def __init__(
        self, ground: Ground, *, resync: float = 60.0, rounds: float = 15.0, workers: int = 8, most: int = 64
    ) -> None:
        self._ground = ground
        self._cluster = ground.clusters.local
        self._workers = workers
        self._most = most
        self._queue: WorkQueue[Key] = WorkQueue(longest=15.0, clock=ground.clock)
        self._informer = Informer(self._cluster, FAILOVERS, resync=resync, clock=ground.clock)
        self._informer.tell(lambda change: self._queue.add(change.key))
        self._informer.announce(lambda: self._queue.add_all(self._informer.objects))
        self._recorder = Recorder(self._cluster, FAILOVER_CONTROLLER, ground.clock)
        cashier = Cashier(ground.clusters, ground.storages, ground.clock)
        self._rounds = Rounds(ground.clusters, cashier, ground.clock, rounds)
        self._running: Executions[Execution] = Executions(FAILOVERS.kind, self._queue)
        self.synced = False
        self.ended: Counter[str] = Counter()
        """Failovers that this process has brought to an end, by phase."""

    @property
    def age(self) -> float | None:
        """Seconds since the API server was last heard."""
        return self._informer.age

    @property
    def running(self) -> int:
        return len(self._running)

    @property
    def waiting(self) -> int:
        return len(self._queue)

    async def run(self) -> None:
        """Until cancelled; then what is under way is handed over first."""
        await self._know_clusters()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._informer.run())
                await self._informer.synced.wait()
                self.synced = True
                tasks.create_task(self._queue.run(self._pass, self._workers))
                tasks.create_task(self._rounds.run())
        finally:
            self.synced = False
            await self._running.leave()

    async def _know_clusters(self) -> None:
        """Before the Secrets are read once, no target is known, and every Failover would be refused."""
        while True:
            try:
                await self._ground.clusters.refresh()
                return
            except base.ClusterError as error:
                LOG.warning("the clusters' Secrets could not be read: %s", error)
            await self._ground.clock.sleep(_WHILE_AWAY)

    async def _pass(self, key: Key) -> float | None:
        """Seconds until it wants to look again; None: when something changes."""
        if self._running.get(key) is not None:
            return None  # its end brings it back
        obj = await self._cluster.find(FAILOVERS, key[1], key[0])
        if obj is None:
            return None
        phase = (obj.get("status") or {}).get("phase")
        if phase in (Phase.SUCCEEDED, Phase.FAILED):
            return await self._let_go(obj)
        if obj["metadata"].get("deletionTimestamp") and not (obj.get("status") or {}).get("epoch"):
            return await self._let_go(obj)
        if len(self._running) >= self._most:
            return _SOON
        return await self._begin(key, obj)

    async def _begin(self, key: Key, obj: Object) -> float | None:
        try:
            found = await phases.plan(self._ground.clusters, obj)
        except Refused as refused:
            return await self._turn_away(obj, str(refused))
        except (base.Unknown, base.BadAccess) as error:
            return await self._wait(obj, str(error))
        if isinstance(found, NotHere):
            await self._leave_pending(obj, found.message)
            return None
        return await self._start(key, found, obj)

    async def _start(self, key: Key, planned: Planned, obj: Object) -> float | None:
        try:
            obj = await self._held(obj, planned)
            execution = Execution(self._ground, planned, obj)
        except base.Conflict:
            return _SOON
        except StorageError as error:
            return await self._turn_away(obj, str(error))
        self._running.begin(key, execution)
        return None

    async def _held(self, obj: Object, planned: Planned) -> Object:
        """With our finalizer: it stays until it has ended, whoever deletes it."""
        metadata = obj["metadata"]
        finalizers = metadata.get("finalizers") or []
        if FINALIZER in finalizers or metadata.get("deletionTimestamp"):
            return obj
        patch = {
            "metadata": {
                "resourceVersion": metadata["resourceVersion"],
                "finalizers": [*finalizers, FINALIZER],
                "labels": {GROUP_LABEL: planned.move.group[:63]},
            }
        }
        return await self._cluster.patch(
            FAILOVERS, metadata["name"], metadata["namespace"], patch, manager=FAILOVER_CONTROLLER
        )

    async def _let_go(self, obj: Object) -> float | None:
        metadata = obj["metadata"]
        finalizers = metadata.get("finalizers") or []
        if FINALIZER not in finalizers:
            return None
        left = [name for name in finalizers if name != FINALIZER]
        patch = {"metadata": {"resourceVersion": metadata["resourceVersion"], "finalizers": left}}
        try:
            await self._cluster.patch(
                FAILOVERS, metadata["name"], metadata["namespace"], patch, manager=FAILOVER_CONTROLLER
            )
        except base.Conflict:
            return _SOON
        except base.NotFound:
            return None
        phase = (obj.get("status") or {}).get("phase")
        if phase:
            self.ended[str(phase)] += 1
        return None

    async def _wait(self, obj: Object, why: str) -> float:
        """The target does not answer. One that was begun is waited for; one that was not fails when its patience is over."""
        begun = bool((obj.get("status") or {}).get("epoch"))
        age = (self._ground.clock.now() - times.read(obj["metadata"]["creationTimestamp"])).total_seconds()
        if not begun and age > _PATIENCE:
            await self._refuse(obj, f"{obj['spec']['targetCluster']} cannot be reached: {why}. Nothing was changed")
        elif not begun:
            await self._say(obj, {"phase": Phase.PENDING.value, "message": cut(f"waiting: {why}", MOST_CONDITION)})
        return _WHILE_AWAY

    async def _leave_pending(self, obj: Object, message: str) -> None:
        if (obj.get("status") or {}).get("message") != message:
            await self._say(obj, {"phase": Phase.PENDING.value, "message": message})
            await self._recorder.record(obj, "NotHere", message, WARNING)

    async def _turn_away(self, obj: Object, why: str) -> float:
        """One that was begun holds locks, and may have stopped VMs: what stands in its way now does not end it. It goes on when that is mended."""
        status = obj.get("status") or {}
        if not status.get("epoch"):
            await self._refuse(obj, why)
            return _SOON
        message = cut(f"It cannot go on until this is mended: {why}", MOST_CONDITION)
        if status.get("message") != message:
            await self._say(obj, {"message": message})
            await self._recorder.record(obj, "CannotGoOn", message, WARNING)
        return _WHILE_AWAY

    async def _refuse(self, obj: Object, message: str) -> None:
        """Ended before it began: nothing was touched."""
        now = times.stamp(self._ground.clock.now())
        message = cut(message, MOST_CONDITION)
        entry = {"time": now, "reason": Phase.FAILED.value, "message": cut(message, 1024)}
        fields: Object = {"phase": Phase.FAILED.value, "message": message, "completedAt": now}
        history = [*((obj.get("status") or {}).get("history") or ()), entry][-100:]
        await self._say(obj, fields | {"history": history})
        self.ended[Phase.FAILED.value] += 1
        await self._recorder.record(obj, Phase.FAILED.value, message, WARNING)

    async def _say(self, obj: Object, fields: Object) -> None:
        metadata = obj["metadata"]
        patch = {"metadata": {"resourceVersion": metadata["resourceVersion"]}, "status": fields}
        try:
            await self._cluster.patch(
                FAILOVERS,
                metadata["name"],
                metadata["namespace"],
                patch,
                subresource="status",
                manager=FAILOVER_CONTROLLER,
            )
        except base.Conflict:
            LOG.info("Failover %s has changed meanwhile: it is looked at again", metadata["name"])
