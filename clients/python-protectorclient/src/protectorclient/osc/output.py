"""How values look: text in a table, the real thing for programs."""

import json
import textwrap
from typing import Any

STRUCTURED = ("json", "yaml")
"""Formats that can carry lists and objects; the others get them as JSON text."""
CELL_WIDTH = 69
"""Characters in a cell before a long list or message goes on in the next line."""


def cell(value: Any, formatter: str) -> Any:
    if formatter in STRUCTURED:
        return value
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else value
    if formatter != "table" or not isinstance(text, str) or len(text) <= CELL_WIDTH:
        return text
    return textwrap.fill(text, CELL_WIDTH, break_long_words=False, break_on_hyphens=False)


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def duration(seconds: float) -> str:
    """The two largest units: 2 d 3 h, 4 min 10 s, 7 s."""
    left = max(int(seconds), 0)
    parts: list[str] = []
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count or (unit == "s" and not parts):
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2])
