"""A person's shell in the state directory, and what the commands typed there print."""

import pathlib
import subprocess
import sys

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
    script = f"cd '{state}' && . ./env && {command}"
    out = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    return subprocess.Popen(["bash", "-c", script], env=clean, text=True, encoding="utf-8", **out)


def typed(state: pathlib.Path, command: str, code: int = 0) -> str:
    """What a command prints there; its exit code is compared."""
    return ended(terminal(state, command), command, code)


def ended(child: "subprocess.Popen[str]", command: str, code: int = 0) -> str:
    """What it has printed once it is over."""
    try:
        printed, _ = child.communicate(timeout=180)
    except subprocess.TimeoutExpired:
        child.kill()
        printed, _ = child.communicate()
    assert child.returncode == code, f"{command}: {child.returncode}\n{printed}"
    return printed
