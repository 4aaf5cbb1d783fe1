"""All ProtectionRequests of one cluster: found, begun, resumed, and let go when they have ended. Level-triggered: each is looked at as it is now.

It runs in the process of the failover controller: where that is, both workload clusters can be reached, and one process leads."""

import asyncio
import logging
from collections.abc import Callable

from pydantic import ValidationError

from siterecovery.kubevirt.clusters import base
from siterecovery.kubevirt.clusters.events import WARNING, Recorder
from siterecovery.kubevirt.clusters.informer import Informer, Key
from siterecovery.kubevirt.clusters.queue import WorkQueue
from siterecovery.kubevirt.controllers.executions import Executions
from siterecovery.kubevirt.controllers.failover.execution import Ground
from siterecovery.kubevirt.controllers.protection_request import phases
from siterecovery.kubevirt.controllers.protection_request.execution import Execution, flow_of
from siterecovery.kubevirt.controllers.protection_request.phases import Verb
from siterecovery.kubevirt.controllers.protection_request.status import MOST
from siterecovery.kubevirt.crds.protection_request import Phase, ProtectionRequest
from siterecovery.kubevirt.domain import times
from siterecovery.kubevirt.domain.names import FINALIZER, PROTECTION_CONTROLLER
from siterecovery.kubevirt.domain.resources import PROTECTION_REQUESTS, Object
from siterecovery.kubevirt.journal.rows import cut
from siterecovery.kubevirt.steps.protection.base import Limits, ProtectionWorld
from siterecovery.kubevirt.storage.base import StorageError
from siterecovery.workflow.flow import Flow
from siterecovery.workflow.step import Refused

LOG = logging.getLogger(__name__)
_SOON = 0.5
_WHILE_AWAY = 5.0
_AGAIN = 60.0
"""Seconds after which a removal that could not be completed is tried again."""


