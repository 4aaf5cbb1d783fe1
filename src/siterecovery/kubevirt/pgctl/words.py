"""Choices on the command line, by the words that stand on the wire."""

import enum
from typing import Any

import click


class Words(click.Choice[Any]):
    """Of a StrEnum: click's own would ask for the names of its members, which are for programmers."""

    def __init__(self, words: type[enum.StrEnum]) -> None:
        super().__init__(words)

    def normalize_choice(self, choice: Any, ctx: click.Context | None) -> str:
        return str(choice.value) if isinstance(choice, enum.Enum) else str(choice)
