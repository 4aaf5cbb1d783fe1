"""The agent as a whole: tables, queue and the parts that look at what changed."""

from __future__ import annotations

import asyncio
import ssl
from collections import defaultdict

from aiohttp import web

from sandbox.clock import Clock
from sandbox.history import History
from sandbox.http import serve
from sandbox.kubernetes.agent import control, door
from sandbox.kubernetes.agent.api import Api
from sandbox.kubernetes.agent.disks import Disks, handles
from sandbox.kubernetes.agent.guests import RECOVER, Guests
from sandbox.kubernetes.agent.handler import Handler
from sandbox.kubernetes.agent.kubelet import Kubelet, instance_of
from sandbox.kubernetes.agent.machines import ALIVE, DEAD, Machines, Times
from sandbox.kubernetes.agent.nodes import Heart
from sandbox.kubernetes.agent.pods import logs
from sandbox.kubernetes.agent.pods.kubelet import ProcessKubelet
from sandbox.kubernetes.agent.queue import Key, WorkQueue
from sandbox.kubernetes.agent.scheduler import Scheduler
from sandbox.kubernetes.agent.settings import Settings
from sandbox.kubernetes.agent.tables import Table
from sandbox.kubernetes.client import Object

_POD, _INSTANCE = "pod", "vmi"
_HANDLER_LABEL = "virt-handler"


