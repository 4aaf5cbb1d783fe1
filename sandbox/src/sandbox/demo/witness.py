"""An eye on the pretend world that never asks the product: what runs where, and what every volume holds, five times a second."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.demo.watching import Watcher
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


class Witness(Watcher[Sample]):
    """Looks at the whole world at once."""

    def __init__(self, control: str) -> None:
        super().__init__(lambda: Sample.of(post(f"{control}/state", {}, "GET")), _PAUSE_SECONDS)
