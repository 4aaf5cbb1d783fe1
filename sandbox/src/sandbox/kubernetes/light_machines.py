"""KubeVirt and machines of a light plane, played by one loop: an instance for each VM that should run, a guest for each instance, with its disks.

It keeps what the product sees of KubeVirt: a stop is acknowledged, an instance is deleted with a finalizer and is gone when its guest is, a guest
starts where no taint forbids it and only if its disks open, and one that was lost with its machine is started again by KubeVirt itself. There are no
Pods, no webhooks, no start subresource. What real KubeVirt does is told by the worlds that have it; this one carries a thousand VMs on a laptop."""

from __future__ import annotations

import asyncio
import logging
import ssl
import threading
import time
from collections import Counter
from collections.abc import Coroutine
from typing import Any, TypeVar

import aiohttp

from sandbox.clock import Clock
from sandbox.history import History
from sandbox.kubernetes.access import Access
from sandbox.kubernetes.agent.api import Api
from sandbox.kubernetes.agent.disks import DiskRefused, Disks, handles
from sandbox.kubernetes.agent.guests import CRASH, ENDED, RECOVER, Guest, Guests
from sandbox.kubernetes.agent.machines import ALIVE, DEAD, Machines, Times
from sandbox.kubernetes.agent.queue import Key, WorkQueue
from sandbox.kubernetes.agent.scheduling import claim_names
from sandbox.kubernetes.agent.tables import Table, key_of
from sandbox.kubernetes.client import Conflict, Object

_log = logging.getLogger(__name__)
_KUBEVIRT = "/apis/kubevirt.io/v1"
_CLAIMS, _VOLUMES = "/api/v1/persistentvolumeclaims", "/api/v1/persistentvolumes"
_FINALIZER = "foregroundDeleteVirtualMachine"
_STARTS = ("Always", "RerunOnFailure", "running=true")
_GOES_ON = (*_STARTS, "Manual")
"""An instance is left as it is. At Manual none is made, nor anew for one that has failed: that is for the start subresource."""
_AGAIN_SECONDS = 1.0
_LINGER_SECONDS = 0.2
_GRACE_SECONDS = 30.0
_CONTROL_SECONDS = 60.0
_Found = TypeVar("_Found")


class LightMachines:
    """Fulfils what tests and checkers use of `AgentControl`. Runs in a thread of its own from `start` to `stop`."""

    def __init__(self, plane: Access, nodes: tuple[str, ...], storage: str) -> None:
        """`storage`: URL of the door to replicated disks."""
        self._plane, self._nodes, self._storage = plane, nodes, storage
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._main, name=f"machines of {plane.name}", daemon=True)

    def start(self) -> None:
        self._thread.start()
        if not self._ready.wait(_CONTROL_SECONDS):
            raise TimeoutError(f"the machines of {self._plane.name} did not start")

    def stop(self) -> None:
        if self._loop is not None and self._task is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._task.cancel)
            self._thread.join(_CONTROL_SECONDS)

    def state(self) -> dict[str, Any]:
        return self._ask(self._world.state())

    def history(self, since: int = 0) -> list[dict[str, Any]]:
        return self._ask(self._world.told(since))

    def guests(self, namespace: str, vm: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.state()["guests"].get(f"{namespace}/{vm}", [])
        return found

    def set(self, **seconds: float) -> None:
        """Times: boot, stop, write."""
        self._ask(self._world.set(seconds))

    def guest(self, namespace: str, vm: str, do: str) -> None:
        """crash, poweroff, hang, stick, recover (ValueError for what no guest can do). To one that is not there it does nothing."""
        self._ask(self._world.do(f"{namespace}/{vm}", do))

    def site(self, power: str) -> None:
        """on, off: every machine at once, with its disks."""
        self._ask(self._world.site(power == "on"))

    def reset(self) -> None:
        """No delays, no faults, every machine alive."""
        self._ask(self._world.reset())

    def _ask(self, work: Coroutine[Any, Any, _Found]) -> _Found:
        assert self._loop is not None, "start comes first"
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_CONTROL_SECONDS)

    def _main(self) -> None:
        asyncio.run(self._run())

    async def _run(self) -> None:
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        pki = self._plane.pki
        tls = ssl.create_default_context(cafile=pki.authority.certificate)
        tls.load_cert_chain(pki.admin.certificate, pki.admin.key)
        self._world = _Machines(self._plane.name, self._nodes, Api(self._plane.url, tls), self._storage)
        self._ready.set()
        try:
            await self._world.run()
        except asyncio.CancelledError:
            _log.info("the machines of %s end", self._plane.name)


