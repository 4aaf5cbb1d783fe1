"""The stage of a demo: fresh clusters with Site Recovery and two groups, and an operator's terminals on them."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from sandbox.demo.follow import CommandFailed, follow
from sandbox.demo.screen import Screen
from sandbox.kubernetes import desk
from sandbox.kubernetes.attached import AttachedWorld
from sandbox.kubernetes.client import wait_until
from sandbox.kubernetes.demo.witness import Witness
from sandbox.kubernetes.detached import Detached
from sandbox.kubernetes.playground import populate


class Stage:
    """Runs commands as a person types them in the state directory, and shows them with their output."""

    def __init__(self, detached: Detached, world: AttachedWorld, screen: Screen) -> None:
        self.detached, self.world, self.screen = detached, world, screen
        self.witness = Witness({cluster.name: cluster.agent for cluster in world.clusters}, world.storage)
        self._environment = desk.environment(detached.state, detached.description)

    def run(self, command: str, code: int = 0, where: str = "") -> str:
        """Show and run a command, in the terminal `where`; its output (CommandFailed on any exit status but `code`)."""
        status, output = self.attempt(command, where)
        if status != code:
            raise CommandFailed(
                f"`{command}` ended with exit status {status}, not {code}; nothing after it would be true"
            )
        return output

    def attempt(self, command: str, where: str = "") -> tuple[int, str]:
        """Show and run a command; its exit status and its output."""
        self._show(command, where)
        status, output = follow(["bash", "-c", command], self.screen, self._environment, self.detached.state)
        if not output.strip():
            self.screen.aside("(nothing)")
        return status, output

    @contextlib.contextmanager
    def terminal(self, name: str, command: str) -> Iterator[Terminal]:
        """A command in another terminal, going on while others run here; it does not outlive the block."""
        self._show(command, name)
        process = subprocess.Popen(
            ["bash", "-c", f"exec {command}"],
            env=self._environment,
            cwd=self.detached.state,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
        )
        opened = Terminal(name, command, process, self.screen)
        try:
            yield opened
        finally:
            opened.close()

    def _show(self, command: str, where: str) -> None:
        self.screen.command(f"{command}      # {where}" if where else command)

    def until(self, what: str, seconds: float, ask: Callable[[], object]) -> None:
        """Wait for something in the world; CommandFailed when it does not come."""
        try:
            wait_until(what, seconds, ask)
        except TimeoutError as error:
            raise CommandFailed(str(error)) from error


class Terminal:
    """One command whose lines are shown, with the terminal's name before them, as they come."""

    def __init__(self, name: str, command: str, process: subprocess.Popen[str], screen: Screen) -> None:
        self._name, self._command, self._process, self._screen = name, command, process, screen
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, name=name, daemon=True)
        self._reader.start()

    @property
    def ended(self) -> bool:
        """Whether the command is over, well or not."""
        return self._process.poll() is not None

    def _read(self) -> None:
        for line in self._process.stdout or ():
            self.lines.append(line.rstrip("\n"))
            if line.strip():
                self._screen.line(f"{self._name} | {self.lines[-1]}")

    def done(self, seconds: float = 180.0) -> list[str]:
        """Its lines once it has ended well (CommandFailed when it did not)."""
        try:
            status = self._process.wait(seconds)
        except subprocess.TimeoutExpired as error:
            raise CommandFailed(f"`{self._command}` is not over after {seconds:.0f} s") from error
        self._reader.join()
        if status != 0:
            raise CommandFailed(f"`{self._command}` ended with exit status {status}; nothing after it would be true")
        return self.lines

    def close(self) -> None:
        """End it, when it still runs."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait()
        self._reader.join()
        if self._process.stdout is not None:
            self._process.stdout.close()


@contextlib.contextmanager
def stage(state: Path, screen: Screen) -> Iterator[Stage]:
    """A stage that is gone afterwards, whatever happened on it; only its logs stay."""
    detached = Detached(state)
    detached.down()  # what a demo that was killed without mercy left
    shutil.rmtree(detached.logs, ignore_errors=True)
    made: Stage | None = None
    try:
        detached.up(screen.aside)
        world = AttachedWorld(detached.state)
        populate(world, detached.state, screen.aside)
        made = Stage(detached, world, screen)
        made.witness.start()
        yield made
    finally:
        if made is not None:
            made.witness.stop()
            made.world.close()
        _keep_logs(detached.state)
        detached.down()


def _keep_logs(state: Path) -> None:
    """Out of the clusters' folders, which go with them."""
    for log in (state / "planes").rglob("*.log"):
        kept = state / "logs" / "-".join(log.relative_to(state / "planes").parts)
        kept.parent.mkdir(exist_ok=True)
        with contextlib.suppress(OSError):  # a log that cannot be kept must not keep the clusters running
            os.replace(log, kept)
