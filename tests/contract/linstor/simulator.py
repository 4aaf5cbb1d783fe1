"""A DRBD world as a process of its own, as `python -m sandbox.kubernetes.drbd` starts it, and LINBIT's own client for it."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import linstor

NODES = ("cluster1/c1-a", "cluster1/c1-b", "cluster2/c2-a", "quorum/q-a=")


@dataclass(frozen=True)
class Simulator:
    """`ready` is the JSON of its READY line; `client` is python-linstor, connected."""

    ready: dict[str, Any]
    client: linstor.Linstor

    def control(self, method: str, path: str, body: Any = None) -> Any:
        """One call to the control port; a refusal fails the test."""
        answer = httpx.request(method, self.ready["control"] + path, json=body, timeout=10)
        answer.raise_for_status()
        return answer.json()


@contextlib.contextmanager
def simulator() -> Iterator[Simulator]:
    """Run one until the block ends."""
    command = [sys.executable, "-m", "sandbox.kubernetes.drbd", "--end-with-parent", "--resync-seconds", "0.2"]
    command += [f"--node={node}" for node in NODES]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            word, _, rest = process.stdout.readline().partition(" ")
            assert word == "READY", "the simulator did not start; its error is above"
            ready = json.loads(rest)
            with linstor.Linstor(ready["linstor"][0].replace("http://", "linstor://"), timeout=10) as client:
                yield Simulator(ready, client)
        finally:
            process.terminate()
            process.wait(20)
