"""Commands of a demo: run, shown line by line as they speak, and ended with the demo."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from sandbox.demo.screen import Screen
from sandbox.processes import ProcessError


class CommandFailed(ProcessError):
    """A command that had to succeed did not; the message has what it said."""


def follow(
    command: Sequence[str], screen: Screen, environment: Mapping[str, str], directory: Path | None = None
) -> tuple[int, str]:
    """Exit status and output. A live progress bar needs the terminal itself as standard error; without one both go the same way, in order."""
    errors = None if sys.stderr.isatty() else subprocess.STDOUT
    lines: list[str] = []
    with subprocess.Popen(
        command,
        env=environment,
        cwd=directory,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
        encoding="utf-8",
    ) as process:
        try:
            for line in process.stdout or ():
                if line.strip():
                    screen.line(line.rstrip("\n"))
                lines.append(line)
        except BaseException:  # Ctrl-C above all: whoever pressed it sees it; the command must not outlive us.
            process.terminate()
            raise
    return process.returncode, "".join(lines)
