"""The progress of an operation on stderr: one line redrawn on a terminal, a line for each change elsewhere."""

import shutil
import time
from collections.abc import Callable
from typing import TextIO

from protectorclient import exceptions
from protectorclient.osc.output import duration
from protectorclient.v1.base import Resource

BAR = 24


class Progress:
    """Fed with each reading of the operation."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._live = stream.isatty()
        self._clock = clock
        self._first: tuple[float, int] | None = None
        self._last = ""

    def update(self, operation: Resource) -> None:
        percent = int(operation.progress or 0)
        now = self._clock()
        if self._first is None:
            self._first = (now, percent)
        step = str(operation.current_step or "")
        self._bar(operation, percent, step, now) if self._live else self._line(operation, percent, step)

    def silence(self, error: exceptions.ProtectorClientError) -> None:
        text = f"No answer, still trying ({error.message})"
        if self._live:
            self._redraw(text)
        elif text != self._last:
            self._write(text)

    def finish(self) -> None:
        if self._live and self._last:
            self._stream.write("\n")
            self._stream.flush()

    def left(self, percent: int, now: float) -> float | None:
        """Seconds until 100 % at the pace so far; None before there is one."""
        if self._first is None:
            return None
        start, first = self._first
        gained, elapsed = percent - first, now - start
        return (100 - percent) * elapsed / gained if gained > 0 and elapsed > 0 else None

    def _bar(self, operation: Resource, percent: int, step: str, now: float) -> None:
        filled = BAR * percent // 100
        left = self.left(percent, now)
        rest = f"about {duration(left)} left" if left is not None and percent < 100 else ""
        bar = "#" * filled + "-" * (BAR - filled)
        self._redraw("  ".join(part for part in (f"[{bar}] {percent:3d}%", operation.status, step, rest) if part))

    def _line(self, operation: Resource, percent: int, step: str) -> None:
        text = " ".join(part for part in (f"{percent:3d}%", str(operation.status), step) if part)
        if text != self._last:
            self._write(text)

    def _write(self, text: str) -> None:
        self._last = text
        self._stream.write(text + "\n")
        self._stream.flush()

    def _redraw(self, text: str) -> None:
        self._last = text
        width = max(shutil.get_terminal_size().columns - 1, 20)
        self._stream.write("\r\x1b[2K" + text[:width])
        self._stream.flush()