class Agent:
    """Everything of one cluster that would need a machine."""

    def __init__(self, settings: Settings) -> None:
        """Inside the event loop it will run on."""
        self.settings = settings
        self.machines = Machines(settings.nodes)
        self.history = History(Clock())
        self.guests = Guests(self.history.of(settings.cluster))
        tls = ssl.create_default_context(cafile=settings.authority)
        self._handler_api = Api(settings.server, tls, settings.handler.token if settings.handler else "")
        known = ssl.create_default_context(cafile=settings.authority)
        known.load_cert_chain(settings.certificate, settings.key)
        self._api = Api(settings.server, known)
        self._disks = Disks(settings.storage, settings.cluster)
        self._queue = WorkQueue(self._look)
        self._launchers: dict[str, set[str]] = defaultdict(set)
        self._make_tables()
        self._make_parts()

    def _make_tables(self) -> None:
        self._pods = Table("/api/v1/pods", self._pod_changed)
        self._instances = Table(
            "/apis/kubevirt.io/v1/virtualmachineinstances", lambda key, item: self._queue.add((_INSTANCE, key))
        )
        self._nodes = Table("/api/v1/nodes", lambda key, item: self._retry_unscheduled())
        self._claims = Table("/api/v1/persistentvolumeclaims", lambda key, item: self._retry_unscheduled())
        self._volumes = Table("/api/v1/persistentvolumes", lambda key, item: None)

    def _make_parts(self) -> None:
        settings = self.settings
        self._scheduler = Scheduler(self._api, self._pods, self._nodes, self._claims)
        self._kubelet = Kubelet(self._api, self._pods, self.guests, self.machines)
        self._processes = ProcessKubelet(
            self._api, settings, self._pods, self.machines, lambda key: self._queue.add((_POD, key))
        )
        self._heart = Heart(self._api, self.machines, settings.kubelet.port, kubevirt=settings.handler is not None)
        self._handler = Handler(
            self._handler_api,
            self._instances,
            self.guests,
            self.machines,
            self._disks,
            pods=self._pods_of,
            handles=lambda instance: handles(instance, self._claims.items, self._volumes.items),
            touch=self._touch,
        )

    async def run(self) -> None:
        """Serve and work until cancelled."""
        runners = await self._serve()
        tables = [self._nodes, self._volumes, self._claims, self._pods]
        if self.settings.handler:
            tables.append(self._instances)
        try:
            async with asyncio.TaskGroup() as group:
                for table in tables:
                    group.create_task(self._api.follow(table.path, table.replace, table.change))
                for work in (self._heart.run(), self._queue.run(), self._write()):
                    group.create_task(work)
        finally:
            await self._processes.stop()
            for closing in (*(runner.cleanup() for runner in runners), self._api.close(), self._handler_api.close()):
                await closing
            await self._disks.close_session()

    async def _serve(self) -> list[web.AppRunner]:
        """The control port, and the endpoints that kubelet and virt-handler have on a machine."""
        settings = self.settings
        controlled, _ = await serve(control.make_app(self), port=settings.control_port)
        kubelet = settings.kubelet.tls()
        kubelet.load_verify_locations(settings.authority)
        kubelet.verify_mode = ssl.CERT_REQUIRED  # logs are for the API server, which asks who may read them
        app = logs.make_app(self._processes.log_of)
        logged, _ = await serve(app, port=settings.kubelet.port, ssl_context=kubelet)
        if settings.handler is None:
            return [controlled, logged]
        app = door.make_app(self.guests, self.machines, self._touch)
        asked, _ = await serve(app, port=settings.handler.port, ssl_context=settings.handler.tls())
        return [controlled, logged, asked]

    async def _write(self) -> None:
        """Every guest with replicated disks writes now and then; that is what a failover must not lose."""
        while True:
            await asyncio.sleep(max(0.05, self.machines.times.write))
            writers = [guest for guest in self.guests.running() if guest.disks and self.machines.powered(guest.node)]
            await asyncio.gather(*(self._disks.write(guest) for guest in writers))

    async def _look(self, key: Key) -> float | None:
        kind, name = key
        if kind == _INSTANCE:
            return await self._handler.look(name)
        pod = self._pods.items.get(name)
        if pod is None:
            return None
        if not pod["spec"].get("nodeName"):
            return None if pod["metadata"].get("deletionTimestamp") else await self._scheduler.look(pod)
        return await (self._kubelet if instance_of(pod)[0] else self._processes).look(pod)

    def _pod_changed(self, key: str, pod: Object) -> None:
        """A launcher and its instance are looked at together: each waits for the other."""
        vm, uid = instance_of(pod)
        here = key in self._pods.items
        if vm:
            self._launchers[uid].add(key) if here else self._launchers[uid].discard(key)
            if not self._launchers[uid]:
                del self._launchers[uid]
            self._queue.add((_INSTANCE, vm))
        if not here:
            self._kubelet.forget(pod)
            self._processes.forget(pod)
        elif pod["metadata"].get("labels", {}).get("kubevirt.io") != _HANDLER_LABEL:
            self._queue.add((_POD, key))

    def _pods_of(self, uid: str) -> list[Object]:
        keys = self._launchers.get(uid, set())
        return [self._pods.items[key] for key in keys if key in self._pods.items]

    def _retry_unscheduled(self) -> None:
        for key, pod in self._pods.items.items():
            if not pod["spec"].get("nodeName"):
                self._queue.add((_POD, key))

    def _touch(self, vm: str) -> None:
        """Something happened to a VM's guest: its instance and launchers are looked at."""
        self._queue.add((_INSTANCE, vm))
        instance = self._instances.items.get(vm)
        for key in self._launchers.get(instance["metadata"]["uid"], set()) if instance else ():
            self._queue.add((_POD, key))

    def look_at_everything(self) -> None:
        """After a change to the played world, which no watch tells."""
        for key, pod in self._pods.items.items():
            self._pod_changed(key, pod)
        for vm in {*self._instances.items, *(guest.vm for guest in self.guests.by_uid.values())}:
            self._queue.add((_INSTANCE, vm))

    async def set_node(self, node: str, mode: str) -> None:
        """Change a node's mode (ValueError for a name or mode there is not). The guests of a dead one are lost, and its disks are down."""
        before = self.machines.modes.get(node)
        self.machines.check(node, mode)
        if before == DEAD != mode:
            await self._disks.power(node, on=True)
        self.machines.modes[node] = mode
        if mode == DEAD != before:
            self.guests.lose(node)
            await self._disks.power(node, on=False)

    async def set_site(self, mode: str) -> None:
        """Every node, and the site's power for its disks."""
        if mode != DEAD:
            await self._disks.power("", on=True)
        for node in self.machines.modes:
            await self.set_node(node, mode)
        if mode == DEAD:
            await self._disks.power("", on=False)

    async def reset(self) -> None:
        """No delays, no faults, every node alive."""
        self.machines.times = Times()
        self.machines.boot_failures.clear()
        await self.set_site(ALIVE)
        for guest in self.guests.by_uid.values():
            guest.do(RECOVER)

    def state(self) -> dict[str, object]:
        """For the control port. Two copies of one VM are both listed."""
        told: dict[str, list[dict[str, object]]] = defaultdict(list)
        for guest in self.guests.by_uid.values():
            told[guest.vm].append(guest.as_json())
        return {"cluster": self.settings.cluster, **self.machines.as_json(), "guests": told}
