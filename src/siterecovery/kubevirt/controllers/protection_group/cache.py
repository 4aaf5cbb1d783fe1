"""The local cluster's objects a group's controller plans with, and the copies of groups on the other clusters. For finding and planning only:
before a VM is started the other copies are read live."""

import asyncio
import logging
from collections.abc import Callable, Iterable

from siterecovery.kubevirt.clusters import base
from siterecovery.kubevirt.clusters.informer import Change, Informer, Key
from siterecovery.kubevirt.domain import node as nodes
from siterecovery.kubevirt.domain.names import GROUP_LABEL
from siterecovery.kubevirt.domain.resources import (
    NODES,
    PERSISTENT_VOLUME_CLAIMS,
    PERSISTENT_VOLUMES,
    PODS,
    PROTECTION_GROUPS,
    VIRTUAL_MACHINE_INSTANCES,
    VIRTUAL_MACHINES,
    Object,
)
from siterecovery.kubevirt.domain.virtual_machine import DOMAIN, LAUNCHER_LABEL
from siterecovery.workflow.clock import Clock

LOG = logging.getLogger(__name__)
FRESH = 90.0
"""Seconds without a word after which a copy of another cluster's list counts as unread: more than one bookmark apart."""


class Cache:
    """Informers on the local cluster. `woken` is told the key of each group that may have to be looked at."""

    def __init__(self, cluster: base.Cluster, woken: Callable[[Key], None], *, resync: float, clock: Clock) -> None:
        self._woken = woken
        options = {"resync": resync, "clock": clock}
        self.groups = Informer(cluster, PROTECTION_GROUPS, **options)  # type: ignore[arg-type]
        # Everything else is told when it changes; the groups' own resync repeats the rest.
        quiet = {"resync": 86400.0, "clock": clock}
        self.vms = Informer(cluster, VIRTUAL_MACHINES, **quiet)  # type: ignore[arg-type]
        self.instances = Informer(cluster, VIRTUAL_MACHINE_INSTANCES, **quiet)  # type: ignore[arg-type]
        self.pods = Informer(cluster, PODS, labels=LAUNCHER_LABEL, **quiet)  # type: ignore[arg-type]
        self.nodes = Informer(cluster, NODES, **quiet)  # type: ignore[arg-type]
        self.claims = Informer(cluster, PERSISTENT_VOLUME_CLAIMS, **quiet)  # type: ignore[arg-type]
        self.volumes = Informer(cluster, PERSISTENT_VOLUMES, **quiet)  # type: ignore[arg-type]
        self._launchers: dict[Key, dict[Key, Object]] = {}
        self._silent: frozenset[str] = frozenset()
        self._naming: dict[Key, set[Key]] = {}
        """VM → groups that name it."""
        self._selecting: dict[str, set[Key]] = {}
        """Namespace → groups that select by label: any VM there may be theirs."""
        self._written: dict[Key, tuple[str, Object]] = {}
        """VM → resourceVersion the list knew, and what we have made of it."""
        self._labelled: dict[Key, set[Key]] = {}
        """Group → VMs that are marked as its members."""
        self.groups.tell(self._group_changed)
        self.groups.announce(self._wake_all)
        self.vms.tell(self._vm_changed)
        self.instances.tell(self._instance_changed)
        self.pods.tell(self._pod_changed)
        self.nodes.tell(self._node_changed)

    @property
    def _all(self) -> tuple[Informer, ...]:
        return self.groups, self.vms, self.instances, self.pods, self.nodes, self.claims, self.volumes

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            for informer in self._all:
                tasks.create_task(informer.run())

    async def synced(self) -> None:
        for informer in self._all:
            await informer.synced.wait()

    @property
    def age(self) -> float | None:
        """Seconds since the least heard list was heard; None before all were."""
        ages = [informer.age for informer in self._all]
        return None if None in ages else max(age for age in ages if age is not None)

    def launchers(self, key: Key) -> list[Object]:
        return list(self._launchers.get(key, {}).values())

    @property
    def silent_nodes(self) -> frozenset[str]:
        return self._silent

    def groups_of(self, vm: Key) -> set[Key]:
        """Groups that name this VM, or whose selector might take it."""
        return self._naming.get(vm, set()) | self._selecting.get(vm[0], set())

    def _group_changed(self, change: Change) -> None:
        if change.before is not change.now:
            self._index(change.key, change.before, keep=False)
            self._index(change.key, change.now, keep=True)
        self._woken(change.key)

    def _index(self, key: Key, group: Object | None, *, keep: bool) -> None:
        if group is None:
            return
        members = group["spec"].get("virtualMachines")
        if members is None:
            places = [self._selecting.setdefault(key[0], set())]
        else:
            places = [self._naming.setdefault((key[0], member["name"]), set()) for member in members]
        for place in places:
            (place.add if keep else place.discard)(key)

    def vm(self, key: Key) -> Object | None:
        """As the list knows it, or as we have written it since: a pass must not take its own last word back because the event is still on its way."""
        known = self.vms.get(key)
        if key in self._written:
            before, after = self._written[key]
            if known is not None and known["metadata"]["resourceVersion"] == before:
                return after
            del self._written[key]
        return known

    def listed(self, key: Key) -> str:
        """The resourceVersion under which the list knows a VM now."""
        known = self.vms.get(key)
        return str(known["metadata"]["resourceVersion"]) if known is not None else ""

    def wrote(self, key: Key, listed: str, now: Object) -> None:
        """`listed`: what the list knew when it was read for the write; `now`: what the API server answered. Forgotten with the next event."""
        self._written[key] = (listed, now)

    def labelled(self, group: Key) -> list[Object]:
        """The VMs that are marked as members of the group."""
        return [vm for key in self._labelled.get(group, ()) if (vm := self.vms.get(key)) is not None]

    def _vm_changed(self, change: Change) -> None:
        if change.before is change.now:
            return
        before, now = _group_of(change.before), _group_of(change.now)
        if before != now:
            self._labelled.get((change.key[0], before or ""), set()).discard(change.key)
            self._labelled.setdefault((change.key[0], now or ""), set()).add(change.key)
        self._wake(change.key)

    def _instance_changed(self, change: Change) -> None:
        if change.before is not change.now:
            self._wake(change.key)

    def _wake(self, vm: Key) -> None:
        for key in self.groups_of(vm):
            self._woken(key)

    def _pod_changed(self, change: Change) -> None:
        name = _vm_of(change.now) or _vm_of(change.before)
        if name is None:
            return
        vm = (change.key[0], name)
        there = self._launchers.setdefault(vm, {})
        if change.now is None:
            there.pop(change.key, None)
        else:
            there[change.key] = change.now
        self._wake(vm)

    def _node_changed(self, change: Change) -> None:
        silent = nodes.unresponsive(self.nodes)
        if silent != self._silent:
            self._silent = silent
            self._wake_all()

    def _wake_all(self) -> None:
        for key in list(self.groups.objects):
            self._woken(key)


