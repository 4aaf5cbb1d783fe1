"""Answers that are the same for a thousand VMs of one operation: remembered for a minute, asked for once.

Where a volume type is served, that a keypair is there: without this each VM would ask anew. A minute is shorter than anything an
administrator changes and expects to see; when the remembered thing was deleted meanwhile, the call that uses it is refused and its step retries.
"""

import threading
import time
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

T = TypeVar("T")


class Memory:
    """Thread-safe; whoever asks for the same while the first one is asking waits for that answer. Failures are not remembered."""

    def __init__(self, seconds: float = 60.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._locks: dict[Hashable, threading.Lock] = {}
        self._kept: dict[Hashable, tuple[float, Any]] = {}

    def get(self, key: Hashable, ask: Callable[[], T], keep: Callable[[T], bool] = lambda answer: True) -> T:
        """The remembered answer or a new one; `keep` says whether a new one is worth remembering."""
        with self._lock:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            known = self._kept.get(key)
            if known is not None and self._clock() < known[0]:
                found: T = known[1]
                return found
            answer = ask()
            if keep(answer):
                self._kept[key] = (self._clock() + self._seconds, answer)
            return answer
