"""Everything that was seen at once: what the rules are asked of. Objects stay as they are on the wire."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

Object = Mapping[str, Any]
Key = tuple[str, str]
"""(namespace, name)"""

MARK = "siterecovery.trilio.io"
DRILL = f"{MARK}/drill"
FINAL = ("Succeeded", "Failed")


def key_of(item: Object) -> Key:
    return str(item["metadata"].get("namespace") or ""), str(item["metadata"]["name"])


def status_of(item: Object) -> Mapping[str, Any]:
    return item.get("status") or {}


def notes_of(item: Object) -> Mapping[str, str]:
    return item["metadata"].get("annotations") or {}


def labels(item: Object) -> Mapping[str, str]:
    return item["metadata"].get("labels") or {}


@dataclass(frozen=True)
class Side:
    """One cluster. `guests`: namespace/name → what its machines run; None where it has none that could be asked. `volumes`: PersistentVolumes."""

    name: str
    groups: Sequence[Object] = ()
    failovers: Sequence[Object] = ()
    vms: Sequence[Object] = ()
    instances: Sequence[Object] = ()
    launchers: Sequence[Object] = ()
    nodes: Sequence[Object] = ()
    leases: Sequence[Object] = ()
    claims: Sequence[Object] = ()
    volumes: Sequence[Object] = ()
    guests: Mapping[str, Sequence[Object]] | None = None
    events: Sequence[Object] = ()
    """What its machines have written down of their guests."""

    def group(self, key: Key) -> Object | None:
        return next((item for item in self.groups if key_of(item) == key), None)

    def vm(self, key: Key) -> Object | None:
        return self._vms.get(key)

    @cached_property
    def _vms(self) -> Mapping[Key, Object]:
        return {key_of(item): item for item in self.vms}

    @cached_property
    def executing(self) -> frozenset[Key]:
        """VMs of which a guest boots or runs."""
        alive = (vm for vm, runs in (self.guests or {}).items() if any(run["state"] != "ended" for run in runs))
        return frozenset((namespace, name) for namespace, _, name in (vm.partition("/") for vm in alive))

    @cached_property
    def occupied(self) -> frozenset[Key]:
        """VMs with an instance or a launcher that is not at its end."""
        alive = {key_of(item) for item in self.instances if status_of(item).get("phase") not in FINAL}
        for pod in self.launchers:
            name = notes_of(pod).get("kubevirt.io/domain") or labels(pod).get("vm.kubevirt.io/name", "")
            if status_of(pod).get("phase") not in FINAL:
                alive.add((key_of(pod)[0], name))
        return frozenset(alive)

    @cached_property
    def up(self) -> frozenset[Key]:
        """VMs whose instance is Running and whose guest runs."""
        running = {key_of(item) for item in self.instances if status_of(item).get("phase") == "Running"}
        return frozenset(running & self.executing) if self.guests is not None else frozenset(running)


@dataclass(frozen=True)
class Picture:
    """`sides`: clusters that could be looked at. `disks`: every replicated volume as its simulator knows it. `namespaces` narrows what is judged;
    `excused` are VMs that a test itself has made run twice; `settled`: nothing is said to be under way."""

    sides: Mapping[str, Side] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)
    disks: Mapping[str, Object] = field(default_factory=dict)
    disk_events: Sequence[Object] = ()
    clusters_of_nodes: Mapping[str, str] = field(default_factory=dict)
    wanted_taints: Mapping[str, Mapping[str, Sequence[str]]] = field(default_factory=dict)
    namespaces: frozenset[str] | None = None
    excused: frozenset[str] = frozenset()
    settled: bool = True
    now: float = 0.0

    def judged(self, namespace: str) -> bool:
        return self.namespaces is None or namespace in self.namespaces

    def judged_volume(self, handle: str) -> bool:
        """By the namespace of the claim it is bound to on any cluster."""
        return self.namespaces is None or handle in self._volumes

    @cached_property
    def _volumes(self) -> frozenset[str]:
        return frozenset(
            str((item["spec"].get("csi") or {}).get("volumeHandle"))
            for side in self.sides.values()
            for item in side.volumes
            if self.judged(str((item["spec"].get("claimRef") or {}).get("namespace")))
        )

    def side(self, name: str) -> Side | None:
        """By any of its names; None when it could not be looked at."""
        return self.sides.get(self.aliases.get(name, name))

    def canonical(self, name: str) -> str:
        return self.aliases.get(name, name)

    def failovers(self) -> Iterator[tuple[Side, Object]]:
        for side in self.sides.values():
            for item in side.failovers:
                if self.judged(key_of(item)[0]):
                    yield side, item

    @cached_property
    def groups(self) -> Mapping[Key, Group]:
        found: dict[Key, dict[str, Object]] = {}
        for side in self.sides.values():
            for item in side.groups:
                if self.judged(key_of(item)[0]):
                    found.setdefault(key_of(item), {})[side.name] = item
        return {key: Group(self, key, copies) for key, copies in found.items()}

    def moves_of(self, key: Key) -> list[Object]:
        """The group's Failovers, oldest first."""
        own = [item for _, item in self.failovers() if (key_of(item)[0], item["spec"]["protectionGroup"]) == key]
        return sorted(own, key=lambda item: str(item["metadata"].get("creationTimestamp")))


