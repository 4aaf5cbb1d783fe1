"""kubelet for virt-launcher Pods: their status follows the guest, and their end follows the guest's end."""

from __future__ import annotations

import time
import zlib

from sandbox.kubernetes.agent.api import Api
from sandbox.kubernetes.agent.conditions import condition, is_true, merged, now
from sandbox.kubernetes.agent.guests import ENDED, RUNNING, Guest, Guests
from sandbox.kubernetes.agent.machines import Machines
from sandbox.kubernetes.agent.tables import Table
from sandbox.kubernetes.client import Object

_FINAL = ("Succeeded", "Failed")


def instance_of(pod: Object) -> tuple[str, str]:
    """(namespace/name, uid) of the instance that a launcher Pod belongs to; empty for other Pods."""
    for owner in pod["metadata"].get("ownerReferences") or []:
        if owner["kind"] == "VirtualMachineInstance":
            return f"{pod['metadata']['namespace']}/{owner['name']}", str(owner["uid"])
    return "", ""


class Kubelet:
    """Looks at one launcher Pod that has a node, on behalf of that node."""

    def __init__(self, api: Api, pods: Table, guests: Guests, machines: Machines) -> None:
        self._api = api
        self._pods = pods
        self._guests = guests
        self._machines = machines
        self._seen: dict[str, float] = {}

    async def look(self, pod: Object) -> float | None:
        """Bring it one step on; seconds until the next step where only time is missing."""
        if not self._machines.answers(pod["spec"]["nodeName"]):
            return None
        uid, status = pod["metadata"]["uid"], pod.get("status", {})
        guest = self._guest(pod)
        if pod["metadata"].get("deletionTimestamp"):
            if guest is None or guest.state == ENDED or status.get("phase") in _FINAL:
                await self._delete(pod)
            return None  # else the guest is shut down first, as the launcher does on SIGTERM
        if status.get("phase") in _FINAL:
            return None
        if guest is not None and guest.state == ENDED:
            await self._finish(pod, guest)
        elif status.get("phase") == "Pending":
            left = self._seen.setdefault(uid, time.monotonic()) + self._machines.times.pod - time.monotonic()
            if left > 0:
                return left
            await self._set(pod, self._running(pod))
        elif is_true(status, "Ready") != self._ready(pod, guest):
            await self._set(pod, {"conditions": merged(status, [condition("Ready", self._ready(pod, guest))])})
        return None

    def forget(self, pod: Object) -> None:
        """The Pod is gone."""
        self._seen.pop(pod["metadata"]["uid"], None)

    def _guest(self, pod: Object) -> Guest | None:
        guest = self._guests.by_uid.get(instance_of(pod)[1])
        return guest if guest and guest.pod == pod["metadata"]["uid"] else None

    async def _delete(self, pod: Object) -> None:
        metadata = pod["metadata"]
        body = {"gracePeriodSeconds": 0, "preconditions": {"uid": metadata["uid"]}}
        await self._api.call("DELETE", f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}", body)

    async def _set(self, pod: Object, status: Object) -> None:
        metadata = pod["metadata"]
        path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}/status"
        change = {"metadata": {"resourceVersion": metadata["resourceVersion"]}, "status": status}
        self._pods.put(await self._api.merge(path, change))

    async def _finish(self, pod: Object, guest: Guest) -> None:
        ended = {
            "exitCode": guest.exit_code,
            "reason": "Error" if guest.exit_code else "Completed",
            "startedAt": pod["status"].get("startTime") or now(),
            "finishedAt": now(),
        }
        status = {
            "phase": "Failed" if guest.exit_code else "Succeeded",
            "containerStatuses": _containers(pod, {"terminated": ended}, ready=False),
            "conditions": merged(pod["status"], [condition("Ready", False), condition("ContainersReady", False)]),
        }
        await self._set(pod, status)

    def _running(self, pod: Object) -> Object:
        """As a kubelet reports it once every container runs. The address is invented: nobody calls it."""
        digest = zlib.crc32(pod["metadata"]["uid"].encode())
        address = f"10.244.{digest % 250}.{digest // 250 % 250 + 2}"
        ready = self._ready(pod, self._guest(pod))
        conditions = [condition("Initialized", True), condition("ContainersReady", True), condition("Ready", ready)]
        return {
            "phase": "Running",
            "startTime": now(),
            "hostIP": "127.0.0.1",
            "podIP": address,
            "podIPs": [{"ip": address}],
            "containerStatuses": _containers(pod, {"running": {"startedAt": now()}}, ready=True),
            "initContainerStatuses": _init_containers(pod),
            "conditions": merged(pod["status"], conditions),
        }

    @staticmethod
    def _ready(pod: Object, guest: Guest | None) -> bool:
        """Its readiness gates (KubeVirt's says "not paused") and, where the VM has a probe, whether the guest answers."""
        gates = [gate["conditionType"] for gate in pod["spec"].get("readinessGates") or []]
        if not all(is_true(pod.get("status", {}), gate) for gate in gates):
            return False
        if any("readinessProbe" in container for container in pod["spec"]["containers"]):
            return guest is not None and guest.state == RUNNING and not guest.silent
        return True


def _containers(pod: Object, state: Object, *, ready: bool) -> list[Object]:
    common = {"imageID": "sandbox", "restartCount": 0, "ready": ready, "started": ready, "state": state}
    return [{"name": item["name"], "image": item["image"], **common} for item in pod["spec"]["containers"]]


def _init_containers(pod: Object) -> list[Object]:
    """Done, or for ever running where it is a sidecar."""
    told = []
    for item in pod["spec"].get("initContainers") or []:
        sidecar = item.get("restartPolicy") == "Always"
        done = {"exitCode": 0, "reason": "Completed", "startedAt": now(), "finishedAt": now()}
        state = {"running": {"startedAt": now()}} if sidecar else {"terminated": done}
        common = {"image": item["image"], "imageID": "sandbox", "ready": True, "started": sidecar, "restartCount": 0}
        told.append({"name": item["name"], **common, "state": state})
    return told
