"""One container as a process: kept running while its Pod is wanted, with its output in a file."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from sandbox.kubernetes.agent.conditions import now
from sandbox.kubernetes.agent.pods.launch import Launch
from sandbox.kubernetes.agent.pods.probes import Probe
from sandbox.kubernetes.client import Object

_TETHER = Path(__file__).parents[2] / "tether.py"
# A kubelet waits 10 s, doubled up to five minutes; nobody learns anything from waiting so long here.
_BACKOFF_SECONDS, _LONGEST_SECONDS = 1.0, 10.0
_STEADY_SECONDS = 30.0
_TICK_SECONDS = 0.5


class Container:
    """Started by `run`, a task that ends only with `stop`. `changed` is called whenever its status may have changed."""

    def __init__(self, launch: Launch, address: str, restarts: int, changed: Callable[[], None]) -> None:
        """`restarts`: how often it was started before this agent knew it."""
        self.launch = launch
        self.restarts = restarts
        self._changed = changed
        self._process: asyncio.subprocess.Process | None = None
        self._state: Object = {"waiting": {"reason": "ContainerCreating"}}
        self._last: Object = {}
        self._stopping = asyncio.Event()
        self._ready = "readinessProbe" not in launch.probes
        self._probes = {kind: Probe(spec, address, launch.ports) for kind, spec in launch.probes.items()}
        self.log = launch.directory / f"{launch.name}.log"
        self.previous_log = launch.directory / f"{launch.name}.previous.log"

    @property
    def ready(self) -> bool:
        """Running, and its readiness probe is content."""
        return "running" in self._state and self._ready

    def status(self) -> Object:
        """Its row in containerStatuses."""
        return {
            "name": self.launch.name,
            "image": self.launch.image,
            "imageID": "sandbox",
            "ready": self.ready,
            "started": "running" in self._state,
            "restartCount": self.restarts,
            "state": self._state,
            "lastState": self._last,
        }

    async def run(self) -> None:
        """Until stopped: start it, wait for its end, start it again, later each time."""
        backoff = _BACKOFF_SECONDS
        while not self._stopping.is_set():
            begun = time.monotonic()
            await self._once()
            if self._stopping.is_set():
                return
            backoff = _BACKOFF_SECONDS if time.monotonic() - begun > _STEADY_SECONDS else backoff
            self._set(
                {
                    "waiting": {
                        "reason": "CrashLoopBackOff",
                        "message": f"back-off {backoff:.0f}s restarting failed container",
                    }
                }
            )
            await self._pause(backoff)
            backoff = min(2 * backoff, _LONGEST_SECONDS)
            self.restarts += 1

    async def _once(self) -> None:
        """One life of it, probed while it lasts."""
        started = now()
        if self.log.exists():
            self.log.replace(self.previous_log)
        command = [sys.executable, "-I", "-S", str(_TETHER), str(os.getpid()), *self.launch.command]
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=asyncio.subprocess.STDOUT,
                cwd=self.launch.directory,
                env={**os.environ, **self.launch.environment},
                start_new_session=True,
            )
        self._set({"running": {"startedAt": started}})
        probing = asyncio.create_task(self._probe())
        code = await self._process.wait()
        probing.cancel()
        self._ready = "readinessProbe" not in self._probes
        ended = {"exitCode": code if code >= 0 else 128 - code, "reason": "Error" if code else "Completed"}
        self._last = {"terminated": {**ended, "startedAt": started, "finishedAt": now()}}
        self._set(self._last)

    async def _probe(self) -> None:
        """Readiness decides about traffic, liveness about life."""
        begun = time.monotonic()
        while self._probes:
            age = time.monotonic() - begun
            for kind, probe in self._probes.items():
                answer = await probe.ask(age)
                if answer is None:
                    continue
                if kind == "livenessProbe" and not answer:
                    self.kill()
                elif kind == "readinessProbe" and answer != self._ready:
                    self._ready = answer
                    self._changed()
            await asyncio.sleep(_TICK_SECONDS)

    async def stop(self, grace: float) -> None:
        """SIGTERM, and SIGKILL when its grace period is over."""
        self._stopping.set()
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), grace)
        except TimeoutError:
            process.kill()
            await process.wait()

    def kill(self) -> None:
        """kill -9; unless it was stopped it is started again."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds)
        except TimeoutError:
            return

    def _set(self, state: Object) -> None:
        self._state = state
        self._changed()
