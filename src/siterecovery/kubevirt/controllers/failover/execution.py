"""One Failover being carried out by this process: claimed, run under its Leases, closed."""

import asyncio
import dataclasses
import functools
import logging
from collections.abc import Callable, Mapping
from typing import Any

from siterecovery.kubevirt.clusters import base
from siterecovery.kubevirt.clusters.blocking import Bridge
from siterecovery.kubevirt.clusters.events import NORMAL, WARNING, Recorder
from siterecovery.kubevirt.clusters.leases import LockHeld, LockLost
from siterecovery.kubevirt.controllers.failover import groups, status
from siterecovery.kubevirt.controllers.failover.locks import FailoverLocks
from siterecovery.kubevirt.controllers.failover.phases import Planned
from siterecovery.kubevirt.controllers.failover.promises import Clusters, Storages
from siterecovery.kubevirt.controllers.failover.story import FailoverStory
from siterecovery.kubevirt.crds.failover import MOST_HISTORY, Phase
from siterecovery.kubevirt.domain import times
from siterecovery.kubevirt.domain.names import FAILOVER_CONTROLLER
from siterecovery.kubevirt.domain.resources import FAILOVERS, Object
from siterecovery.kubevirt.flows import failover as flows
from siterecovery.kubevirt.flows.choice import flow_of
from siterecovery.kubevirt.journal.status_journal import StatusJournal
from siterecovery.kubevirt.steps.base import Settings, World, translate
from siterecovery.workflow.clock import Clock
from siterecovery.workflow.flow import Flow
from siterecovery.workflow.journal import Entry, Journal, JournalUnavailable, State, Write
from siterecovery.workflow.lease import Hold, Lease
from siterecovery.workflow.run import Result
from siterecovery.workflow.runner import Runner, Workers
from siterecovery.workflow.step import Fenced, HandedOver
from siterecovery.workflow.watch import Pace, Watcher

LOG = logging.getLogger(__name__)
_RELOCK = 2.0
_MARGIN = 120.0
"""Seconds that KubeVirt and the group's controller may take besides the guests' own grace."""


@dataclasses.dataclass(frozen=True)
class Rules:
    """`holder` is the same for every process of one installation, so that the Failover of a killed one goes on at once; what keeps two of them apart
    is leadership, and the epoch of each Failover. `lock_ttl`: seconds."""

    holder: str
    lock_ttl: float = 300.0
    steps: Settings = dataclasses.field(default_factory=Settings)
    pace: Pace = dataclasses.field(default_factory=Pace)


@dataclasses.dataclass(frozen=True)
class Ground:
    """What all executions of a process share. `leading` is asked right before each call that changes something."""

    clusters: Clusters
    storages: Storages
    bridge: Bridge
    workers: Workers
    clock: Clock
    rules: Rules
    leading: Callable[[], bool] = lambda: True
    flow: Callable[[World], Flow] = flow_of
    journal: Callable[[Journal], Journal] = lambda journal: journal
    """Stands between the runner and the journal; crash tests end a controller there."""

    @functools.cached_property
    def watcher(self) -> Watcher:
        """One for all executions: fifty groups that stop are read together, not each on its own."""
        return Watcher(self.clock, self.workers.poll, translate=translate, pace=self.rules.pace)


class LedHold(Hold):
    """Held while the Leases are, and while this process leads: a frozen one that wakes up has lost both by its own clock."""

    def __init__(self, lease: Lease, monotonic: Callable[[], float], leading: Callable[[], bool]) -> None:
        super().__init__(lease, monotonic)
        self._leading = leading

    @property
    def held(self) -> bool:
        if not self._leading():
            self.lose()
        return super().held