class ProtectionController:
    """Made in the event loop in which it is run. `most`: requests carried out at a time."""

    def __init__(
        self,
        ground: Ground,
        *,
        resync: float = 60.0,
        workers: int = 4,
        most: int = 32,
        limits: Limits | None = None,
        flow: Callable[[Verb, ProtectionWorld], Flow] = flow_of,
    ) -> None:
        self._ground, self._flow = ground, flow
        self._cluster = ground.clusters.local
        self._workers, self._most = workers, most
        self._limits = limits or Limits()
        self._queue: WorkQueue[Key] = WorkQueue(longest=15.0, clock=ground.clock)
        self._informer = Informer(self._cluster, PROTECTION_REQUESTS, resync=resync, clock=ground.clock)
        self._informer.tell(lambda change: self._queue.add(change.key))
        self._informer.announce(lambda: self._queue.add_all(self._informer.objects))
        self._recorder = Recorder(self._cluster, PROTECTION_CONTROLLER, ground.clock)
        self._running: Executions[Execution] = Executions(PROTECTION_REQUESTS.kind, self._queue)

    @property
    def running(self) -> int:
        return len(self._running)

    async def run(self) -> None:
        """Until cancelled; then what is under way is handed over first. A cluster without the kind has no requests."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._informer.run())
                await self._informer.synced.wait()
                tasks.create_task(self._queue.run(self._pass, self._workers))
        finally:
            await self._running.leave()

    async def _pass(self, key: Key) -> float | None:
        """Seconds until it wants to look again; None: when something changes."""
        obj = await self._cluster.find(PROTECTION_REQUESTS, key[1], key[0])
        if obj is None:
            return None
        try:
            request = ProtectionRequest.parse(obj)
        except (
            ValidationError
        ):  # only a server without schemas lets this through: people see the log, and that nothing happens
            LOG.exception("ProtectionRequest %s cannot be read", key[1])
            return None
        if (running := self._running.get(key)) is not None:
            if who := phases.countermanded(request):
                running.countermand(who)
            return None  # its end brings it back
        verb = phases.due(request)
        if verb is None:
            return await self._rest(obj, request)
        if (pause := self._pause(request)) > 0:
            return pause
        if len(self._running) >= self._most:
            return _SOON
        return await self._begin(key, obj, request, verb)

    def _pause(self, request: ProtectionRequest) -> float:
        """A removal that could not be completed has its rest."""
        ended = request.status.completed_at
        if request.status.phase is not Phase.UNPROTECTING or not ended:
            return 0.0
        return _AGAIN - (self._ground.clock.now() - times.read(ended)).total_seconds()

    async def _begin(self, key: Key, obj: Object, request: ProtectionRequest, verb: Verb) -> float | None:
        try:
            planned = await phases.plan(self._ground.clusters, obj, verb)
            obj = await self._held(obj)
            execution = Execution(self._ground, planned, obj, limits=self._limits, flow=self._flow)
        except base.Conflict:
            return _SOON
        except (Refused, StorageError) as refused:
            if phases.under_way(request) is None:
                await self._refuse(obj, str(refused))
                return _SOON
            await self._wait(obj, str(refused))  # what was begun is not given up half way
            return _WHILE_AWAY
        except phases.Away as error:
            await self._wait(obj, str(error))
            return _WHILE_AWAY
        if who := phases.countermanded(request):
            execution.countermand(who)
        self._running.begin(key, execution)
        return None

    async def _held(self, obj: Object) -> Object:
        """With our finalizer: while something is under way it stays, whoever deletes it."""
        metadata = obj["metadata"]
        finalizers = metadata.get("finalizers") or []
        if FINALIZER in finalizers or metadata.get("deletionTimestamp"):
            return obj
        return await self._patch(obj, {"metadata": {"finalizers": [*finalizers, FINALIZER]}})

    async def _rest(self, obj: Object, request: ProtectionRequest) -> float | None:
        """Nothing is under way. Its VM stays as it is when it is deleted: on its replicated disks, if that is where it is."""
        finalizers = request.metadata.finalizers
        if not request.metadata.deletion_timestamp or FINALIZER not in finalizers:
            return None
        if request.status.phase is Phase.PROTECTED:
            text = f"{request.spec.virtual_machine} stays under replication: a new request with desiredState: unprotected ends that"
            await self._recorder.record(obj, "StaysProtected", text, WARNING)
        try:
            await self._patch(obj, {"metadata": {"finalizers": [name for name in finalizers if name != FINALIZER]}})
        except base.Conflict:
            return _SOON
        except base.NotFound:
            return None
        return None

    async def _refuse(self, obj: Object, message: str) -> None:
        """Ended before it began: nothing was touched."""
        now = times.stamp(self._ground.clock.now())
        message = cut(message, MOST)
        history = (obj.get("status") or {}).get("history") or ()
        entry = {"time": now, "reason": Phase.FAILED.value, "message": message}
        fields: Object = {"phase": Phase.FAILED.value, "message": message, "completedAt": now}
        fields |= {"observedGeneration": obj["metadata"].get("generation", 1), "history": [*history, entry][-100:]}
        await self._say(obj, fields)
        await self._recorder.record(obj, Phase.FAILED.value, message, WARNING)

    async def _wait(self, obj: Object, why: str) -> None:
        message = cut(f"waiting: {why}", MOST)
        if (obj.get("status") or {}).get("message") != message:
            phase = (obj.get("status") or {}).get("phase") or Phase.PENDING.value
            await self._say(obj, {"phase": phase, "message": message})

    async def _say(self, obj: Object, fields: Object) -> None:
        try:
            await self._patch(obj, {"status": fields}, subresource="status")
        except base.Conflict:
            LOG.info("ProtectionRequest %s has changed meanwhile: it is looked at again", obj["metadata"]["name"])

    async def _patch(self, obj: Object, patch: Object, subresource: str | None = None) -> Object:
        """Conditional on what was read."""
        metadata = obj["metadata"]
        condition = {"resourceVersion": metadata["resourceVersion"]}
        return await self._cluster.patch(
            PROTECTION_REQUESTS,
            metadata["name"],
            metadata["namespace"],
            {**patch, "metadata": {**patch.get("metadata", {}), **condition}},
            subresource=subresource,
            manager=PROTECTION_CONTROLLER,
        )
