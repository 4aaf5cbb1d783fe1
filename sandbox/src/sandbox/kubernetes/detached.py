"""`sandbox kubernetes up`: the world in the background, found again through its state directory."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shlex
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sandbox.kubernetes import binaries
from sandbox.kubernetes.served import KUBECONFIGS
from sandbox.kubernetes.world import PROGRAMS
from sandbox.processes import Process, ProcessError, Registry

_START_SECONDS = 300.0
_STOP_SECONDS = 30.0
_PAUSE_SECONDS = 0.2
_NAME = "kubernetes-world"


class Detached:
    """The world of one state directory."""

    def __init__(self, state: Path) -> None:
        self.state = state.resolve()
        self.registry = Registry(self.state)

    @property
    def description(self) -> dict[str, Any]:
        """What the world wrote about itself (ProcessError when there is none)."""
        file = self.state / "world.json"
        if not file.exists():
            raise ProcessError(f"there are no clusters in {self.state}; `sandbox kubernetes up` makes them")
        content: dict[str, Any] = json.loads(file.read_text())
        return content

    @property
    def process(self) -> Process | None:
        """The world, when it runs."""
        return next((process for process in self.registry.all() if process.alive), None)

    def up(self, say: binaries.Say) -> None:
        """Start it unless it runs; the programs are built first where they are missing."""
        binaries.ensure(PROGRAMS, say)
        with self._alone():
            if self.process is None:
                self._clear_away()
                command = [sys.executable, "-m", "sandbox", "kubernetes", "world", "--state", str(self.state)]
                self._wait(self.registry.start(_NAME, command))
            self._write_environment()

    def down(self) -> bool:
        """End it and leave only the logs of the world itself; whether it ran."""
        with self._alone():
            ran = self.process is not None
            self._clear_away()
            return ran

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        self.state.mkdir(parents=True, exist_ok=True)
        with (self.state / "lock").open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise ProcessError(
                    f"another `sandbox kubernetes up` or `down` is at work in {self.state}; wait for it"
                ) from error
            yield

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
        for name in ("world.json", "ready", "env", *(f"{name}.kubeconfig" for name in KUBECONFIGS)):
            (self.state / name).unlink(missing_ok=True)
        for folder in ("planes", "bin"):
            shutil.rmtree(self.state / folder, ignore_errors=True)

    def _write_environment(self) -> None:
        """For a shell to source: every cluster is a context, kubectl and its friends are on the path."""
        kubeconfigs = [str(self.state / f"{name}.kubeconfig") for name in ("cluster1", "cluster2", "quorum-cluster")]
        exports = {
            "SANDBOX_KUBERNETES": str(self.state),
            "KUBECONFIG": os.pathsep.join(kubeconfigs),
            "SANDBOX_STORAGE": self.description["storage"],
            "LS_CONTROLLERS": self.description["linstor"],
        }
        lines = [f"export {name}={shlex.quote(value)}" for name, value in exports.items()]
        path = os.pathsep.join([str(self.state / "bin"), str(Path(sys.executable).parent)])
        (self.state / "env").write_text("\n".join([*lines, f'export PATH={shlex.quote(path)}:"$PATH"', ""]))
