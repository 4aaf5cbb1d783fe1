"""What people use instead: a script with openstacksdk that moves one VM after the other, with the SDK's own waits.

It does the same failover in the same world: stop all, one group snapshot sent across, then for each VM copy, manage, port, server, and when it runs
the old server and its volumes go. It keeps no record, undoes nothing, and locks nothing: it is the least a script can do.
"""

import dataclasses
import ssl
import time
from collections.abc import Mapping, Sequence
from typing import Any

import httpx

from benchmarks.stage import SITES, Stage

GROUP, SUFFIX = "pg-sequential", "move"
_LOOK = 1.0
"""Seconds between two looks of a wait, as such scripts have it."""


@dataclasses.dataclass(frozen=True)
class Needed:
    """Seconds by the clock, and seconds of CPU."""

    wall: float
    cpu: float


class _Array:
    """Just enough of an array's REST interface for a script."""

    def __init__(self, entry: Mapping[str, Any], ca: str) -> None:
        self._http = httpx.Client(base_url=f"{entry['url']}/api/2.26", verify=ssl.create_default_context(cafile=ca))
        answer = self._http.post("/login", headers={"api-token": entry["token"]})
        self._http.headers["x-auth-token"] = answer.headers["x-auth-token"]

    def __call__(self, method: str, path: str, body: Any = None, **query: Any) -> list[dict[str, Any]]:
        answer = self._http.request(method, path, params=query, json=body if method != "GET" else None)
        if answer.status_code >= 400:
            raise RuntimeError(f"{method} {path}: {answer.status_code} {answer.text}")
        found: list[dict[str, Any]] = (answer.json() if answer.content else {}).get("items") or []
        return found


class Script:
    """`machines` maps names of servers and volumes to ids, one or more volumes `vol-<server>-<n>` for each server."""

    def __init__(self, stage: Stage, machines: Mapping[str, str]) -> None:
        self._world = stage.world
        self._source, self._target = (stage.cloud(site) for site in SITES)
        ca = self._world["array_ca"]
        self._here, self._there = (_Array(self._world["arrays"][name], ca) for name in ("array-a", "array-b"))
        self._servers = {name: id for name, id in machines.items() if not name.startswith("vol-")}
        self._volumes = {
            name: [(volume, id) for volume, id in machines.items() if volume.startswith(f"vol-{name}-")]
            for name in self._servers
        }

    def prepare(self) -> None:
        """The array group that replicates the volumes: made beforehand by whoever plans for a disaster, so it is not part of the measurement."""
        names = [f"volume-{id}-cinder" for disks in self._volumes.values() for _, id in disks]
        self._here("POST", "/protection-groups", {}, names=GROUP)
        self._here("POST", "/protection-groups/volumes", {}, group_names=GROUP, member_names=",".join(names))
        self._here("POST", "/protection-groups/targets", {}, group_names=GROUP, member_names="array-b")
        _until(lambda: self._there("GET", "/protection-groups", filter=f"name='array-a:{GROUP}'"))
        self._there("PATCH", "/protection-groups/targets", {"allowed": True}, group_names=f"array-a:{GROUP}")

    def move(self) -> Needed:
        """What it took; the CPU is this process's, which does nothing else meanwhile."""
        began, worked = time.monotonic(), time.process_time()
        for id in self._servers.values():
            self._source.compute.stop_server(id)
            self._wait(self._source, id, "SHUTOFF")
        self._send_snapshot()
        network = self._target.network.find_network("net-secondary-web")
        flavor = self._target.compute.find_flavor("m1.small")
        moved = [self._move(name, network.id, flavor.id) for name in self._servers]
        for old, volumes in moved:
            self._tidy_up(old, volumes)
        return Needed(time.monotonic() - began, time.process_time() - worked)

    def _send_snapshot(self) -> None:
        query = {"source_names": GROUP, "replicate_now": "true"}
        self._here("POST", "/protection-group-snapshots", {"suffix": SUFFIX}, **query)
        path = "/protection-group-snapshots/transfer"
        _until(lambda: any(t.get("completed") for t in self._there("GET", path, names=f"array-a:{GROUP}")))

    def _move(self, name: str, network: str, flavor: str) -> tuple[str, list[str]]:
        old = self._servers[name]
        disks = [self._recovered(volume, id, index) for index, (volume, id) in enumerate(self._volumes[name])]
        port = self._target.network.create_port(network_id=network, name=name)
        server = self._target.compute.create_server(
            name=name,
            flavor_id=flavor,
            networks=[{"port": port.id}],
            block_device_mapping=[
                {"uuid": id, "source_type": "volume", "destination_type": "volume", "boot_index": -1 if index else 0}
                for index, id in enumerate(disks)
            ],
        )
        self._wait(self._target, server.id, "ACTIVE")
        return old, [id for _, id in self._volumes[name]]

    def _recovered(self, name: str, id: str, index: int) -> str:
        copy = f"seq-{name}"
        snapshot = f"array-a:{GROUP}.{SUFFIX}.volume-{id}-cinder"
        self._there("POST", "/volumes", {"source": {"name": snapshot}}, names=copy, with_default_protection="false")
        storage = self._target.block_storage
        body = {
            "host": self._world["sites"][SITES[1]]["cinder_host"],
            "ref": {"source-name": copy},
            "name": name,
            "volume_type": "replicated-ssd",
            "bootable": index == 0,
        }
        answer = storage.post("/manageable_volumes", json={"volume": body}, microversion="3.16")
        managed = str(answer.json()["volume"]["id"])
        storage.wait_for_status(storage.get_volume(managed), "available", interval=_LOOK, wait=300)
        return managed

    def _tidy_up(self, server: str, volumes: Sequence[str]) -> None:
        compute, storage = self._source.compute, self._source.block_storage
        found = compute.get_server(server)
        compute.delete_server(server)
        compute.wait_for_delete(found, interval=_LOOK, wait=300)
        for id in volumes:
            volume = storage.get_volume(id)
            storage.delete_volume(id)
            storage.wait_for_delete(volume, interval=_LOOK, wait=300)

    @staticmethod
    def _wait(cloud: Any, id: str, status: str) -> None:
        cloud.compute.wait_for_server(cloud.compute.get_server(id), status=status, interval=_LOOK, wait=600)


def _until(ready: Any, patience: float = 600.0) -> None:
    end = time.monotonic() + patience
    while not ready():
        if time.monotonic() > end:
            raise RuntimeError("the array did not get there in time")
        time.sleep(_LOOK)
