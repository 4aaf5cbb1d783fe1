"""Leader election: of several replicas one works. It only saves work; what must not happen twice is guarded by epochs and resourceVersions."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable

from siterecovery.kubevirt.clusters import base
from siterecovery.kubevirt.clusters.leases import LeaseLock, LockHeld, LockLost
from siterecovery.workflow.clock import Clock, SystemClock

LOG = logging.getLogger(__name__)


class Election:
    """`lead` runs the work while this process is the leader, and again when it becomes it again."""

    def __init__(self, lock: LeaseLock, *, renew_every: float, clock: Clock | None = None) -> None:
        self._lock = lock
        self._every = renew_every
        self._clock = clock or SystemClock()
        self.leading = False

    @property
    def held(self) -> bool:
        """The Lease is still ours by our own clock: a frozen process that wakes up too late sees False before anything else."""
        return self._lock.held

    async def lead(self, work: Callable[[], Awaitable[None]]) -> None:
        """Until cancelled, or until the work ends by itself. A clean end gives the Lease back."""
        try:
            while True:
                await self._become()
                if await self._while_leading(work):
                    return
        finally:
            self.leading = False
            with contextlib.suppress(base.ClusterError):  # it expires by itself
                await self._lock.release()

    async def _become(self) -> None:
        told = ""
        while True:
            try:
                await self._lock.acquire()
            except LockHeld as error:
                if told != error.holder:
                    LOG.info("waiting: %s leads", error.holder)
                told = error.holder
            except base.ClusterError as error:
                LOG.warning("cannot ask who leads: %s", error)
            else:
                LOG.info("leading")
                return
            await self._clock.sleep(self._every)

    async def _while_leading(self, work: Callable[[], Awaitable[None]]) -> bool:
        """True when the work has ended, False when the lead was lost."""
        self.leading = True
        running = asyncio.ensure_future(work())
        renewing = asyncio.create_task(self._renew())
        try:
            await asyncio.wait((running, renewing), return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                running.result()
                return True
            LOG.warning("the lead is lost: stopping")
            return False
        finally:
            self.leading = False
            for task in (running, renewing):
                task.cancel()
            await asyncio.gather(running, renewing, return_exceptions=True)

    async def _renew(self) -> None:
        """Ends when the lead is lost."""
        while self._lock.held:
            await self._clock.sleep(self._every)
            try:
                await self._lock.renew()
            except LockLost as error:
                LOG.warning("%s", error)
                return
            except base.ClusterError as error:
                LOG.warning("the lead could not be renewed: %s", error)
