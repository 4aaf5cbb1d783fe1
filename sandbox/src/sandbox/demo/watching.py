"""An eye that looks at a pretend world several times a second, beside whoever tells the story."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from sandbox.processes import ProcessError

_Sample = TypeVar("_Sample")


class Watcher(Generic[_Sample]):
    """Looks from `start` to `stop`, `pause` seconds after each look; what it saw is in `samples`, oldest first."""

    def __init__(self, take: Callable[[], _Sample], pause: float) -> None:
        self._take, self._pause = take, pause
        self._told = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._watch, name="witness", daemon=True)
        self.samples: list[_Sample] = []

    def start(self) -> None:
        """Begin, with a first look."""
        self.look()
        self._thread.start()

    def stop(self) -> None:
        """End; harmless when it never began."""
        self._told.set()
        if self._thread.is_alive():
            self._thread.join()

    def look(self) -> _Sample:
        """Look once, now."""
        with self._lock:
            sample = self._take()
            self.samples.append(sample)
            return sample

    def _watch(self) -> None:
        while not self._told.wait(self._pause):
            try:
                self.look()
            except ProcessError:
                # Whoever tells the story looks too, and gets this error where it can be shown.
                continue
