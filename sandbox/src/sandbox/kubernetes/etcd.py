"""etcd for one plane, or for several that keep apart by prefix."""

from __future__ import annotations

import urllib.request
from pathlib import Path

from sandbox.kubernetes.child import Child
from sandbox.kubernetes.client import wait_until
from sandbox.kubernetes.ports import free_port
from sandbox.processes import ProcessError

_START_SECONDS = 60.0


class Etcd:
    """One member on loopback. Without fsync: a world survives kill -9 of its programs, not a crash of this machine."""

    def __init__(self, program: Path, directory: Path) -> None:
        client, peer = free_port(), free_port()
        self.url = f"http://127.0.0.1:{client}"
        own = f"http://127.0.0.1:{peer}"
        command = [
            str(program),
            f"--data-dir={directory / 'data'}",
            f"--listen-client-urls={self.url}",
            f"--advertise-client-urls={self.url}",
            f"--listen-peer-urls={own}",
            f"--initial-advertise-peer-urls={own}",
            f"--initial-cluster=default={own}",
            "--unsafe-no-fsync",
            "--logger=zap",
            "--log-level=warn",
        ]
        self.child = Child("etcd", command, directory / "etcd.log")

    def start(self) -> None:
        """Begin; what is stored there is found again."""
        self.child.start()

    def wait(self) -> None:
        """Until it serves (ProcessError with its last words when it ends instead)."""
        wait_until("etcd", _START_SECONDS, self._serves)

    def _serves(self) -> bool:
        if not self.child.alive:
            raise ProcessError(f"etcd ended; it said:\n{self.child.last_words()}")
        with urllib.request.urlopen(f"{self.url}/health", timeout=2) as answer:
            return bool(answer.status == 200)
