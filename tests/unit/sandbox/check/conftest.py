"""A world in a thread, with the demo workload."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.world import Running, WorldConfig, background


class Stage:
    """A running world and its control port."""

    def __init__(self, running: Running) -> None:
        self.running = running
        self.world = running.description

    def control(self, method: str, path: str, body: Any = None) -> Any:
        data = json.dumps(body).encode() if body is not None else None
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.world["control"] + path, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read() or b"null")

    def history(self, kind: str, event: str) -> list[dict[str, Any]]:
        return [e for e in self.control("GET", "/history") if (e["kind"], e["event"]) == (kind, event)]


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with background(tmp_path / "world", WorldConfig(workload=True)) as running:
        yield Stage(running)
