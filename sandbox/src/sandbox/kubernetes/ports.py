"""Ports that stay ours through a restart: below the range that the kernel hands out for outgoing connections."""

from __future__ import annotations

import random
import socket

_RANGE = range(20000, 32000)
_TRIES = 200


def free_port() -> int:
    """A port nobody listens on now. Chosen at random, so that two worlds starting at once do not choose the same."""
    for port in random.sample(_RANGE, _TRIES):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError(f"no free port among {_TRIES} tried between {_RANGE.start} and {_RANGE.stop}")
