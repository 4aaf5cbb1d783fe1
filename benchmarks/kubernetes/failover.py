"""One planned failover, from the creation of its Failover to the start of the last guest; beside it what the world itself takes at the least."""

import dataclasses
import os
import time
from concurrent.futures import ThreadPoolExecutor

from benchmarks import usage
from benchmarks.kubernetes.stage import PATIENCE, Stage, now
from benchmarks.usage import Usage
from sandbox.kubernetes.client import wait_until
from sandbox.kubernetes.light_world import LightCluster

_AT_ONCE = 64
_WARM_SECONDS = 8.0


@dataclasses.dataclass(frozen=True)
class Profile:
    """Seconds a guest takes to shut down and to boot; all of them at once."""

    stop: float = 5.0
    boot: float = 10.0

    @property
    def total(self) -> float:
        return self.stop + self.boot


@dataclasses.dataclass(frozen=True)
class Measured:
    """`started`: seconds until the last guest ran; `ended`: until the Failover had succeeded. `bare`: the same by a script that asks nobody."""

    vms: int
    groups: int
    started: float
    ended: float
    floor: float
    bare: float
    busy: float
    """Share of all cores that worked meanwhile, whoever for."""
    controllers: dict[str, Usage]

    @property
    def bound(self) -> float:
        """The guests' own time, or what the world's API servers and simulators need for that many, whichever is more."""
        return max(self.floor, self.bare)

    @property
    def overhead(self) -> float:
        return self.started / self.bound


def run(stage: Stage, groups: int, vms_each: int, profile: Profile) -> Measured:
    """In a fresh stage."""
    names = [f"pg-{number}" for number in range(groups)]
    stage.make(names, vms_each)
    vms = [f"{group}-{number}" for group in names for number in range(vms_each)]
    for cluster in stage.world.clusters:
        cluster.agent.set(stop=profile.stop, boot=profile.boot, write=5.0)
    bare = _bare(stage, vms)
    before = {controller.name: controller.used for controller in stage.controllers}
    since, worked = len(stage.target.agent.history()), usage.machine()
    began = now()
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        failovers = list(pool.map(lambda group: stage.failover(group, "cluster2"), names))
    ended = stage.ended(failovers) - began
    busy = (usage.machine() - worked) / (now() - began) / (os.cpu_count() or 1)
    started = _last_start(stage, since, len(vms))
    used = {controller.name: controller.used.since(before[controller.name]) for controller in stage.controllers}
    return Measured(len(vms), groups, started - began, ended, profile.total, bare, busy, used)


def _bare(stage: Stage, vms: list[str]) -> float:
    """Halts every VM on the source and, when the last one is gone, starts every copy on the target, 64 calls at a time; then all the way back. The
    controllers are ended meanwhile: they would mend it."""
    for controller in stage.controllers:
        controller.stop()
    since = len(stage.target.agent.history())
    began = now()
    _set(stage, stage.source, vms, "Halted")
    _set(stage, stage.target, vms, "Always")
    took = _last_start(stage, since, len(vms)) - began
    _set(stage, stage.target, vms, "Halted")
    _set(stage, stage.source, vms, "Always")
    for controller in stage.controllers:
        controller.start()
    time.sleep(_WARM_SECONDS)  # lists are read and everything was looked at once: what is measured is no cold start
    groups = stage.source.api.items(stage.path("protectiongroups"))
    settled = lambda: all(_settled(stage, group["metadata"]["name"]) for group in groups)  # noqa: E731
    wait_until("controllers that have looked at everything", PATIENCE, settled)
    return took


def _last_start(stage: Stage, since: int, count: int) -> float:
    """As the target's machines have written it down."""
    starts = [event["time"] for event in stage.target.agent.history(since) if event["event"] == "started"]
    assert len(starts) == count, f"{len(starts)} of {count} VMs started"
    return float(max(starts))


def _set(stage: Stage, cluster: LightCluster, vms: list[str], strategy: str) -> None:
    def patch(name: str) -> None:
        cluster.api.merge(stage.vm_path(name), {"spec": {"runStrategy": strategy}})

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(patch, vms))
    wanted = len(vms) if strategy == "Always" else 0
    wait_until(f"{wanted} guests on {cluster.name}", PATIENCE, lambda: len(stage.guests(cluster)) == wanted)
    if not wanted:
        path = f"/apis/kubevirt.io/v1/namespaces/{stage.namespace}/virtualmachineinstances"
        wait_until("the end of the instances", PATIENCE, lambda: not cluster.api.items(path))


def _settled(stage: Stage, group: str) -> bool:
    """Both copies are as they should be."""
    here = (stage.source.api.get(stage.path("protectiongroups", group)).get("status") or {}).get("currentState")
    there = (stage.target.api.get(stage.path("protectiongroups", group)).get("status") or {}).get("currentState")
    return (here, there) == ("running", "stopped")
