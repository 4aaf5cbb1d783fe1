"""virt-handler: brings guests to what their VirtualMachineInstance says, and the instance to what its guest does."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable

from sandbox.kubernetes.agent.api import Api
from sandbox.kubernetes.agent.conditions import condition, is_true, merged, now
from sandbox.kubernetes.agent.disks import DiskRefused, Disks
from sandbox.kubernetes.agent.guests import CRASH, ENDED, Guest, Guests
from sandbox.kubernetes.agent.machines import Machines
from sandbox.kubernetes.agent.tables import Table, key_of
from sandbox.kubernetes.client import Object

_log = logging.getLogger(__name__)
_GRACE_SECONDS = 30.0  # KubeVirt's default
_NODE_LABEL = "kubevirt.io/nodeName"
_PAUSED = condition("Paused", True, "PausedByUser", "VMI was paused by user")
_MIGRATABLE = condition(
    "LiveMigratable", False, "DisksNotLiveMigratable", "nodes here are played; nothing migrates live"
)

Pods = Callable[[str], list[Object]]
Handles = Callable[[Object], list[str]]
Touch = Callable[[str], None]


class Handler:
    """Looks at one instance on behalf of its node. `pods` are a VM's launchers, `handles` its volumes; `touch` has its Pods looked at again."""

    def __init__(
        self,
        api: Api,
        instances: Table,
        guests: Guests,
        machines: Machines,
        disks: Disks,
        pods: Pods,
        handles: Handles,
        touch: Touch,
    ) -> None:
        """`api`: as KubeVirt's own ServiceAccount; virt-api drops status writes of anybody else without a word."""
        self._api = api
        self._instances, self._guests, self._machines, self._disks = instances, guests, machines, disks
        self._pods, self._handles, self._touch = pods, handles, touch

    async def look(self, vm: str) -> float | None:
        """Bring the VM's guests and its instance one step on."""
        instance = self._instances.items.get(vm)
        uid = instance["metadata"]["uid"] if instance else ""
        await self._bury(vm, uid)
        if instance is None:
            return None
        status, node = instance.get("status", {}), instance.get("status", {}).get("nodeName")
        if not self._machines.answers(node) or instance["metadata"].get("labels", {}).get(_NODE_LABEL) != node:
            return None
        if status.get("phase") == "Scheduled":
            return await self._boot(instance)
        if status.get("phase") == "Running":
            return await self._attend(instance)
        return None

    async def _bury(self, vm: str, uid: str) -> None:
        """A guest whose instance is gone ends with its launcher; on a node that does not answer it lives on."""
        for guest in list(self._guests.by_uid.values()):
            if guest.vm == vm and guest.uid != uid and self._machines.answers(guest.node) and not guest.stuck:
                self._guests.cease(guest, "its instance is gone")
                await self._disks.close(guest)
                self._guests.by_uid.pop(guest.uid, None)

    async def _boot(self, instance: Object) -> float | None:
        """From Scheduled to Running: the disks are opened, and the guest boots in its time."""
        pod = self._launcher(instance)
        if pod is None:
            return None
        guest = self._guests.by_uid.get(instance["metadata"]["uid"]) or self._new_guest(instance, pod)
        if self._is_leaving(instance, pod):
            await self._end(instance, guest, failed=not instance["metadata"].get("deletionTimestamp"))
            return None
        try:
            await self._disks.open(guest, self._handles(instance))
        except DiskRefused as error:
            await self._tell(instance, "SyncFailed", f"server error. command SyncVMI failed: {error}")
            await self._end(instance, guest, failed=True)
            return None
        left = guest.since + self._machines.times.boot - time.monotonic()
        if left > 0:
            return left
        if self._machines.fails_boot(guest.vm):
            await self._end(instance, guest, failed=True)
            return None
        await self._run(instance, guest, pod)
        return None

    def _new_guest(self, instance: Object, pod: Object) -> Guest:
        metadata = instance["metadata"]
        guest = Guest(key_of(instance), metadata["uid"], pod["metadata"]["uid"], instance["status"]["nodeName"])
        self._guests.by_uid[guest.uid] = guest
        return guest

    async def _run(self, instance: Object, guest: Guest, pod: Object) -> None:
        guest.paused = instance["spec"].get("startStrategy") == "Paused"
        self._guests.begin(guest)
        address = pod["status"].get("podIP")
        devices = instance["spec"].get("domain", {}).get("devices", {})
        interfaces = [
            {"name": item["name"], "ipAddress": address, "ipAddresses": [address], "infoSource": "domain"}
            for item in devices.get("interfaces") or []
        ]
        told = [_MIGRATABLE, condition("AgentConnected", True), *([_PAUSED] if guest.paused else [])]
        extra = {"interfaces": interfaces, "machine": {"type": "pc-q35-rhel9.4.0"}}
        await self._write(instance, "Running", told, extra=extra)
        self._touch(guest.vm)
        await self._disks.write(guest)

    async def _attend(self, instance: Object) -> float | None:
        """While it runs: what the guest does by itself, what it is asked to, and what people want of it."""
        uid = instance["metadata"]["uid"]
        pod = self._launcher(instance)
        guest = self._guests.by_uid.get(uid) or await self._found_running(instance, pod)
        if uid in self._guests.lost:
            await self._end(instance, guest, failed=True)
        elif guest.state == ENDED:
            await self._end(instance, guest, failed=guest.exit_code != 0)
        elif guest.deed:
            await self._end(instance, guest, failed=guest.deed == CRASH)
        elif self._is_leaving(instance, pod):
            return await self._shut_down(instance, guest)
        else:
            await self._report(instance, guest)
        return None

    async def _found_running(self, instance: Object, pod: Object | None) -> Guest:
        """The agent was started anew and has no memory: what is said to run runs, with its disks open, unless they are refused."""
        metadata, status = instance["metadata"], instance["status"]
        pod_uid = pod["metadata"]["uid"] if pod else ""
        guest = Guest(key_of(instance), metadata["uid"], pod_uid, status["nodeName"])
        guest.paused = is_true(status, "Paused")
        self._guests.by_uid[guest.uid] = guest
        if guest.uid not in self._guests.lost:
            try:
                await self._disks.open(guest, self._handles(instance))
            except DiskRefused as error:
                _log.warning("%s cannot go on: %s", guest.vm, error)
                guest.state, guest.exit_code = ENDED, 1
                return guest
            self._guests.begin(guest)
        return guest

    async def _shut_down(self, instance: Object, guest: Guest) -> float | None:
        """As long as it needs, killed when its grace period is over; a stuck one stays until it is freed."""
        grace = float(instance["spec"].get("terminationGracePeriodSeconds", _GRACE_SECONDS))
        left = guest.shutdown_left(self._machines.times.stop, grace)
        if left > 0:
            return left
        if guest.stuck:
            return None
        await self._end(instance, guest, failed=guest.ignores_shutdown or self._machines.times.stop > grace)
        return None

    async def _report(self, instance: Object, guest: Guest) -> None:
        """Conditions that follow the guest."""
        status = instance["status"]
        if is_true(status, "Paused") == guest.paused and is_true(status, "AgentConnected") != guest.silent:
            return
        told = [*([_PAUSED] if guest.paused else []), *([] if guest.silent else [condition("AgentConnected", True)])]
        without = [*([] if guest.paused else ["Paused"]), *(["AgentConnected"] if guest.silent else [])]
        await self._write(instance, "Running", told, without)

    async def _end(self, instance: Object, guest: Guest, *, failed: bool) -> None:
        """The guest is over: its disks are closed before anybody may think that they are."""
        self._guests.cease(guest, "failed" if failed else "shut down")
        await self._disks.close(guest)
        guest.state, guest.exit_code = ENDED, int(failed)
        await self._write(instance, "Failed" if failed else "Succeeded")
        self._guests.lost.discard(guest.uid)
        self._touch(guest.vm)

    async def _write(
        self,
        instance: Object,
        phase: str,
        conditions: Iterable[Object] = (),
        without: Iterable[str] = (),
        extra: Object | None = None,
    ) -> None:
        """PUT: virt-handler's account may update an instance, not patch it."""
        status = instance.get("status", {})
        fresh = {**status, **(extra or {}), "phase": phase, "conditions": merged(status, conditions, without)}
        if phase != status.get("phase"):
            passed = {"phase": phase, "phaseTransitionTimestamp": now()}
            fresh["phaseTransitionTimestamps"] = [*(status.get("phaseTransitionTimestamps") or []), passed]
        self._instances.put(await self._api.call("PUT", _path(instance), {**instance, "status": fresh}))

    async def _tell(self, instance: Object, reason: str, message: str) -> None:
        metadata = instance["metadata"]
        reference = {key: metadata[key] for key in ("namespace", "name", "uid")}
        event = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"generateName": f"{metadata['name']}.", "namespace": metadata["namespace"]},
            "involvedObject": {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachineInstance", **reference},
            "reason": reason,
            "message": message,
            "type": "Warning",
            "source": {"component": "virt-handler", "host": instance["status"]["nodeName"]},
            "firstTimestamp": now(),
            "lastTimestamp": now(),
            "count": 1,
        }
        await self._api.call("POST", f"/api/v1/namespaces/{metadata['namespace']}/events", event)

    def _launcher(self, instance: Object) -> Object | None:
        """The instance's Pod on its node."""
        status, uid = instance.get("status", {}), instance["metadata"]["uid"]
        own = [pod for pod in self._pods(uid) if pod["spec"].get("nodeName") == status.get("nodeName")]
        active = [pod for pod in own if pod["metadata"]["uid"] in (status.get("activePods") or {})]
        return next(iter(active or own), None)

    @staticmethod
    def _is_leaving(instance: Object, pod: Object | None) -> bool:
        return bool(instance["metadata"].get("deletionTimestamp") or (pod and pod["metadata"].get("deletionTimestamp")))


def _path(instance: Object) -> str:
    metadata = instance["metadata"]
    return f"/apis/kubevirt.io/v1/namespaces/{metadata['namespace']}/virtualmachineinstances/{metadata['name']}"
