"""What the DRBD world does on Kubernetes clusters: quorum taints on nodes, and the DRBD Operator's part."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from sandbox.kubernetes.drbd.kube import Kube, KubeError
from sandbox.kubernetes.drbd.operator import Operator
from sandbox.kubernetes.drbd.taints import TaintAgent, Wanted
from sandbox.kubernetes.drbd.world import Drbd

_LOG = logging.getLogger(__name__)
_STOP_SECONDS = 5.0  # for the call that is under way


@dataclass
class _Attached:
    kube: Kube
    agent: TaintAgent | None
    operator: Operator | None
    stop: asyncio.Event
    tasks: list[asyncio.Task[None]]


class _Part(Protocol):
    """Something that is done in rounds."""

    period: float

    async def sync(self) -> None: ...


async def _rounds(part: _Part, stop: asyncio.Event) -> None:
    """Until told to stop, and never in the middle of a call; an API that does not answer is tried again in the next round."""
    while not stop.is_set():
        try:
            await part.sync()
        except (KubeError, OSError, TimeoutError) as error:
            _LOG.info("a cluster is left as it is: %s", error)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), part.period)


class Clusters:
    """The clusters this world was given a kubeconfig of."""

    def __init__(self, drbd: Drbd, wanted: Wanted) -> None:
        self._drbd = drbd
        self._wanted = wanted
        self._attached: dict[str, _Attached] = {}

    async def attach(self, name: str, kubeconfig: Path, period: float, *, taints: bool, operator: bool) -> None:
        """Begin to look after a cluster, every `period` seconds; an earlier attachment ends."""
        kube = Kube(kubeconfig)
        await self.release(name)
        agent = TaintAgent(kube, lambda: self._wanted.of(name), period) if taints else None
        player = Operator(kube, self._drbd, name, period) if operator else None
        parts: list[_Part] = [part for part in (agent, player) if part is not None]
        stop = asyncio.Event()
        tasks = [asyncio.create_task(_rounds(part, stop)) for part in parts]
        self._attached[name] = _Attached(kube, agent, player, stop, tasks)

    async def look(self, name: str) -> None:
        """One round now, where it is attached; what cannot be reached has its turn later."""
        attached = self._attached.get(name)
        if attached is not None and attached.agent is not None:
            with contextlib.suppress(KubeError, OSError, TimeoutError):
                await attached.agent.sync()

    async def release(self, name: str) -> None:
        """Let go of a cluster; its taints stay as they are."""
        attached = self._attached.pop(name, None)
        if attached is None:
            return
        attached.stop.set()
        try:
            _, late = await asyncio.wait(attached.tasks, timeout=_STOP_SECONDS) if attached.tasks else (set(), set())
            for task in late:
                task.cancel()
            await asyncio.gather(*(task for task in attached.tasks if task not in late))
        finally:
            await attached.kube.close()

    async def close(self) -> None:
        """Let go of all."""
        for name in list(self._attached):
            await self.release(name)

    def as_json(self) -> dict[str, Any]:
        """Who is attached, and how often a taint was put back."""
        return {
            name: {
                "taints": each.agent is not None,
                "operator": each.operator is not None,
                "put_back": each.agent.put_back if each.agent else 0,
            }
            for name, each in self._attached.items()
        }
