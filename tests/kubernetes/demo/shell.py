"""A person's shell in the state directory, and what the commands typed there print."""

import pathlib
import subprocess
import sys

from support.kubernetes import shell

ROOT = pathlib.Path(__file__).parents[3]
SANDBOX = pathlib.Path(sys.executable).with_name("sandbox")
PATIENCE = 600


def sandbox(*arguments: str) -> str:
    """What `sandbox kubernetes` prints; it has to succeed."""
    command = [SANDBOX, "kubernetes", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stderr or done.stdout
    return done.stdout


def terminal(state: pathlib.Path, command: str) -> "subprocess.Popen[str]":
    """A person's shell in the state directory, with nothing but its `env` sourced, and a command typed into it."""
    clean = {"HOME": f"{state}-home", "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
    return shell.started(f". ./env && {command}", clean, state)


def typed(state: pathlib.Path, command: str, code: int = 0) -> str:
    """What a command prints there; its exit code is compared."""
    return shell.ended(terminal(state, command), command, code)
