"""One ProtectionRequest being carried out by this process: claimed, run, closed. There is no Lease: the plan on the VM keeps two requests apart;
two processes are kept apart by leadership and the request's epoch."""

import asyncio
import dataclasses
import logging
from collections.abc import Callable, Mapping
from typing import Any

from siterecovery.kubevirt.clusters import base
from siterecovery.kubevirt.clusters.events import NORMAL, WARNING, Recorder
from siterecovery.kubevirt.controllers.failover.execution import Ground, LedHold
from siterecovery.kubevirt.controllers.failover.story import FailoverStory
from siterecovery.kubevirt.controllers.protection_request import status
from siterecovery.kubevirt.controllers.protection_request.phases import Planned, Verb
from siterecovery.kubevirt.crds.protection_request import Phase
from siterecovery.kubevirt.domain import times
from siterecovery.kubevirt.domain.names import PROTECTION_CONTROLLER
from siterecovery.kubevirt.domain.resources import PROTECTION_REQUESTS, Object
from siterecovery.kubevirt.flows import protection as flows
from siterecovery.kubevirt.journal.status_journal import StatusJournal
from siterecovery.kubevirt.steps.base import translate
from siterecovery.kubevirt.steps.protection.base import Limits, ProtectionWorld
from siterecovery.workflow.flow import Flow
from siterecovery.workflow.journal import Entry, JournalUnavailable, Write
from siterecovery.workflow.lease import Lease
from siterecovery.workflow.run import Result
from siterecovery.workflow.runner import Runner
from siterecovery.workflow.step import Fenced, HandedOver

LOG = logging.getLogger(__name__)
_TTL = 60.0
"""Seconds for which this process believes that it owns the request, renewed while it leads."""
_TELL = 1.0
"""Seconds between two writes of the progress."""
_MARGIN = 120.0
"""Seconds that KubeVirt may take besides the guest's own grace."""
_FLOWS: Mapping[Verb, Callable[[ProtectionWorld], Flow]] = {
    Verb.PROTECT: flows.protect,
    Verb.UNPROTECT: flows.unprotect,
}
GOOD = frozenset({Phase.PROTECTED, Phase.UNPROTECTED, Phase.UNPROTECTING})


def flow_of(verb: Verb, world: ProtectionWorld) -> Flow:
    return _FLOWS[verb](world)


