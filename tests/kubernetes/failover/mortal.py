"""A Failover controller inside the test's own process that can be killed at a point of its flow, or frozen there.

What a killed one has sent arrives; nothing it hears counts, nothing more is sent, and its Leases stay where they are."""

import asyncio
import gc
import threading
import warnings

from crashes.death import Death, Moment, MortalJournal, MortalWorkers
from kubernetes.groups.world import HOME
from siterecovery.kubevirt.clusters.access import from_file
from siterecovery.kubevirt.clusters.blocking import Bridge
from siterecovery.kubevirt.clusters.client import ClusterClient
from siterecovery.kubevirt.clusters.registry import Registry
from siterecovery.kubevirt.controllers.failover.controller import FailoverController
from siterecovery.kubevirt.controllers.failover.execution import Ground, Rules
from siterecovery.kubevirt.flows.choice import flow_of
from siterecovery.kubevirt.processes.storages import Backends
from siterecovery.kubevirt.steps.base import Limits, Settings
from siterecovery.kubevirt.storage.linstor import LinstorSettings, LinstorStorage
from siterecovery.workflow.clock import SystemClock
from siterecovery.workflow.step import Refused

LIMITS = Limits(stop=60, start=60, release=30, promote=30, check=30)


class MortalController:
    """Runs until `put_down`, or until its death happens. With a death at no point it lives."""

    def __init__(self, planes, death=None):
        self.planes = planes
        self.death = death or Death(None)
        self.workers = MortalWorkers(self.death)
        self._stop = None
        self._loop = None
        self._up = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()), daemon=True)

    def __enter__(self):
        self._thread.start()
        assert self._up.wait(30)
        return self

    def __exit__(self, *_):
        self.put_down()

    def put_down(self):
        """What it had open is dropped here and now, without a word: it must not be found when another test, or the session, ends."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            if self._thread.is_alive():
                self._loop.call_soon_threadsafe(self._stop.set)
                self._thread.join(60)
                assert not self._thread.is_alive()
            self.workers.close()
            gc.collect()

    async def _main(self):
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        local = ClusterClient("quorum", from_file(self.planes.quorum.kubeconfig, None))
        registry = Registry(local, HOME)
        linstor = LinstorStorage(LinstorSettings((self.planes.storage.linstor,)))
        running = asyncio.create_task(FailoverController(self._ground(registry, linstor), rounds=1.0).run())
        self._up.set()
        try:
            await self._stop.wait()
        finally:
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await registry.close()
            await local.close()
            await linstor.close()

    def _ground(self, registry, linstor):
        return Ground(
            clusters=registry,
            storages=Backends(linstor, registry.get),
            bridge=Bridge(asyncio.get_running_loop()),
            workers=self.workers,
            clock=SystemClock(),
            rules=Rules("failover-controller-12345", steps=Settings(HOME, limits=LIMITS)),
            flow=self._flow,
            journal=lambda journal: MortalJournal(journal, self.death),
        )

    def _flow(self, world):
        flow = flow_of(world)
        for step in flow.steps():
            _around(step, "do", self.death, undoing=False)
            _around(step, "undo", self.death, undoing=True)
            if step.name == self.death.fail_at:
                step.do = _refused
        return flow


def _refused(call):
    raise Refused("It was made to fail here.")


def _around(step, method, death, *, undoing):
    original = getattr(step, method)

    def called(call):
        death.at(step.name, Moment.BEFORE_CALL, undoing=undoing)
        answer = original(call)
        death.at(step.name, Moment.AFTER_CALL, undoing=undoing)
        return answer

    setattr(step, method, called)
