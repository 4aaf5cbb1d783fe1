"""A simulator process for one test module, as `sandbox array` starts it, and its control port."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

TOKENS = {"array-a": "token-a", "array-b": "token-b"}


@dataclass(frozen=True)
class Simulator:
    """Where it listens; `ready` is the JSON of its READY line."""

    state: Path
    ready: dict[str, Any]

    @property
    def ca(self) -> str:
        """The PEM that clients verify with."""
        return str(self.ready["ca"])

    def url(self, array: str) -> str:
        """https://127.0.0.1:port"""
        return str(self.ready["arrays"][array]["url"])

    def control(self, method: str, path: str, body: Any = None) -> Any:
        """One call to the control port; a refusal fails the test."""
        answer = httpx.request(method, self.ready["control"] + path, json=body, timeout=10)
        answer.raise_for_status()
        return answer.json()

    def held(self, array: str) -> dict[str, Any]:
        """Everything the array holds."""
        state: dict[str, Any] = self.control("GET", f"/arrays/{array}/state")
        return state

    def given(self, path: Path) -> Path:
        """What a script in a foreign venv needs, as a JSON file."""
        arrays = {
            name: {"port": self.ready["arrays"][name]["port"], "id": self.ready["arrays"][name]["id"], "token": token}
            for name, token in TOKENS.items()
        }
        content = {"state": str(path.parent), "control": self.ready["control"], "ca": self.ca, "arrays": arrays}
        path.write_text(json.dumps(content))
        return path


@contextlib.contextmanager
def simulator(state: Path) -> Iterator[Simulator]:
    """Run one with quick handshakes until the block ends."""
    command = [sys.executable, "-m", "sandbox.array", "--state", str(state), "--end-with-parent"]
    for name, token in TOKENS.items():
        command += ["--array", f"{name}=0:{token}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            word, _, rest = process.stdout.readline().partition(" ")
            assert word == "READY", "the simulator did not start; its error is above"
            running = Simulator(state, json.loads(rest))
            for name in TOKENS:
                running.control("POST", f"/arrays/{name}/settings", {"appear_delay": 0.05, "allow_delay": 0.05})
            yield running
        finally:
            process.terminate()
            process.wait(20)


def run_script(python: Path, script: str, given: Path, found: Path, seconds: float = 240) -> dict[str, Any]:
    """Run a script of this folder in a foreign venv; it fails with the script's own words."""
    command = [str(python), "-W", "ignore", str(Path(__file__).parent / script), str(given), str(found)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds)
    assert done.returncode == 0, done.stderr[-4000:]
    facts: dict[str, Any] = json.loads(found.read_text())
    return facts
