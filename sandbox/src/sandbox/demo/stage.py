"""The stage of a demo: a fresh world with both Protectors in a directory of its own, and the operator's shell on it."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import string
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from sandbox.demo.follow import CommandFailed, follow
from sandbox.demo.screen import Screen
from sandbox.demo.witness import Witness
from sandbox.stack import Stack, environment, post, program

# Slow enough that the progress of a move can be watched, quick enough that nobody leaves. Seconds.
LATENCY: Mapping[str, float] = {
    "boot": 3.0,
    "stop": 1.0,
    "manage": 0.5,
    "delete": 0.5,
    "transfer": 1.0,
}


class Stage:
    """Runs commands as a user types them and shows them with their output."""

    def __init__(self, stack: Stack, screen: Screen) -> None:
        self.stack = stack
        self.screen = screen
        self.world: Mapping[str, Any] = stack.description
        self.witness = Witness(self.world["control"])
        self._shell = environment(self.world, stack.state)

    def run(self, command: str) -> str:
        """Show and run a command; its output as text (CommandFailed on any exit status but 0)."""
        code, output = self.attempt(command)
        if code != 0:
            raise CommandFailed(f"`{command}` ended with exit status {code}; nothing after it would be true")
        return output

    def attempt(self, command: str) -> tuple[int, str]:
        """Show and run a command; its exit status and its output as text."""
        self.screen.command(command)
        words = [string.Template(word).substitute(self._shell) for word in shlex.split(command)]
        code, output = follow([program(words[0]), *words[1:]], self.screen, self._environment())
        if not output.strip():
            self.screen.aside("(nothing)")
        return code, output

    def _environment(self) -> dict[str, str]:
        """What `source .sandbox/env` gives: a cloud configured in the surrounding shell must not be touched by a demo."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith("OS_")}
        return {**kept, **self._shell}

    def control(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """One call of the control port."""
        return post(self.world["control"] + path, body or {})


def field(output: str, name: str) -> str:
    """The value beside a name in a printed table."""
    found = re.search(rf"^\| {re.escape(name)} +\| (.*?) +\|$", output, re.MULTILINE)
    if found is None:
        raise CommandFailed(f"the output has no row {name}")
    return found[1]


@contextlib.contextmanager
def stage(state: Path, screen: Screen) -> Iterator[Stage]:
    """A stage that is gone afterwards, whatever happened on it; only its logs stay."""
    stack = Stack(state)
    stack.down()  # what a demo that was killed without mercy left
    shutil.rmtree(stack.logs, ignore_errors=True)
    state.mkdir(parents=True, exist_ok=True)
    config = state / "world.yaml"
    config.write_text(yaml.safe_dump({"latency": dict(LATENCY)}))
    made: Stage | None = None
    try:
        stack.up(config, workload=True, protectors=True)
        made = Stage(stack, screen)
        made.witness.start()
        yield made
    finally:
        if made is not None:
            made.witness.stop()
        stack.down()
