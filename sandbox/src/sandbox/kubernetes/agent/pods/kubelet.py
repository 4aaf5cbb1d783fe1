"""kubelet for Pods that run as processes: what the API server wants is started, what it no longer wants is ended."""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import Callable
from pathlib import Path

from sandbox.kubernetes.agent.api import Api
from sandbox.kubernetes.agent.conditions import condition, merged, now
from sandbox.kubernetes.agent.machines import Machines
from sandbox.kubernetes.agent.pods.container import Container
from sandbox.kubernetes.agent.pods.launch import LaunchError, Preparation, address_of
from sandbox.kubernetes.agent.settings import Settings
from sandbox.kubernetes.agent.tables import Table, key_of
from sandbox.kubernetes.client import Object

_log = logging.getLogger(__name__)
_RETRY_SECONDS = 5.0
_GRACE_SECONDS = 30.0


class _Running:
    """One Pod's containers."""

    def __init__(self, containers: list[Container]) -> None:
        self.containers = containers
        self.tasks = [asyncio.create_task(container.run()) for container in containers]

    async def stop(self, grace: float) -> None:
        await asyncio.gather(*(container.stop(grace) for container in self.containers))
        await asyncio.gather(*self.tasks)


class ProcessKubelet:
    """Looks at one Pod that has a node. The processes of a dead node are killed, and started again when it is back."""

    def __init__(
        self, api: Api, settings: Settings, pods: Table, machines: Machines, touch: Callable[[str], None]
    ) -> None:
        """`touch` has a Pod, by its key, looked at again."""
        self._api, self._settings, self._pods, self._machines = api, settings, pods, machines
        self._touch = touch
        self._directory = Path(settings.directory)
        self._running: dict[str, _Running] = {}
        self._ending: set[asyncio.Task[None]] = set()

    async def look(self, pod: Object) -> float | None:
        """Bring it one step on; seconds until the next look where only waiting helps."""
        uid, node = pod["metadata"]["uid"], pod["spec"]["nodeName"]
        if not self._machines.powered(node):
            await self._end(uid, 0)
            return None
        if not self._machines.answers(node):
            return None
        if pod["metadata"].get("deletionTimestamp"):
            await self._end(uid, float(pod["metadata"].get("deletionGracePeriodSeconds", _GRACE_SECONDS)))
            await self._delete(pod)
            return None
        if uid not in self._running:
            try:
                await self._start(pod)
            except LaunchError as error:
                await self._report(pod, self._refused(pod, error))
                return _RETRY_SECONDS
        await self._report(pod, self._status(pod))
        return None

    def forget(self, pod: Object) -> None:
        """The Pod is gone; what still runs of it, because nobody waited for its end, is killed where its node hears of it."""
        uid = pod["metadata"]["uid"]
        if uid in self._running and self._machines.answers(pod["spec"].get("nodeName")):
            task = asyncio.create_task(self._end(uid, 0))
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)

    async def stop(self) -> None:
        """The agent ends, and everything it runs."""
        for uid in list(self._running):
            await self._end(uid, 0)

    def log_of(self, namespace: str, name: str, container: str, *, previous: bool) -> Path | None:
        """Where a container writes, None when it does not run here."""
        pod = self._pods.items.get(f"{namespace}/{name}")
        running = self._running.get(pod["metadata"]["uid"]) if pod else None
        for found in running.containers if running else ():
            if found.launch.name == container:
                return found.previous_log if previous else found.log
        return None

    async def _start(self, pod: Object) -> None:
        key, uid = key_of(pod), pod["metadata"]["uid"]
        root = self._directory / uid
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        settings = self._settings
        launches = await Preparation(self._api, settings.server, settings.authority, pod, root).launches()
        rows = pod.get("status", {}).get("containerStatuses") or []
        before = {row["name"]: row["restartCount"] + 1 for row in rows if row["started"]}
        containers = [
            Container(launch, address_of(pod), before.get(launch.name, 0), lambda: self._touch(key))
            for launch in launches
        ]
        _log.info("starting %s on %s", key, pod["spec"]["nodeName"])
        self._running[uid] = _Running(containers)

    async def _end(self, uid: str, grace: float) -> None:
        running = self._running.get(uid)
        if running is None:
            return
        await running.stop(grace)
        self._running.pop(uid, None)
        await asyncio.to_thread(shutil.rmtree, self._directory / uid, ignore_errors=True)

    def _status(self, pod: Object) -> Object:
        containers = self._running[pod["metadata"]["uid"]].containers
        ready, address = all(container.ready for container in containers), address_of(pod)
        told = [condition("Initialized", True), condition("ContainersReady", ready), condition("Ready", ready)]
        return {
            "phase": "Running",
            "startTime": pod.get("status", {}).get("startTime") or now(),
            "hostIP": "127.0.0.1",
            "podIP": address,
            "podIPs": [{"ip": address}],
            "containerStatuses": [container.status() for container in containers],
            "conditions": merged(pod.get("status", {}), told),
        }

    @staticmethod
    def _refused(pod: Object, error: LaunchError) -> Object:
        waiting = {"waiting": {"reason": error.reason, "message": str(error)}}
        common = {"ready": False, "started": False, "restartCount": 0, "imageID": "", "state": waiting}
        rows = [{"name": item["name"], "image": item["image"], **common} for item in pod["spec"]["containers"]]
        told = [condition("Initialized", True), condition("ContainersReady", False), condition("Ready", False)]
        return {"phase": "Pending", "containerStatuses": rows, "conditions": merged(pod.get("status", {}), told)}

    async def _report(self, pod: Object, status: Object) -> None:
        before = pod.get("status", {})
        if all(before.get(name) == value for name, value in status.items()):
            return
        change = {"metadata": {"resourceVersion": pod["metadata"]["resourceVersion"]}, "status": status}
        self._pods.put(await self._api.merge(f"{_path(pod)}/status", change))

    async def _delete(self, pod: Object) -> None:
        body = {"gracePeriodSeconds": 0, "preconditions": {"uid": pod["metadata"]["uid"]}}
        await self._api.call("DELETE", _path(pod), body)


def _path(pod: Object) -> str:
    return f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"
