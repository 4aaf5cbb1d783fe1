"""What the audience sees: acts with the time gone by, what happens and why, commands as a user types them, verdicts."""

from __future__ import annotations

import os
import textwrap
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TextIO

WIDTH = 100
RED = "1;31"
_BOLD, _DIM, _GREEN, _CYAN = "1", "2", "32", "36"


def wants_colour(stream: TextIO) -> bool:
    """On a terminal that can, unless NO_COLOR says otherwise (no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


@dataclass
class Screen:
    """Writes to one stream and remembers the verdicts; times are seconds since it was made."""

    stream: TextIO
    clock: Callable[[], float] = time.monotonic
    verdicts: list[tuple[bool, str]] = field(default_factory=list)
    acts: list[tuple[str, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._start = self.clock()
        self._colour = wants_colour(self.stream)

    @property
    def elapsed(self) -> float:
        """Seconds since the beginning."""
        return self.clock() - self._start

    @property
    def failed(self) -> list[str]:
        """The comparisons that did not hold."""
        return [text for held, text in self.verdicts if not held]

    def act(self, title: str, prose: str) -> None:
        """A heading with the time, then a sentence or two of what happens and why."""
        self.acts.append((title, self.elapsed))
        head = f"== {len(self.acts)}. {title} "
        self.line()
        self.line(f"{head}{'=' * (WIDTH - len(head) - 8)} {clock_face(self.elapsed)}", _BOLD)
        self.prose(prose)

    def prose(self, text: str) -> None:
        """A paragraph, wrapped."""
        self.line(textwrap.fill(" ".join(text.split()), WIDTH))

    def command(self, text: str) -> None:
        """A command as a user would type it; long ones are broken the way a shell allows."""
        self.line()
        self.line(f"$ {broken(text)}", _CYAN)

    def aside(self, text: str) -> None:
        """A remark of less weight."""
        self.line(text, _DIM)

    def verdict(self, held: bool, text: str) -> None:
        """The outcome of one comparison."""
        self.verdicts.append((held, text))
        filled = textwrap.fill(text, WIDTH, initial_indent="  ok  " if held else "  NO  ", subsequent_indent=" " * 6)
        self.line(filled, _GREEN if held else RED)

    def table(self, head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Columns as wide as they need to be."""
        cells = [[str(cell) for cell in row] for row in (head, *rows)]
        widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
        for number, row in enumerate(cells):
            text = "   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            self.line(f"      {text}", _DIM if number == 0 else "")

    def line(self, text: str = "", style: str = "") -> None:
        """One line, at once: what a command writes beside us must not overtake it."""
        self.stream.write(f"\x1b[{style}m{text}\x1b[0m\n" if style and self._colour else f"{text}\n")
        self.stream.flush()


def clock_face(seconds: float) -> str:
    """`m:ss`."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def broken(command: str) -> str:
    """A command over several lines with backslashes, each beginning with an option."""
    lines, current = [], ""
    for word in command.split(" "):
        if current and word.startswith("--") and len(current) + len(word) > WIDTH - 24:
            lines.append(current.rstrip())
            current = ""
        current += f"{word} "
    return " \\\n    ".join([*lines, current.rstrip()])