class _Machines:
    """Everything of one cluster, in its loop."""

    def __init__(self, cluster: str, nodes: tuple[str, ...], api: Api, storage: str) -> None:
        self._api, self._disks, self._queue = api, Disks(storage, cluster), WorkQueue(self._look)
        self.machines, self.history = Machines(nodes), History(Clock())
        self.guests_of = Guests(self.history.of(cluster))
        self._vms = Table(f"{_KUBEVIRT}/virtualmachines", self._changed)
        self._instances = Table(f"{_KUBEVIRT}/virtualmachineinstances", self._changed)
        self._nodes = Table("/api/v1/nodes", lambda key, item: self._all())
        self._claims = Table(_CLAIMS, lambda key, item: self._stored(_CLAIMS, key, item))
        self._volumes = Table(_VOLUMES, lambda key, item: self._stored(_VOLUMES, key, item))

    async def run(self) -> None:
        tables = (self._nodes, self._volumes, self._claims, self._vms, self._instances)
        try:
            async with asyncio.TaskGroup() as group:
                for table in tables:
                    group.create_task(self._api.follow(table.path, table.replace, table.change))
                for work in (self._queue.run(), self._write()):
                    group.create_task(work)
        finally:
            await self._api.close()
            await self._disks.close_session()
            await asyncio.sleep(_LINGER_SECONDS)  # connections close in the loop's next rounds

    async def state(self) -> dict[str, Any]:
        told: dict[str, list[dict[str, object]]] = {}
        for guest in self.guests_of.by_uid.values():
            told.setdefault(guest.vm, []).append(guest.as_json())
        return {**self.machines.as_json(), "guests": told}

    async def told(self, since: int) -> list[dict[str, Any]]:
        return self.history.as_json(since)

    async def set(self, seconds: dict[str, float]) -> None:
        self.machines.times.change(seconds)
        self._all()

    async def do(self, vm: str, deed: str) -> None:
        for guest in list(self.guests_of.of(vm)):
            guest.do(deed)
        self._queue.add(("vm", vm))

    async def site(self, on: bool) -> None:
        if on:
            await self._disks.power("", on=True)
        for node in self.machines.modes:
            self.machines.modes[node] = ALIVE if on else DEAD
            if not on:
                self.guests_of.lose(node)
        if not on:
            await self._disks.power("", on=False)
        self._all()

    async def reset(self) -> None:
        self.machines.times = Times()
        await self.site(True)
        for guest in self.guests_of.by_uid.values():
            guest.do(RECOVER)
        self._all()

    async def _write(self) -> None:
        while True:
            await asyncio.sleep(max(0.05, self.machines.times.write))
            writers = [guest for guest in self.guests_of.running() if guest.disks]
            await asyncio.gather(*(self._disks.write(guest) for guest in writers))

    def _changed(self, key: str, item: Object) -> None:
        self._queue.add(("vm", key))

    def _stored(self, kind: str, key: str, item: Object) -> None:
        unbound = kind == _CLAIMS and (item.get("status") or {}).get("phase") != "Bound"
        if item["metadata"].get("deletionTimestamp") or unbound:
            self._queue.add((kind, key))

    def _all(self) -> None:
        for key in {*self._vms.items, *self._instances.items}:
            self._queue.add(("vm", key))

    async def _look(self, key: Key) -> float | None:
        return await (self._machine(key) if key[0] == "vm" else self._keep(*key))

    async def _keep(self, kind: str, key: str) -> float | None:
        """A claim that names its volume is bound. A claim or volume that is deleted goes when nothing uses it: the protection that admission puts on
        it is taken off."""
        item = (self._claims if kind == _CLAIMS else self._volumes).items.get(key)
        if item is None:
            return None
        if not item["metadata"].get("deletionTimestamp"):
            await self._bind(item)
            return None
        if not item["metadata"].get("finalizers"):
            return None
        if kind == _CLAIMS and any(key in _claims_of(instance) for instance in self._instances.items.values()):
            return _AGAIN_SECONDS
        namespace, _, name = key.rpartition("/")
        root = f"/api/v1/namespaces/{namespace}/persistentvolumeclaims" if kind == _CLAIMS else _VOLUMES
        await self._api.merge(f"{root}/{name}", {"metadata": {"finalizers": None}})
        return None

    async def _bind(self, claim: Object) -> None:
        if claim["spec"].get("volumeName"):
            metadata = claim["metadata"]
            path = f"/api/v1/namespaces/{metadata['namespace']}/persistentvolumeclaims/{metadata['name']}/status"
            await self._api.merge(path, {"status": {"phase": "Bound"}})

    async def _machine(self, key: Key) -> float | None:
        vm, instance = self._vms.items.get(key[1]), self._instances.items.get(key[1])
        if not any(self.machines.powered(node) for node in self.machines.modes):
            return None
        await self._bury(key[1], instance["metadata"]["uid"] if instance else "")
        if instance is not None:
            return await self._attend(vm, instance)
        if vm is None or vm["metadata"].get("deletionTimestamp"):
            return None
        if _run(vm) in _STARTS:
            await self._create(vm)
        else:
            await self._say(vm, ready=False, created=False)
        return None

    async def _bury(self, vm: str, uid: str) -> None:
        for guest in list(self.guests_of.by_uid.values()):
            if guest.vm == vm and guest.uid != uid and not guest.stuck:
                self.guests_of.cease(guest, "its instance is gone")
                await self._disks.close(guest)
                self.guests_of.by_uid.pop(guest.uid, None)

    async def _create(self, vm: Object) -> None:
        metadata, template = vm["metadata"], vm["spec"]["template"]
        made = {
            "apiVersion": "kubevirt.io/v1",
            "kind": "VirtualMachineInstance",
            "metadata": {
                "name": metadata["name"],
                "namespace": metadata["namespace"],
                "labels": (template.get("metadata") or {}).get("labels") or {},
                "finalizers": [_FINALIZER],
            },
            "spec": template["spec"],
            "status": {"phase": "Scheduling"},
        }
        try:
            await self._api.call(
                "POST", f"{_KUBEVIRT}/namespaces/{metadata['namespace']}/virtualmachineinstances", made
            )
        except Conflict:
            return  # the watch has not told us yet
        await self._say(vm, ready=False, created=True)

    async def _attend(self, vm: Object | None, instance: Object) -> float | None:
        uid, phase = instance["metadata"]["uid"], (instance.get("status") or {}).get("phase")
        guest = self.guests_of.by_uid.get(uid)
        if instance["metadata"].get("deletionTimestamp"):
            return await self._shut_down(instance, guest)
        if vm is None or vm["metadata"].get("deletionTimestamp") or _run(vm) not in _GOES_ON:
            await self._delete(instance)
        elif uid in self.guests_of.lost or (phase == "Running" and guest is None) or (guest and guest.deed == CRASH):
            await self._fail(instance, guest)
        elif phase == "Failed":
            await self._delete(instance)
        elif phase != "Running":
            return await self._boot(vm, instance, guest)
        return None

    async def _delete(self, instance: Object) -> None:
        """Its finalizer keeps it: the answer is the object with its deletionTimestamp."""
        self._instances.put(await self._api.call("DELETE", _path(instance)))

    async def _fail(self, instance: Object, guest: Guest | None) -> None:
        if guest is not None:
            self.guests_of.cease(guest, "failed")
            await self._disks.close(guest)
            self.guests_of.by_uid.pop(guest.uid, None)
        self.guests_of.lost.discard(instance["metadata"]["uid"])
        self._instances.put(await self._api.merge(_path(instance), {"status": {"phase": "Failed"}}))

    async def _shut_down(self, instance: Object, guest: Guest | None) -> float | None:
        if guest is not None:
            grace = float(instance["spec"].get("terminationGracePeriodSeconds", _GRACE_SECONDS))
            left = guest.shutdown_left(self.machines.times.stop, grace)
            if left > 0:
                return left
            if guest.stuck:
                return _AGAIN_SECONDS
            self.guests_of.cease(guest, "shut down")
            await self._disks.close(guest)
            guest.state = ENDED
            self.guests_of.by_uid.pop(guest.uid, None)
        await self._api.merge(_path(instance), {"metadata": {"finalizers": None}})
        return None

    async def _boot(self, vm: Object, instance: Object, guest: Guest | None) -> float | None:
        if guest is None:
            node = self._place()
            if node is None:
                return _AGAIN_SECONDS  # every node is tainted
            guest = Guest(key_of(instance), instance["metadata"]["uid"], "", node)
            self.guests_of.by_uid[guest.uid] = guest
        try:
            await self._disks.open(guest, handles(instance, self._claims.items, self._volumes.items))
        except DiskRefused as error:
            _log.info("%s cannot start: %s", guest.vm, error)
            self.guests_of.by_uid.pop(guest.uid, None)
            return _AGAIN_SECONDS
        except (aiohttp.ClientError, TimeoutError):
            self.guests_of.by_uid.pop(guest.uid, None)
            raise
        left = guest.since + self.machines.times.boot - time.monotonic()
        if left > 0:
            return left
        self.guests_of.begin(guest)
        conditions = [{"type": "Ready", "status": "True"}, {"type": "AgentConnected", "status": "True"}]
        status = {"phase": "Running", "nodeName": guest.node, "conditions": conditions}
        self._instances.put(await self._api.merge(_path(instance), {"status": status}))
        await self._say(vm, ready=True, created=True)
        return None

    def _place(self) -> str | None:
        """The least loaded node without a taint that keeps VMs away."""
        load = Counter(guest.node for guest in self.guests_of.by_uid.values())
        free = [
            name
            for name, node in self._nodes.items.items()
            if name in self.machines.modes and not (node.get("spec") or {}).get("taints")
        ]
        return min(free, key=lambda name: (load[name], name), default=None)

    async def _say(self, vm: Object, *, ready: bool, created: bool) -> None:
        """What virt-controller says of a VM; not again what it has said."""
        shown = "Running" if ready else "Starting" if created else "Stopped"
        told = {"printableStatus": shown, "runStrategy": _strategy(vm), "created": created, "ready": ready}
        if told.items() <= (vm.get("status") or {}).items():
            return
        metadata = vm["metadata"]
        path = f"{_KUBEVIRT}/namespaces/{metadata['namespace']}/virtualmachines/{metadata['name']}/status"
        self._vms.put(await self._api.merge(path, {"status": told}))


def _run(vm: Object) -> str:
    spec = vm["spec"]
    return (
        f"running={str(spec['running']).lower()}" if spec.get("running") is not None else str(spec.get("runStrategy"))
    )


def _strategy(vm: Object) -> str:
    return {"running=true": "Always", "running=false": "Halted"}.get(_run(vm), _run(vm))


def _claims_of(instance: Object) -> list[str]:
    return [f"{instance['metadata']['namespace']}/{name}" for name in claim_names(instance["spec"])]


def _path(instance: Object) -> str:
    metadata = instance["metadata"]
    return f"{_KUBEVIRT}/namespaces/{metadata['namespace']}/virtualmachineinstances/{metadata['name']}"