def _vm_of(pod: Object | None) -> str | None:
    found = ((pod or {}).get("metadata", {}).get("annotations") or {}).get(DOMAIN)
    return str(found) if found else None


def _group_of(vm: Object | None) -> str | None:
    found = ((vm or {}).get("metadata", {}).get("labels") or {}).get(GROUP_LABEL)
    return str(found) if found else None


class Peers:
    """The groups of the other clusters, by an informer each, made when a cluster is first asked for. `everyone`: the groups of the own cluster."""

    def __init__(
        self,
        woken: Callable[[Key], None],
        clock: Clock,
        everyone: Callable[[], Iterable[Key]],
        resync: float = 86400.0,
    ) -> None:
        self._woken = woken
        self._everyone = everyone
        self._clock = clock
        self._resync = resync
        self._informers: dict[str, tuple[base.Cluster, Informer, asyncio.Task[None]]] = {}

    def follow(self, name: str, cluster: base.Cluster) -> None:
        """From now on the groups of that cluster are known as well as it can be reached. A new client (a changed Secret) begins anew."""
        known = self._informers.get(name)
        if known is not None and known[0] is cluster:
            return
        if known is not None:
            known[2].cancel()
        informer = Informer(cluster, PROTECTION_GROUPS, resync=self._resync, clock=self._clock)
        informer.tell(lambda change: self._woken(change.key))
        # A cluster that can be read now: that it has no copy of a group is no change, and yet what the group waits for.
        informer.announce(lambda: self._wake(self._everyone()))
        self._informers[name] = (cluster, informer, asyncio.get_running_loop().create_task(informer.run()))

    def _wake(self, keys: Iterable[Key]) -> None:
        for key in list(keys):
            self._woken(key)

    def copy(self, name: str, key: Key) -> tuple[bool, Object | None]:
        """(readable, the copy or None where there is none)."""
        known = self._informers.get(name)
        if known is None or known[1].age is None or known[1].age > FRESH:
            return False, None
        return True, known[1].get(key)

    def heard(self, names: Iterable[str]) -> dict[str, float | None]:
        """Seconds since each of these clusters was heard."""
        return {name: self._informers[name][1].age if name in self._informers else None for name in names}

    async def close(self) -> None:
        tasks = [task for _, _, task in self._informers.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
