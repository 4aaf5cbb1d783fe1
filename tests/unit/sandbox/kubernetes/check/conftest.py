"""A small world in which every rule holds, as the checker sees it, and how to break it."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from sandbox.kubernetes.check import Picture, Side, judge

MARK = "siterecovery.trilio.io"
Object = dict[str, Any]


def group(cluster: str, active: str = "cluster2", epoch: int = 2) -> Object:
    here = cluster == active
    return {
        "metadata": {"name": "pg", "namespace": "shop", "generation": 3},
        "spec": {
            "desiredState": "running" if here else "stopped",
            "clusters": {"primary": "cluster1", "dr": "cluster2"},
            "virtualMachines": [{"name": "web"}],
        },
        "status": {
            "currentState": "running" if here else "stopped",
            "activeCluster": active,
            "epoch": epoch,
            "location": active,
            "observedGeneration": 3,
            "lastFailover": {"name": "fo", "phase": "Succeeded"},
        },
    }


def vm(strategy: str) -> Object:
    volumes = [{"name": "disk", "persistentVolumeClaim": {"claimName": "web-disk"}}]
    return {
        "kind": "VirtualMachine",
        "metadata": {
            "name": "web",
            "namespace": "shop",
            "annotations": {f"{MARK}/original-run-strategy": "Always"},
        },
        "spec": {"runStrategy": strategy, "template": {"spec": {"volumes": volumes}}},
    }


def instance() -> Object:
    return {"metadata": {"name": "web", "namespace": "shop"}, "status": {"phase": "Running"}}


def failover() -> Object:
    steps = [
        {
            "name": name,
            "state": "done",
            "startedAt": "2026-01-01T00:00:01Z",
            "completedAt": "2026-01-01T00:00:02Z",
            "result": '{"epoch":2}' if name == "raise_epoch" else "{}",
        }
        for name in ("acquire_lock", "stop_source", "raise_epoch", "start_target", "verify_target", "release_lock")
    ]
    history = [
        {"time": f"2026-01-01T00:00:0{number}Z", "reason": reason, "message": reason}
        for number, reason in enumerate(("Accepted", "StopSource", "AuthorityMoved", "Succeeded"))
    ]
    return {
        "metadata": {"name": "fo", "namespace": "shop", "uid": "uid-fo", "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {"protectionGroup": "pg", "targetCluster": "dr-cluster"},
        "status": {
            "phase": "Succeeded",
            "message": "Failover of pg to dr-cluster completed successfully",
            "startedAt": "2026-01-01T00:00:00Z",
            "completedAt": "2026-01-01T00:00:05Z",
            "epoch": 1,
            "progress": 100,
            "steps": steps,
            "history": history,
        },
    }


def ran(cluster: str, event: str, time: float, uid: str, generation: int) -> Object:
    detail = {"node": f"{cluster}-node1", "disks": {"pvc-1": generation}}
    return {
        "kind": "guest",
        "event": event,
        "time": time,
        "site": cluster,
        "id": uid,
        "name": "shop/web",
        "detail": detail,
    }


def disk_event(event: str, time: float, node: str, **detail: Any) -> Object:
    return {"kind": "replica", "event": event, "time": time, "site": "", "id": f"pvc-1/{node}", "detail": detail}


def replica(cluster: str, *, primary: bool) -> Object:
    return {
        "cluster": cluster,
        "role": "Primary" if primary else "Secondary",
        "suspended": False,
        "quorum_option": "majority",
        "generation": 9,
    }


def node(cluster: str) -> Object:
    return {
        "metadata": {"name": f"{cluster}-node1"},
        "spec": {},
        "status": {"conditions": [{"type": "Ready", "status": "True"}]},
    }


def side(cluster: str, **more: Any) -> Side:
    claim = {
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "web-disk", "namespace": "shop"},
        "spec": {"volumeName": "pvc-1"},
    }
    volume = {
        "kind": "PersistentVolume",
        "metadata": {"name": "pvc-1"},
        "spec": {"csi": {"volumeHandle": "pvc-1"}, "claimRef": {"namespace": "shop", "name": "web-disk"}},
    }
    return Side(cluster, groups=[group(cluster)], claims=[claim], volumes=[volume], nodes=[node(cluster)], **more)


def good() -> Picture:
    """One group that has moved from cluster1 to cluster2."""
    here = side(
        "cluster1",
        vms=[vm("Halted")],
        guests={},
        events=[ran("cluster1", "started", 1, "a", 0), ran("cluster1", "stopped", 5, "a", 5)],
    )
    there = side(
        "cluster2",
        vms=[vm("Always")],
        instances=[instance()],
        guests={"shop/web": [{"state": "running", "node": "cluster2-node1"}]},
        events=[ran("cluster2", "started", 8, "b", 5)],
    )
    disk = {
        "props": {},
        "snapshots": {},
        "replicas": {
            "cluster1-node1": replica("cluster1", primary=False),
            "cluster2-node1": replica("cluster2", primary=True),
        },
    }
    return Picture(
        sides={"cluster1": here, "cluster2": there, "quorum": Side("quorum", failovers=[failover()])},
        aliases={"dr-cluster": "cluster2"},
        disks={"pvc-1": disk},
        disk_events=[
            disk_event("promoted", 0, "cluster1-node1", generation=0),
            disk_event("demoted", 6, "cluster1-node1"),
            disk_event("promoted", 7, "cluster2-node1", generation=5),
        ],
        clusters_of_nodes={"cluster1-node1": "cluster1", "cluster2-node1": "cluster2"},
        wanted_taints={"cluster1": {"cluster1-node1": []}, "cluster2": {"cluster2-node1": []}},
        now=2_000_000_000.0,
    )


class Broken:
    """The good world, to be changed in place, and what the checker then finds."""

    def __init__(self) -> None:
        self.picture = copy.deepcopy(good())

    def side(self, cluster: str, **change: Any) -> None:
        sides = {**self.picture.sides, cluster: dataclasses.replace(self.picture.sides[cluster], **change)}
        self.picture = dataclasses.replace(self.picture, sides=sides)

    def change(self, **change: Any) -> None:
        self.picture = dataclasses.replace(self.picture, **change)

    def copy_of(self, cluster: str) -> Object:
        found: Any = self.picture.sides[cluster].groups[0]
        return dict(found)["status"]  # type: ignore[no-any-return]

    @property
    def failover(self) -> Object:
        found: Any = self.picture.sides["quorum"].failovers[0]
        return dict(found)

    @property
    def disk(self) -> Object:
        return dict(self.picture.disks["pvc-1"])

    def found(self, rule: str | None = None) -> list[str]:
        report = judge(self.picture)
        return [finding.what for finding in report.findings if rule in (None, finding.invariant)]


@pytest.fixture
def broken() -> Callable[[], Broken]:
    return Broken


@pytest.fixture
def world() -> Broken:
    return Broken()
