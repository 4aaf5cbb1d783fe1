"""One planned failover, measured: from the request to the operation's end, with what everybody used meanwhile."""

import dataclasses
import json
import os
import sqlite3
import time
from collections import Counter
from typing import Any

from benchmarks import usage
from benchmarks.bound import Bound, planned_failover
from benchmarks.stage import SITES, Stage
from sandbox.latency import Latency

MAPPINGS = {"network_mapping": {"net-primary-web": "net-secondary-web"}}
_LOOK = 0.05
"""Seconds between two looks at the operation's row."""


@dataclasses.dataclass(frozen=True)
class Measured:
    """Seconds, MB. `engine_cpu` and `api_cpu` are of both sites' processes; calls are those to clouds, arrays and the peer.

    `others` is the share of the machine that processes other than this benchmark's used meanwhile, `waited` how long the engine's and the
    simulator's threads waited for a core: where they are high, the wall time says more of the machine than of the engine."""

    vms: int
    wall: float
    bound: Bound
    engine_cpu: float
    api_cpu: float
    world_cpu: float
    engine_peak: float
    calls: int
    others: float
    waited: float
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


def run(stage: Stage, vms: int, volumes_each: int, latency: Latency, *, cold: bool = False) -> Measured:
    """Prepares the group without any latency, then moves it in the world's own time. Raises RuntimeError when the move does not complete.

    The Protectors have moved another VM before, as those of a site in service have: what a process does once in its life (read version
    documents, compile its SQL) is not what a move costs. `cold`: this move is their first."""
    machines = stage.make_machines(vms, volumes_each)
    stage.start_protectors()
    stage.register()
    user = _User(stage)
    if not cold:
        _warm_up(stage, user)
    group = stage.protect(machines, "bench")
    stage.set_latency(latency)
    bound = planned_failover(vms, volumes_each, latency)
    _let_settle(stage)
    stage.reset_calls()
    before, busy, own = stage.usage(), usage.machine(), time.process_time()
    began = time.monotonic()
    id = user.failover(group)
    phases = user.watch(id, began)
    wall = time.monotonic() - began
    used = {name: now.since(before[name]) for name, now in stage.usage().items()}
    busy, own = usage.machine() - busy, time.process_time() - own
    calls = stage.calls()
    user.check(id)
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
        others=max(0.0, busy - own - sum(u.cpu for u in used.values())) / (wall * (os.cpu_count() or 1)),
        waited=sum(u.waited for name, u in used.items() if name in ("world", "site-a/protector-engine")),
        phases=phases,
        by_call=tuple(counted.most_common(40)),
    )


def _warm_up(stage: Stage, user: "_User") -> None:
    id = user.failover(stage.protect(stage.make_machines(1, 1, prefix="warm"), "warm-up"))
    user.watch(id, time.monotonic())
    user.check(id)


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

    def watch(self, id: str, began: float) -> tuple[tuple[str, float], ...]:
        """Until it ends. Looked up in the engine's database: asking the API twenty times a second would be a load of its own."""
        seen: dict[str, float] = {}
        database = sqlite3.connect(f"file:{self._stage.state / SITES[0] / 'protector.sqlite'}?mode=ro", uri=True)
        try:
            while True:
                query = "SELECT status, steps_completed FROM operations WHERE id = ?"
                ((status, steps),) = database.execute(query, (id,)).fetchall()
                now = time.monotonic() - began
                for step in json.loads(steps):
                    seen.setdefault(step.partition(":")[0], now)
                if status in ("completed", "failed"):
                    return tuple(seen.items())
                time.sleep(_LOOK)
        finally:
            database.close()

    def check(self, id: str) -> None:
        """Raises RuntimeError unless everything was done."""
        found: dict[str, Any] = self._cloud.session.get(f"{self._url}/operations/{id}").json()["operation"]
        if found["status"] != "completed" or found["steps_failed"]:
            raise RuntimeError(f"the failover did not go through: {str(found)[:2000]}\n{self._stage.logs()}")
