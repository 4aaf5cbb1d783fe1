"""The processes `sandbox up` leaves running: found again by pid and start time, so that nobody else's is ever ended."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PAUSE_SECONDS = 0.05
_ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class ProcessError(Exception):
    """A process did not start, or there is none; the message says where its log is or what to do."""


@dataclass(frozen=True)
class Process:
    """One process. `started` is the kernel's start time in clock ticks since boot; with the pid and the boot it is unique."""

    name: str
    pid: int
    started: int
    boot: str = ""

    @property
    def alive(self) -> bool:
        """Whether it runs; a zombie, or another process with the same pid, does not count."""
        return self._condition() not in ("", "Z", "X")

    @property
    def unburied(self) -> bool:
        """Whether it ended and nobody took note: a zombie."""
        return self._condition() == "Z"

    def _condition(self) -> str:
        """The kernel's letter for it, `""` when the pid is free or somebody else's."""
        if self.boot not in ("", _boot()):
            return ""
        letter, started = _stat(self.pid)
        return letter if started == self.started else ""


def _boot() -> str:
    """The kernel's name for this boot: after the next one, pids and start times mean other processes."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _stat(pid: int) -> tuple[str, int]:
    """Fields 3 and 22 of /proc/<pid>/stat: state and start time; ("", 0) for what is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return "", 0
    rest = text.rpartition(")")[2].split()
    return rest[0], int(rest[19])


def end_with_parent() -> None:
    """Have the kernel end this process with the one that started it."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _spawn(command: Sequence[str], environment: Mapping[str, str], log: Path, mask: Iterable[int]) -> int:
    """Not subprocess: nobody waits for this child, it is meant to outlive the command that starts it."""
    return os.posix_spawn(
        command[0],
        list(command),
        environment,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
        setsigmask=mask,
    )


class Registry:
    """The processes of one state directory, written down in `processes.json`; logs lie in `logs/`."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self._file = state / "processes.json"
        self.logs = state / "logs"
        self._before: dict[str, int] = {}

    def all(self) -> list[Process]:
        """Everything written down, alive or not; ProcessError when somebody else wrote in the file."""
        if not self._file.exists():
            return []
        try:
            return [Process(**entry) for entry in json.loads(self._file.read_text())]
        except (ValueError, TypeError) as error:
            raise ProcessError(
                f"{self._file} cannot be read ({error}); end by hand what still runs there, then remove the file"
            ) from error

    def find(self, name: str) -> Process:
        """The living process of that name; ProcessError without one."""
        for process in self.all():
            if process.name == name and process.alive:
                return process
        raise ProcessError(f"{name} is not running; `sandbox up` starts it")

    def log(self, name: str) -> Path:
        """Where a process writes."""
        return self.logs / f"{name.replace('/', '-')}.log"

    def start(self, name: str, command: Sequence[str], environment: Mapping[str, str] | None = None) -> Process:
        """Start a process in a session of its own and write it down; its output goes to its log."""
        log = self.log(name)
        log.parent.mkdir(parents=True, exist_ok=True)
        self._before[name] = log.stat().st_size if log.exists() else 0
        # A signal between the two lines would leave a process that nobody wrote down.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDINGS)
        try:
            pid = _spawn(command, {**os.environ, **(environment or {})}, log, before)
            process = Process(name, pid, _stat(pid)[1], _boot())
            self._write([item for item in self.all() if item.name != name] + [process])
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return process

    def last_words(self, name: str) -> str:
        """The end of what a process that was started here wrote, for an error message."""
        log = self.log(name)
        written = log.read_bytes()[self._before.get(name, 0) :] if log.exists() else b""
        return written[-2000:].decode(errors="replace").strip() or "(it wrote nothing)"

    def stop(self, process: Process, seconds: float = 10.0) -> None:
        """SIGTERM, and SIGKILL for what is still there after a while; a frozen process is thawed first."""
        self._ask_to_end(process)
        self._see_gone(process, seconds)

    def stop_all(self, last: str) -> None:
        """Everything at once, but `last` only when the others are gone."""
        everything = self.all()
        final = [process for process in everything if process.name == last]
        for processes in ([process for process in everything if process not in final], final):
            for process in processes:
                self._ask_to_end(process)
            for process in processes:
                self._see_gone(process, 10.0)

    def _ask_to_end(self, process: Process) -> None:
        for number in (signal.SIGCONT, signal.SIGTERM):
            self._send(process, number)

    def _see_gone(self, process: Process, seconds: float) -> None:
        end = time.monotonic() + seconds
        while process.alive and time.monotonic() < end:
            time.sleep(_PAUSE_SECONDS)
        self._send(process, signal.SIGKILL)
        while process.alive:
            time.sleep(_PAUSE_SECONDS)
        if process.unburied:
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
        # Renamed into place: a file cut short by a power failure would hide what runs.
        fresh = self._file.with_suffix(".new")
        fresh.write_text(json.dumps([asdict(item) for item in processes], indent=1))
        fresh.replace(self._file)
