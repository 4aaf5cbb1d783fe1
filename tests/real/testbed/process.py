"""Starting and ending processes that outlive the command that started them.

Each runs in a session of its own, so that its children are found by its process group, and leaves one JSON file: pid
and kernel start time, which together name a process for ever. A zombie counts as dead. Nothing is ever ended by its name.
"""

import contextlib
import json
import os
import signal
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from .errors import StartError
from .layout import Layout

T = TypeVar("T")
NICENESS = 5  # two sites must not take the machine from the tests that use them
GRACE = 12.0  # seconds between SIGTERM and SIGKILL
PAUSE = 0.1


@dataclass(frozen=True)
class Stat:
    """The fields of /proc/PID/stat that matter here; `cpu` is in seconds."""

    state: str
    group: int
    start: int
    cpu: float


@dataclass(frozen=True)
class Process:
    """One supervised process: `group` is a site's name or `infra`, `name` the program's."""

    group: str
    name: str
    pid: int
    start: int

    @property
    def alive(self) -> bool:
        """Whether exactly this process still runs."""
        _reap(self.pid)
        stat = read_stat(self.pid)
        return stat is not None and stat.start == self.start


def read_stat(pid: int) -> Stat | None:
    """What the kernel says of a process; None for one that is gone or only a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    ticks = os.sysconf("SC_CLK_TCK")
    if fields[0] == "Z":
        return None
    return Stat(fields[0], int(fields[2]), int(fields[19]), (int(fields[11]) + int(fields[12])) / ticks)


def _reap(pid: int) -> None:
    """Collect a dead child of ours; the command that started it may be another process."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


class Supervisor:
    """All processes of the test bed, in groups that are started and stopped together."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def log(self, group: str, name: str) -> Path:
        """The file with what a process writes to its standard output and error."""
        return self._layout.log / group / f"{name}.out"

    def processes(self, group: str = "*") -> list[Process]:
        """The recorded processes, dead ones as well."""
        found = []
        for file in sorted(self._layout.run.glob(f"{group}/*.json")):
            record = json.loads(file.read_text())
            found.append(Process(file.parent.name, file.stem, record["pid"], record["start"]))
        return found

    def running(self, group: str = "*") -> list[Process]:
        """The recorded processes that are alive."""
        return [process for process in self.processes(group) if process.alive]

    def start(self, group: str, name: str, command: Sequence[str | Path], env: Mapping[str, str] | None = None) -> None:
        """Start a process unless it runs already; `env` is added to ours without its OS_… settings."""
        if any(process.name == name for process in self.running(group)):
            return
        log = self.log(group, name)
        log.parent.mkdir(parents=True, exist_ok=True)
        pid = _spawn(["/usr/bin/nice", "-n", str(NICENESS), *map(str, command)], _environment(env or {}), log)
        stat = read_stat(pid)
        if stat is None:
            raise StartError(f"{group}/{name} ended at once: {log}")
        self._record(group, name).parent.mkdir(parents=True, exist_ok=True)
        self._record(group, name).write_text(json.dumps({"pid": pid, "start": stat.start}))

    def stop(self, groups: Iterable[str], *, kill: bool = False) -> None:
        """End every process of these groups with its children, politely or (`kill`) at once; then they are gone."""
        doomed = [process for group in groups for process in self.processes(group)]
        living = [process for process in doomed if process.alive]
        _signal(living, signal.SIGKILL if kill else signal.SIGTERM)
        deadline = time.monotonic() + GRACE
        while _members(living) and time.monotonic() < deadline:
            time.sleep(PAUSE)
        left = _members(living)
        _signal([process for process in living if process.pid in left], signal.SIGKILL)
        while _members(living):
            time.sleep(PAUSE)
        for process in doomed:
            self._record(process.group, process.name).unlink(missing_ok=True)

    def require(self, group: str) -> None:
        """StartError with the end of its log for the first process of a group that died."""
        for process in self.processes(group):
            if not process.alive:
                raise StartError(f"{group}/{process.name} died, {self.explain(group, process.name)}")

    def explain(self, group: str, name: str) -> str:
        """Where a process's log is, and its last lines."""
        log = self.log(group, name)
        lines = log.read_text(errors="replace").splitlines()[-8:] if log.exists() else []
        return "\n  ".join([f"log {log}:", *lines])

    def memory(self, process: Process) -> tuple[int, float]:
        """Proportional memory (KiB) and processor seconds of a process and its children."""
        memory, cpu = 0, 0.0
        for pid, stat in _members([process]).get(process.pid, {}).items():
            cpu += stat.cpu
            with contextlib.suppress(OSError):  # it may end while we look
                rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
                memory += int(rollup.partition("\nPss:")[2].split()[0])
        return memory, cpu

    def _record(self, group: str, name: str) -> Path:
        return self._layout.run / group / f"{name}.json"


def wait_until(what: str, probe: Callable[[], T | None], *, seconds: float, pause: float = 0.3) -> T:
    """The first answer of `probe` that is not None; StartError naming `what` after `seconds`."""
    deadline = time.monotonic() + seconds
    while (answer := probe()) is None:
        if time.monotonic() > deadline:
            raise StartError(f"{what}: not within {seconds:.0f} s")
        time.sleep(pause)
    return answer


def _spawn(command: list[str], env: Mapping[str, str], log: Path) -> int:
    """Start a program in its own session, reading nothing and writing to the end of `log`."""
    append = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    files = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, str(log), append, 0o644),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    return os.posix_spawn(command[0], command, dict(env), file_actions=files, setsid=True)


def _environment(extra: Mapping[str, str]) -> dict[str, str]:
    """Our environment without a user's cloud settings, and with byte code written, so that a second start is quick."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("OS_")}
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    return {**kept, "PYTHONWARNINGS": "ignore", **extra}


def _signal(processes: Iterable[Process], number: signal.Signals) -> None:
    """Send a signal to the process groups of these processes (each leads its own)."""
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)


def _members(leaders: Sequence[Process]) -> dict[int, dict[int, Stat]]:
    """The living members of the process groups led by `leaders`, by leader and pid; a group without any is left out."""
    wanted = {process.pid for process in leaders}
    found: dict[int, dict[int, Stat]] = {}
    for leader in wanted:
        _reap(leader)
    for entry in Path("/proc").iterdir():
        stat = read_stat(int(entry.name)) if entry.name.isdigit() else None
        if stat is not None and stat.group in wanted:
            found.setdefault(stat.group, {})[int(entry.name)] = stat
    return found
