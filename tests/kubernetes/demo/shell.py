"""What these tests need around a person's commands: a clean environment, and a look for processes that stayed."""

import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).parents[3]
SANDBOX = pathlib.Path(sys.executable).with_name("sandbox")
PATIENCE = 600


def environment(state: pathlib.Path) -> dict[str, str]:
    """The caller's own, without what `make` or another cluster would add to it; the sandbox works in `state`."""
    unwanted = re.compile("MAKE.*|MFLAGS|KUBECONFIG|PGCTL.*|SANDBOX_.*")
    kept = {key: value for key, value in os.environ.items() if not unwanted.fullmatch(key)}
    return {**kept, "SANDBOX_KUBERNETES": str(state)}


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


def left(state: pathlib.Path) -> list[str]:
    """Command lines of living processes that have anything to do with a directory."""
    found = []
    for file in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = file.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:  # it ended while we looked
            continue
        if str(state) in line:
            found.append(line)
    return found