class Execution:
    """`limits`: of the steps. Making it raises StorageError when the storage cannot be asked at all."""

    def __init__(
        self,
        ground: Ground,
        planned: Planned,
        obj: Object,
        *,
        limits: Limits,
        flow: Callable[[Verb, ProtectionWorld], Flow] = flow_of,
    ) -> None:
        self._ground, self._flow = ground, flow
        self.verb, self._work = planned.verb, planned.work
        self._object = obj
        self._hold: LedHold | None = None
        self._leaving = False
        self._countermand: str | None = None
        self._home = ground.clusters.local
        self._story = FailoverStory(obj, Recorder(self._home, PROTECTION_CONTROLLER, ground.clock), ground.clock)
        self._progress = status.VolumeProgress(obj.get("status") or {})
        work = self._work
        self._world = ProtectionWorld(
            work=work,
            clusters=ground.clusters,
            storage=ground.storages.of("drbd-operator", work.namespace, [work.primary, work.dr]),
            bridge=ground.bridge,
            clock=ground.clock,
            story=self._story,
            progress=self._progress,
            limits=_patient(limits, planned.grace),
        )

    def leave(self) -> None:
        """A clean stop: what is under way is finished and recorded, the rest is for the next process."""
        self._leaving = True
        if self._hold is not None:
            self._hold.leaving = True

    def countermand(self, who: str) -> None:
        """A protection that is under way is taken back; anything else goes on to its end."""
        if self.verb is Verb.PROTECT:
            self._countermand = who

    async def run(self) -> None:
        """Until it has ended, or is another process's. Raises ClusterError when nothing could be begun now."""
        storyteller = asyncio.create_task(self._story.record())
        try:
            await self._carry_out()
        except HandedOver:
            LOG.info("ProtectionRequest %s is handed over", self._work.name)
        except Fenced as fenced:
            LOG.warning("ProtectionRequest %s: %s", self._work.name, fenced)
        finally:
            await self._story.finish(storyteller)

    async def _carry_out(self) -> None:
        ground = self._ground
        lease = await self._claim()
        journal = StatusJournal(
            self._home,
            self._object,
            ground.bridge,
            ground.clock,
            resource=PROTECTION_REQUESTS,
            manager=PROTECTION_CONTROLLER,
        )
        hold = self._hold = LedHold(lease, ground.clock.monotonic, ground.leading)
        hold.leaving = self._leaving
        beside = [asyncio.create_task(self._renew(hold)), asyncio.create_task(self._tell(journal, hold))]
        try:
            runner = Runner(
                ground.journal(journal),
                ground.clock,
                ground.workers,
                translate=translate,
                listener=self._listen,
                recorder=status.recorder(self.verb, self._work, self._story, self._progress),
                watcher=ground.watcher,
            )
            flow = self._flow(self.verb, self._world)
            result = await runner.run(flow, hold, cancelled=lambda: self._countermand)
            await self._close(journal, hold, result)
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)

    async def _claim(self) -> Lease:
        """Raises Fenced when somebody else was faster."""
        metadata = self._object["metadata"]
        before = self._object.get("status") or {}
        new = status.claimed(before, self.verb, int(metadata.get("generation") or 1), self._ground.clock)
        patch = {"metadata": {"resourceVersion": metadata["resourceVersion"]}, "status": new}
        try:
            self._object = await self._home.patch(
                PROTECTION_REQUESTS,
                metadata["name"],
                metadata["namespace"],
                patch,
                subresource="status",
                manager=PROTECTION_CONTROLLER,
            )
        except (base.Conflict, base.NotFound) as error:
            raise Fenced(str(error)) from error
        if "startedAt" in new:
            self._story.tell("Accepted", f"Going to {self.verb} {self._work.machine}")
        else:
            self._story.tell("Resumed", f"Another process goes on with it (epoch {new['epoch']})")
        operation = f"{self._work.namespace}/{self._work.name}"
        return Lease(operation, self._ground.rules.holder, new["epoch"], _TTL)

    def _listen(self, event: str, operation: str, step: str, **details: Any) -> None:
        """Called in the loop. What people should know goes into the story; the rest into the log."""
        loud = event in ("failed", "undo_failed")
        LOG.log(logging.WARNING if loud else logging.INFO, "%s %s %s %s", operation, step, event, details or "")
        word = "".join(part.title() for part in step.split("_"))
        if event == "started" and not step.startswith("#"):
            self._story.tell(word, status.doing(self._work, step))
        elif loud and details.get("error"):
            self._story.tell(f"{word}{event.title().replace('_', '')}", f"{step}: {details['error']}", WARNING)

    async def _renew(self, hold: LedHold) -> None:
        while hold.held:
            hold.renewed(self._ground.clock.monotonic())
            await self._ground.clock.sleep(_TTL / 6)

    async def _tell(self, journal: StatusJournal, hold: LedHold) -> None:
        """The progress of the sync, while no step begins or ends. What is lost here comes with the next write."""
        told = self._progress.version
        while hold.held:
            await self._ground.clock.sleep(_TELL)
            if self._progress.version != told:
                told = self._progress.version
                try:
                    await journal.write([self._written(hold, self._progress.into)])
                except JournalUnavailable as error:
                    LOG.info("ProtectionRequest %s: %s", self._work.name, error)

    def _written(self, hold: LedHold, change: status.Change) -> Write:
        return Write(hold.lease.operation, hold.lease.epoch, (), (change,))

    async def _close(self, journal: StatusJournal, hold: LedHold, result: Result) -> None:
        """Under this claim's epoch; tried again while the API server is away."""
        rows: Mapping[str, Entry] = await self._ground.workers.commit(lambda: journal.load(self._work.name))
        phase, message = status.ended(self.verb, self._work, result, list(rows.values()), self._countermand)
        failures = bool(result.failures)
        self._story.tell(phase.value, message, NORMAL if phase in GOOD and not failures else WARNING)

        def end(found: Object) -> None:
            now = times.stamp(self._ground.clock.now())
            found |= {"phase": phase.value, "message": message, "completedAt": now}
            self._progress.into(found)
            if phase is Phase.PROTECTED:
                rows_now = found.get("volumes") or ()
                found |= {"progress": 100, "volumes": [row | {"state": "Protected"} for row in rows_now]}
            self._story.into(found)

        while True:
            hold.check()
            try:
                (answer,) = await journal.write([self._written(hold, end)])
            except JournalUnavailable as error:
                LOG.warning("ProtectionRequest %s: %s", self._work.name, error)
                await self._ground.clock.sleep(_TELL)
                continue
            if answer is not None:
                raise answer
            LOG.info("ProtectionRequest %s: %s: %s", self._work.name, phase.value, message)
            return


def _patient(limits: Limits, grace: float) -> Limits:
    """A guest that may take an hour to shut down gets its hour."""
    return dataclasses.replace(limits, stop=max(limits.stop, grace + _MARGIN))
