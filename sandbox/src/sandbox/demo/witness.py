"""An eye on the pretend world that never asks the product: what runs where, and what every volume holds, five times a second."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.processes import ProcessError
from sandbox.stack import post

_PAUSE_SECONDS = 0.2


@dataclass(frozen=True)
class Held:
    """One Cinder volume: its id, and the number of the last write that it holds."""

    id: str
    generation: int


@dataclass(frozen=True)
class Sample:
    """One moment of the world: `time` in seconds of its clock; by site, volumes by name, names of VMs there and running.

    In a site that is down nothing counts as running: its clock stands still until it is back.
    """

    time: float
    volumes: Mapping[str, Mapping[str, Held]]
    present: Mapping[str, frozenset[str]]
    running: Mapping[str, frozenset[str]]

    @classmethod
    def of(cls, state: Mapping[str, Any]) -> Sample:
        """Out of the control port's GET /state."""
        clouds = state["clouds"]
        return cls(
            time=state["time"],
            volumes={site: _volumes(cloud) for site, cloud in clouds.items()},
            present={site: frozenset(s["name"] for s in cloud["servers"]) for site, cloud in clouds.items()},
            running={site: frozenset() if site in state["down"] else _running(cloud) for site, cloud in clouds.items()},
        )


def _volumes(cloud: Mapping[str, Any]) -> dict[str, Held]:
    return {v["name"]: Held(v["id"], v["generation"]) for v in cloud["volumes"] if v["generation"] is not None}


def _running(cloud: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(s["name"] for s in cloud["servers"] if s["guest"] is not None and s["guest"]["running"])


class Witness:
    """Looks from `start` to `stop`; what it saw is in `samples`, oldest first."""

    def __init__(self, control: str) -> None:
        self._control = control
        self._told = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._watch, name="witness", daemon=True)
        self.samples: list[Sample] = []

    def start(self) -> None:
        """Begin, with a first look."""
        self.look()
        self._thread.start()

    def stop(self) -> None:
        """End; harmless when it never began."""
        self._told.set()
        if self._thread.is_alive():
            self._thread.join()

    def look(self) -> Sample:
        """Look once, now."""
        with self._lock:
            sample = Sample.of(post(f"{self._control}/state", {}, "GET"))
            self.samples.append(sample)
            return sample

    def _watch(self) -> None:
        while not self._told.wait(_PAUSE_SECONDS):
            try:
                self.look()
            except ProcessError:
                # Whoever tells the story looks too, and gets this error where it can be shown.
                continue