class Execution:
    """Making it raises StorageError when the group's storage cannot be asked at all."""

    def __init__(self, ground: Ground, planned: Planned, obj: Object) -> None:
        self._ground = ground
        self._move = planned.move
        self._planned = planned
        self._object = obj
        self._hold: LedHold | None = None
        self._leaving = False
        rules = ground.rules
        self._locks = FailoverLocks(
            ground.clusters,
            planned.move,
            holder=rules.holder,
            namespace=rules.steps.namespace,
            ttl=rules.lock_ttl,
            clock=ground.clock,
        )
        self._story = FailoverStory(obj, Recorder(self._home, FAILOVER_CONTROLLER, ground.clock), ground.clock)
        self._world = self._made()

    @property
    def _home(self) -> base.Cluster:
        return self._ground.clusters.get(self._move.home)

    def leave(self) -> None:
        """A clean stop: what is under way is finished and recorded, the rest is for the next process."""
        self._leaving = True
        if self._hold is not None:
            self._hold.leaving = True

    async def run(self) -> None:
        """Until the Failover has ended, or is another process's. Raises ClusterError when nothing could be begun now."""
        storyteller = asyncio.create_task(self._story.record())
        try:
            await self._carry_out()
        except HandedOver:
            LOG.info("Failover %s is handed over", self._move.name)
        except Fenced as fenced:
            LOG.warning("Failover %s: %s", self._move.name, fenced)
        finally:
            await self._story.finish(storyteller)

    async def _carry_out(self) -> None:
        ground, move = self._ground, self._move
        resumed = bool((self._object.get("status") or {}).get("epoch"))
        lease = await self._claim()
        journal = StatusJournal(self._home, self._object, ground.bridge, ground.clock)
        if "Accepted" not in self._told():  # also where a process was killed between its claim and its first word
            self._story.tell("Accepted", f"{move.type.value.title()} failover of {move.group} to {move.shown}")
        if resumed:
            self._story.tell("Resumed", f"Another process goes on with it (epoch {lease.epoch})")
            await self._relock(journal)
        hold = self._hold = LedHold(lease, ground.clock.monotonic, ground.leading)
        hold.leaving = self._leaving
        renewing = asyncio.create_task(self._renew(hold))
        try:
            runner = self._runner(ground.journal(journal))
            result = await runner.run(ground.flow(self._world), hold)
            await self._close(journal, hold, result)
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)

    def _told(self) -> set[str]:
        """Reasons in the history. The first word of a long one may have made room for others: it was there."""
        history = (self._object.get("status") or {}).get("history") or ()
        return {entry["reason"] for entry in history} | ({"Accepted"} if len(history) >= MOST_HISTORY else set())

    async def _claim(self) -> Lease:
        """Raises Fenced when somebody else was faster."""
        metadata = self._object["metadata"]
        new = status.claimed(
            self._object.get("status") or {}, self._move, int(metadata.get("generation") or 1), self._ground.clock
        )
        patch = {"metadata": {"resourceVersion": metadata["resourceVersion"]}, "status": new}
        try:
            self._object = await self._home.patch(
                FAILOVERS,
                metadata["name"],
                metadata["namespace"],
                patch,
                subresource="status",
                manager=FAILOVER_CONTROLLER,
            )
        except (base.Conflict, base.NotFound) as error:
            raise Fenced(str(error)) from error
        rules = self._ground.rules
        operation = f"{self._move.namespace}/{self._move.name}"
        return Lease(operation, rules.holder, new["epoch"], rules.lock_ttl)

    async def _relock(self, journal: StatusJournal) -> None:
        """The locks of an earlier process: ours at once where it had our name, else when they have run out."""
        entries = await self._loaded(journal)
        taken = _state(entries, "acquire_lock") not in (None, State.UNDONE)
        if not taken or _state(entries, "release_lock") is State.DONE:
            return
        while not self._leaving:
            try:
                await self._locks.acquire()
                return
            except LockHeld as error:
                LOG.info("Failover %s waits for its lock: held by %s", self._move.name, error.holder)
            except base.Unknown as error:
                LOG.warning("Failover %s: %s", self._move.name, error)
            await self._ground.clock.sleep(_RELOCK)
        raise HandedOver("this process ends")

    async def _loaded(self, journal: StatusJournal) -> Mapping[str, Entry]:
        found: Mapping[str, Entry] = await self._ground.workers.commit(lambda: journal.load(self._move.name))
        return found

    def _made(self) -> World:
        ground, move = self._ground, self._move
        backend = ((self._planned.group["spec"].get("storage") or {}).get("backend")) or "linstor"
        sides = [ground.clusters.resolve(name) for name in (move.source, move.target)]
        return World(
            move=move,
            clusters=ground.clusters,
            storage=ground.storages.of(backend, move.namespace, sides),
            locks=self._locks,
            bridge=ground.bridge,
            clock=ground.clock,
            story=self._story,
            settings=self._settings(),
        )

    def _settings(self) -> Settings:
        """A guest that may take an hour to shut down gets its hour."""
        settings = self._ground.rules.steps
        stop = max(settings.limits.stop, self._planned.grace + _MARGIN)
        return dataclasses.replace(settings, limits=dataclasses.replace(settings.limits, stop=stop))

    def _runner(self, journal: Journal) -> Runner:
        ground = self._ground
        return Runner(
            journal,
            ground.clock,
            ground.workers,
            translate=translate,
            listener=self._listen,
            recorder=status.recorder(self._move, self._story),
            watcher=ground.watcher,
        )

    def _listen(self, event: str, operation: str, step: str, **details: Any) -> None:
        """Called in the loop. What people should know goes into the story; the rest into the log."""
        loud = event in ("failed", "undo_failed")
        LOG.log(logging.WARNING if loud else logging.INFO, "%s %s %s %s", operation, step, event, details or "")
        if event == "started" and step not in (*flows.CHECKS, "release_lock") and not step.startswith("#"):
            self._story.tell(_word(step), status.doing(self._move, step))
        elif loud and details.get("error"):  # it is told twice, the second time without its reason
            self._story.tell(_word(f"{step}_{event}"), f"{step}: {details.get('error')}", WARNING)

    async def _renew(self, hold: LedHold) -> None:
        """Ends when the lock is lost: the run stops before its next step that cannot be taken back."""
        clock = self._ground.clock
        while hold.held:
            await clock.sleep(self._ground.rules.lock_ttl / 3)
            asked = clock.monotonic()
            try:
                await self._locks.renew()
            except LockLost as error:
                LOG.warning("Failover %s: %s", self._move.name, error)
                hold.lose()
            except base.ClusterError as error:
                LOG.warning("Failover %s: its lock was not renewed: %s", self._move.name, error)
            else:
                hold.renewed(asked)

    async def _close(self, journal: StatusJournal, hold: LedHold, result: Result) -> None:
        """The group's copies learn of it, the locks are given back, and only then the Failover ends: whoever finds it ended may begin another."""
        rows = list((await self._loaded(journal)).values())
        phase, message = status.ended(self._move, result, rows)
        hold.check()
        if self._move.moves and (phase is Phase.SUCCEEDED or status.is_begun(rows)):  # a refused one leaves no trace
            await groups.tell(self._ground.clusters, self._move, phase, self._ground.clock)
        await self._locks.release()
        good = phase is Phase.SUCCEEDED
        self._story.tell(phase.value, message, NORMAL if good else WARNING)
        await self._write(journal, hold, lambda found: self._end(found, phase, message))
        LOG.info("Failover %s: %s: %s", self._move.name, phase.value, message)

    def _end(self, found: Object, phase: Phase, message: str) -> None:
        now = times.stamp(self._ground.clock.now())
        found |= {"phase": phase.value, "message": message, "completedAt": now}
        if phase is Phase.SUCCEEDED:
            found["progress"] = 100
        self._story.into(found)

    async def _write(self, journal: StatusJournal, hold: LedHold, change: status.Change) -> None:
        """Under this claim's epoch; tried again while the API server is away."""
        write = Write(hold.lease.operation, hold.lease.epoch, (), (change,))
        while True:
            hold.check()
            try:
                (answer,) = await journal.write([write])
            except JournalUnavailable as error:
                LOG.warning("Failover %s: %s", self._move.name, error)
                await self._ground.clock.sleep(1.0)
                continue
            if answer is not None:
                raise answer
            return


def _state(entries: Mapping[str, Entry], step: str) -> State | None:
    entry = entries.get(step)
    return entry.state if entry is not None else None


def _word(text: str) -> str:
    """`stop_source` as an Event's reason."""
    return "".join(part.title() for part in text.replace("/", "_").split("_"))
