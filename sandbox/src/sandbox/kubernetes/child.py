"""One program of a world: started, ended, killed, frozen and, where a kubelet would do so, started again."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sandbox.processes import ProcessError

_TETHER = Path(__file__).with_name("tether.py")
_PAUSE_SECONDS = 0.5
_LAST_WORDS = 2000

# The kernel ends a tethered child with the *thread* that started it, so all are started by one that stays.
_spawner = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sandbox-spawner")


class Child:
    """A process of ours, ending with us whatever happens. Its output is appended to `log`."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        log: Path,
        *,
        supervised: bool = False,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """`supervised`: started again half a second after it ended by itself or was killed, as a kubelet would."""
        self.name = name
        self.log = log
        self._command = [str(part) for part in command]
        self._environment = environment
        self._supervised = supervised
        self._process: subprocess.Popen[bytes] | None = None
        self._written_before = 0
        self._ending = threading.Event()
        self._changing = threading.Lock()
        self.starts = 0

    @property
    def pid(self) -> int:
        """Of the process that runs or ran last (ProcessError before the first start)."""
        if self._process is None:
            raise ProcessError(f"{self.name} was never started")
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it runs now; a frozen one does."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it unless it runs."""
        if self.alive:
            return
        self._ending = threading.Event()
        self._spawn()
        if self._supervised:
            threading.Thread(
                target=self._supervise, args=(self._ending,), name=f"supervise {self.name}", daemon=True
            ).start()

    def _spawn(self) -> None:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self._written_before = self.log.stat().st_size if self.log.exists() else 0
        self._process = _spawner.submit(self._open).result()
        self.starts += 1

    def _open(self) -> subprocess.Popen[bytes]:
        """In a session of its own: a terminal's Ctrl-C is for whoever ends it in order, not for each of them."""
        tethered = [sys.executable, "-I", "-S", str(_TETHER), str(os.getpid()), *self._command]
        with self.log.open("ab") as log:
            return subprocess.Popen(
                tethered,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**os.environ, **(self._environment or {})},
            )

    def _supervise(self, ending: threading.Event) -> None:
        """Wait for its end and start it again, until `kill` or `stop` said that this run of it is over."""
        while not ending.is_set():
            if self._process is not None:
                self._process.wait()
            if ending.wait(_PAUSE_SECONDS):
                return
            with self._changing:
                if not ending.is_set():
                    self._spawn()

    def send(self, number: signal.Signals) -> None:
        """A signal, to what runs; nothing happens when it does not."""
        if self._process is not None:
            self._process.send_signal(number)

    def freeze(self) -> None:
        """As a machine that hangs: nothing answers, nothing ends, connections stay open."""
        self.send(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen one go on."""
        self.send(signal.SIGCONT)

    def crash(self) -> None:
        """kill -9; a supervised one comes back by itself, another with `start`."""
        self.send(signal.SIGKILL)
        if self._process is not None and not self._supervised:
            self._process.wait()

    def kill(self) -> None:
        """kill -9, and stay down."""
        self._end(signal.SIGKILL, 0.0)

    def stop(self, seconds: float = 5.0) -> None:
        """SIGTERM, and SIGKILL for what still runs after so long; it stays down."""
        self._end(signal.SIGTERM, seconds)

    def _end(self, number: signal.Signals, seconds: float) -> None:
        with self._changing:
            self._ending.set()
        if self._process is None:
            return
        self.thaw()
        self.send(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds or None)
        self._process.kill()
        self._process.wait()

    def last_words(self, *, of_all: bool = False) -> str:
        """The end of what its last run wrote, or `of_all` runs, for an error message."""
        begin = 0 if of_all else self._written_before
        written = self.log.read_bytes()[begin:] if self.log.exists() else b""
        return written[-_LAST_WORDS:].decode(errors="replace").strip() or "(it wrote nothing)"
