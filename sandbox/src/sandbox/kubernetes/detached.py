"""`sandbox kubernetes up`: the world in the background, found again through its state directory."""

from __future__ import annotations

import shutil
import sys
import time

from sandbox.kubernetes import binaries, desk
from sandbox.kubernetes.served import KUBECONFIGS
from sandbox.kubernetes.world import PROGRAMS
from sandbox.processes import Process, ProcessError
from sandbox.statedir import StateDirectory

_START_SECONDS = 300.0
_STOP_SECONDS = 30.0
_PAUSE_SECONDS = 0.2
_NAME = "kubernetes-world"


class Detached(StateDirectory):
    """The world of one state directory."""

    command = "sandbox kubernetes"

    @property
    def process(self) -> Process | None:
        """The world, when it runs."""
        return next((process for process in self.registry.all() if process.alive), None)

    def up(self, say: binaries.Say) -> None:
        """Start it unless it runs; the programs are built first where they are missing."""
        binaries.ensure(PROGRAMS, say)
        with self.alone():
            if self.process is None:
                self._clear_away()
                command = [sys.executable, "-m", "sandbox", "kubernetes", "world", "--state", str(self.state)]
                self._wait(self.registry.start(_NAME, command))
            desk.furnish(self.state, self.description)

    def down(self) -> bool:
        """End it and leave only the logs of the world itself; whether it ran."""
        with self.alone():
            ran = self.process is not None
            self._clear_away()
            return ran

    def _wait(self, process: Process) -> None:
        end = time.monotonic() + _START_SECONDS
        while not (self.state / "ready").exists():
            if not process.alive or time.monotonic() > end:
                words = self.registry.last_words(_NAME)
                self._end()
                raise ProcessError(
                    f"the clusters did not start; they said:\n{words}\nTheir log is {self.registry.log(_NAME)}"
                )
            time.sleep(_PAUSE_SECONDS)

    def _end(self) -> None:
        """Nothing runs any more; what a failed start wrote stays to be read until the next one."""
        for process in self.registry.all():
            self.registry.stop(process, _STOP_SECONDS)

    def _clear_away(self) -> None:
        self._end()
        for name in ("world.json", "ready", *(f"{name}.kubeconfig" for name in KUBECONFIGS)):
            (self.state / name).unlink(missing_ok=True)
        desk.clear(self.state)
        for folder in ("planes", "bin"):
            shutil.rmtree(self.state / folder, ignore_errors=True)
