"""The processes `sandbox up` leaves running: found again by pid and start time, so that nobody else's is ever ended."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PAUSE_SECONDS = 0.05


class ProcessError(Exception):
    """A process did not start, or there is none; the message says where its log is or what to do."""


@dataclass(frozen=True)
class Process:
    """One process. `started` is the kernel's start time in clock ticks since boot; with the pid it is unique."""

    name: str
    pid: int
    started: int

    @property
    def alive(self) -> bool:
        """Whether it runs; a zombie, or another process with the same pid, does not count."""
        return _start_time(self.pid) == self.started


def _start_time(pid: int) -> int | None:
    """Field 22 of /proc/<pid>/stat, None for what is gone or a zombie."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    rest = text.rpartition(")")[2].split()
    return None if rest[0] in "ZX" else int(rest[19])


def end_with_parent() -> None:
    """Have the kernel end this process with the one that started it."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


class Registry:
    """The processes of one state directory, written down in `processes.json`; logs lie in `logs/`."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self._file = state / "processes.json"

    def all(self) -> list[Process]:
        """Everything written down, alive or not."""
        if not self._file.exists():
            return []
        return [Process(**entry) for entry in json.loads(self._file.read_text())]

    def find(self, name: str) -> Process:
        """The living process of that name; ProcessError without one."""
        for process in self.all():
            if process.name == name and process.alive:
                return process
        raise ProcessError(f"{name} is not running; `sandbox up` starts it")

    def log(self, name: str) -> Path:
        """Where a process writes."""
        return self._state / "logs" / f"{name.replace('/', '-')}.log"

    def start(self, name: str, command: Sequence[str], environment: Mapping[str, str] | None = None) -> Process:
        """Start a process in a session of its own and write it down; its output goes to its log."""
        log = self.log(name)
        log.parent.mkdir(parents=True, exist_ok=True)
        # Not subprocess: nobody waits for this child, it is meant to outlive the command that starts it.
        writing = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        pid = os.posix_spawn(
            command[0],
            list(command),
            {**os.environ, **(environment or {})},
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, str(log), writing, 0o600),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setsid=True,
        )
        started = _start_time(pid)
        if started is None:
            raise ProcessError(f"{name} ended at once:\n{self.last_words(name)}")
        process = Process(name, pid, started)
        self._write([item for item in self.all() if item.name != name] + [process])
        return process

    def last_words(self, name: str) -> str:
        """The end of a log, for an error message."""
        log = self.log(name)
        return log.read_text(errors="replace")[-2000:] if log.exists() else "(it wrote nothing)"

    def stop(self, process: Process, seconds: float = 10.0) -> None:
        """SIGTERM, and SIGKILL for what is still there after a while; a frozen process is thawed first."""
        if process.alive:
            for number in (signal.SIGCONT, signal.SIGTERM):
                self._send(process, number)
            end = time.monotonic() + seconds
            while process.alive and time.monotonic() < end:
                time.sleep(_PAUSE_SECONDS)
            self._send(process, signal.SIGKILL)
            with contextlib.suppress(
                ChildProcessError
            ):  # it is our own child only where `up` and `down` are one process
                os.waitpid(process.pid, 0)
        self._write([item for item in self.all() if item != process])

    def send(self, name: str, number: signal.Signals) -> None:
        """Send a signal to the living process of that name (ProcessError without one)."""
        self._send(self.find(name), number)

    @staticmethod
    def _send(process: Process, number: signal.Signals) -> None:
        if process.alive:
            os.kill(process.pid, number)

    def _write(self, processes: list[Process]) -> None:
        self._state.mkdir(parents=True, exist_ok=True)
        self._file.write_text(json.dumps([asdict(item) for item in processes], indent=1))
