"""Ports that stay ours through a restart: below the range that the kernel hands out for outgoing connections.

A port is chosen long before a program listens on it, and several worlds may start at once: so each is claimed by a lock on a file of
its number, which the kernel lets go with this process.
"""

from __future__ import annotations

import fcntl
import os
import random
import socket
import tempfile
from pathlib import Path

_RANGE = range(20000, 32000)
_TRIES = 200

_claimed: list[int] = []  # descriptors, open as long as this process


def free_port() -> int:
    """A port that nobody listens on and no other world has claimed; ours from now on."""
    for port in random.sample(_RANGE, _TRIES):
        if _is_free(port) and _claim(port):
            return port
    raise OSError(f"no free port among {_TRIES} tried between {_RANGE.start} and {_RANGE.stop}")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _claim(port: int) -> bool:
    folder = Path(tempfile.gettempdir()) / f"sandbox-ports-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    descriptor = os.open(folder / str(port), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return False
    _claimed.append(descriptor)
    return True