@dataclass(frozen=True)
class Group:
    """A protection group: its copies by cluster."""

    picture: Picture
    key: Key
    copies: Mapping[str, Object]

    def __str__(self) -> str:
        return f"group {'/'.join(self.key)}"

    @property
    def workload(self) -> list[Side]:
        """Its two clusters, those that could be looked at."""
        spec = next(iter(self.copies.values()))["spec"]["clusters"]
        named = (self.picture.side(spec["primary"]), self.picture.side(spec["dr"]))
        return [side for side in named if side is not None]

    @property
    def newest(self) -> Object:
        """The copy with the highest epoch."""
        return max(self.copies.values(), key=lambda copy: int(status_of(copy).get("epoch") or 0))

    @property
    def epoch(self) -> int:
        return int(status_of(self.newest).get("epoch") or 0)

    @property
    def active(self) -> str:
        return self.picture.canonical(str(status_of(self.newest).get("activeCluster") or ""))

    @property
    def debts(self) -> list[Object]:
        return [debt for copy in self.copies.values() for debt in status_of(copy).get("debts") or ()]

    def members(self, side: Side) -> list[Key]:
        """By the copy on that cluster, or any other one."""
        spec = self.copies.get(side.name, self.newest)["spec"]
        namespace = self.key[0]
        if spec.get("virtualMachines") is not None:
            return [(namespace, member["name"]) for member in spec["virtualMachines"]]
        wanted = (spec.get("vmSelector") or {}).get("matchLabels") or {}
        return [
            key_of(vm)
            for vm in side.vms
            if key_of(vm)[0] == namespace and all(labels(vm).get(name) == value for name, value in wanted.items())
        ]

    def handles(self) -> set[str]:
        """Volumes under its VMs, by the claims on any of its clusters."""
        found = set()
        for side in self.workload:
            vms = [vm for key in self.members(side) if (vm := side.vm(key)) is not None]
            found |= set(handles_of(side, vms))
        return found


def handles_of(side: Side, vms: Iterable[Object]) -> Iterator[str]:
    """volumeHandles behind the claims of some VMs."""
    bound = {key_of(claim): str((claim.get("spec") or {}).get("volumeName")) for claim in side.claims}
    handles = {
        item["metadata"]["name"]: (item["spec"].get("csi") or {}).get("volumeHandle", "") for item in side.volumes
    }
    for vm in vms:
        for volume in vm["spec"]["template"]["spec"].get("volumes") or ():
            claim = (volume.get("persistentVolumeClaim") or {}).get("claimName") or (
                volume.get("dataVolume") or {}
            ).get("name")
            handle = handles.get(bound.get((key_of(vm)[0], str(claim)), ""))
            if handle:
                yield str(handle)


def rows_of(failover: Object) -> dict[str, Mapping[str, Any]]:
    """The journal by step, each with its `result` read."""
    rows = status_of(failover).get("steps") or ()
    return {row["name"]: {**row, "result": json.loads(row.get("result") or "null")} for row in rows}
