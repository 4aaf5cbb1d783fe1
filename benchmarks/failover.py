"""One planned failover, measured: from the request to the operation's end, with what everybody used meanwhile."""

import dataclasses
import time
from collections import Counter
from typing import Any

from benchmarks.bound import Bound, planned_failover
from benchmarks.stage import SITES, Stage
from sandbox.latency import Latency

MAPPINGS = {"network_mapping": {"net-primary-web": "net-secondary-web"}}
_CLOUDS = ("identity", "compute", "volume", "network", "image", "placement")


@dataclasses.dataclass(frozen=True)
class Measured:
    """Seconds, MB. `engine_cpu` and `api_cpu` are of both sites' processes; calls are those to clouds, arrays and the peer."""

    vms: int
    wall: float
    bound: Bound
    engine_cpu: float
    api_cpu: float
    world_cpu: float
    engine_peak: float
    calls: int
    phases: tuple[tuple[str, float], ...]
    """When each phase of the record was first seen completed, seconds after the request."""
    by_call: tuple[tuple[str, int], ...] = ()

    @property
    def overhead(self) -> float:
        return self.wall / self.bound.total

    @property
    def cpu_per_vm(self) -> float:
        """Milliseconds."""
        return 1000 * (self.engine_cpu + self.api_cpu) / self.vms


def run(stage: Stage, vms: int, volumes_each: int, latency: Latency) -> Measured:
    """Prepares the group without any latency, then moves it in the world's own time. Raises RuntimeError when the move does not complete."""
    machines = stage.make_machines(vms, volumes_each)
    stage.start_protectors()
    group = stage.protect(machines)
    stage.set_latency(latency)
    bound = planned_failover(vms, volumes_each, latency)
    _let_settle(stage)
    stage.reset_calls()
    before = stage.usage()
    began = time.monotonic()
    user = _User(stage)
    id = user.failover(group)
    phases = user.watch(id, began, max(0.05, bound.total / 200))
    wall = time.monotonic() - began
    used = {name: now.since(before[name]) for name, now in stage.usage().items()}
    calls = stage.calls()
    counted = Counter({f"{method} {target} {path}": n for (target, method, path), n in calls.items()})
    return Measured(
        vms,
        wall,
        bound,
        engine_cpu=sum(u.cpu for name, u in used.items() if name.endswith("engine")),
        api_cpu=sum(u.cpu for name, u in used.items() if name.endswith("api")),
        world_cpu=used["world"].cpu,
        engine_peak=max(u.peak for name, u in used.items() if name.endswith("engine")),
        calls=sum(calls.values()),
        phases=phases,
        by_call=tuple(counted.most_common(40)),
    )


def _let_settle(stage: Stage) -> None:
    """Until the engines only do their round: what the preparation has started must not be counted."""
    quiet = 0
    while quiet < 2:
        before = stage.usage()
        time.sleep(0.5)
        after = stage.usage()
        quiet = quiet + 1 if sum(after[name].cpu - before[name].cpu for name in before) < 0.2 else 0


class _User:
    """The operator who asks for the move and watches it, at the Protector's REST interface."""

    def __init__(self, stage: Stage) -> None:
        self._cloud = stage.cloud(SITES[0])
        door = stage.world["sites"][SITES[0]]["protector"]
        self._url = f"{door}/v1/{self._cloud.current_project_id}"
        self._stage = stage

    def failover(self, group: str) -> str:
        url = f"{self._url}/protection-groups/{group}/action"
        answer = self._cloud.session.post(url, json={"failover": MAPPINGS}, raise_exc=False)
        if answer.status_code != 202:
            raise RuntimeError(f"the failover was not accepted: {answer.text}\n{self._stage.logs()}")
        return str(answer.json()["operation"]["id"])

    def watch(self, id: str, began: float, interval: float) -> tuple[tuple[str, float], ...]:
        seen: dict[str, float] = {}
        while True:
            found: dict[str, Any] = self._cloud.session.get(f"{self._url}/operations/{id}").json()["operation"]
            now = time.monotonic() - began
            for step in found["steps_completed"]:
                seen.setdefault(step.partition(":")[0], now)
            if found["status"] in ("completed", "failed"):
                break
            time.sleep(interval)
        if found["status"] == "failed" or found["steps_failed"]:
            raise RuntimeError(f"the failover did not go through: {str(found)[:2000]}\n{self._stage.logs()}")
        return tuple(seen.items())
