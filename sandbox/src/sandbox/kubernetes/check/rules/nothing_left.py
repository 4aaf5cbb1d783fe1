"""Nothing is left: no lock, no drill copy, no taint, no property of a forced failover, no mark on a VM or a group that nobody needs any more."""

from __future__ import annotations

import datetime
from collections.abc import Iterator

from sandbox.kubernetes.check.picture import (
    DRILL,
    FINAL,
    MARK,
    Group,
    Object,
    Picture,
    Side,
    handles_of,
    key_of,
    labels,
    notes_of,
    status_of,
)

_LOCKS = ("failover-lock-", "failover-target-")
_FORCED = "Aux/siterecovery/quorum-before"
_COPY_OF = "Aux/siterecovery/copy-of"
_DISCARDING = "Aux/siterecovery/discarding/"
_TAINTS = ("drbd.linbit.com/lost-quorum", "drbd.linbit.com/force-io-error")


def findings(picture: Picture) -> Iterator[str]:
    if not picture.settled:
        return
    for side in picture.sides.values():
        yield from _locks(picture, side)
        yield from _taints(picture, side)
    yield from _finalizers(picture)
    yield from _drills(picture)
    for group in picture.groups.values():
        yield from _quorum(picture, group)
        yield from _marks(picture, group)


def _locks(picture: Picture, side: Side) -> Iterator[str]:
    """One that has run out is nobody's. A cluster that was away when a lock was given back keeps its Lease until then, and nobody waits for it: so
    on other clusters than the Failovers' own it counts only together with theirs."""
    if side.name not in _homes(picture):
        return
    open_ = {item["metadata"]["uid"] for _, item in picture.failovers() if status_of(item).get("phase") not in FINAL}
    for lease in side.leases:
        namespace, name = key_of(lease)
        spec = lease.get("spec") or {}
        ours = name.startswith(_LOCKS) and picture.judged(namespace)
        held = spec.get("holderIdentity") and notes_of(lease).get(f"{MARK}/owner") not in open_
        if ours and held and not _expired(spec, picture.now):
            yield f"Lease {namespace}/{name} on {side.name} is held by {spec['holderIdentity']}, and no Failover needs it"


def _homes(picture: Picture) -> set[str]:
    """Clusters on which Failovers are."""
    return {side.name for side, _ in picture.failovers()}


def _expired(spec: Object, now: float) -> bool:
    renewed = datetime.datetime.fromisoformat(str(spec.get("renewTime") or "1970-01-01T00:00:00+00:00"))
    return renewed.timestamp() + float(spec.get("leaseDurationSeconds") or 0) < now


def _taints(picture: Picture, side: Side) -> Iterator[str]:
    wanted = picture.wanted_taints.get(side.name)
    if wanted is None:
        return
    for node in side.nodes:
        name = node["metadata"]["name"]
        there = {taint["key"] for taint in (node.get("spec") or {}).get("taints") or ()} & set(_TAINTS)
        left = there - set(wanted.get(name, there))
        if left:
            yield f"node {name} of {side.name} carries {', '.join(sorted(left))}, and its disks have quorum"


def _finalizers(picture: Picture) -> Iterator[str]:
    for side, item in picture.failovers():
        ended = status_of(item).get("phase") in FINAL
        if ended and f"{MARK}/finalizer" in (item["metadata"].get("finalizers") or ()):
            yield f"Failover {key_of(item)[1]} on {side.name} has ended, and its finalizer is still there"


def _drills(picture: Picture) -> Iterator[str]:
    """Copies may be there from a test that has succeeded to the clean-up that follows."""
    tested = {key for key in picture.groups if _under_test(picture, key)}
    for side in picture.sides.values():
        for item in (*side.vms, *side.claims, *side.volumes):
            group = labels(item).get(DRILL)
            bound = (item.get("spec") or {}).get("claimRef") or {}
            namespace = item["metadata"].get("namespace") or bound.get("namespace") or ""
            if group and picture.judged(namespace) and (namespace, group) not in tested:
                yield f"{item.get('kind') or 'object'} {item['metadata']['name']} on {side.name} is left of a test of {namespace}/{group}"
    for key, group_ in picture.groups.items():
        if key not in tested:
            for handle in sorted(group_.handles()):
                yield from _copies(picture, group_, handle)


def _under_test(picture: Picture, key: tuple[str, str]) -> bool:
    over = [
        item["spec"]["type"]
        for item in picture.moves_of(key)
        if item["spec"].get("type") in ("test", "cleanup") and status_of(item).get("phase") == "Succeeded"
    ]
    return bool(over) and over[-1] == "test"


def _copies(picture: Picture, group: Group, handle: str) -> Iterator[str]:
    for name, volume in picture.disks.items():
        if volume["props"].get(_COPY_OF) == handle:
            yield f"{group}: volume {name}, a copy of {handle} for a test, is left"
    for name in (picture.disks.get(handle) or {"snapshots": {}})["snapshots"]:
        yield f"{group}: snapshot {name} of {handle} is left"


def _quorum(picture: Picture, group: Group) -> Iterator[str]:
    """What a forced failover has switched off is on again, or a debt says that it will be."""
    owed = any(debt["kind"] == "restore-quorum" for debt in group.debts)
    for handle in sorted(group.handles()):
        volume = picture.disks.get(handle)
        if volume is None:
            continue
        props = volume["props"]
        if not owed and (_FORCED in props or props.get("DrbdOptions/auto-quorum") == "disabled"):
            yield f"{group}: the quorum of volume {handle} is still switched off, and no debt tells of it"
        for name in props:
            if name.startswith(_DISCARDING) and not owed:
                yield f"{group}: property {name} of volume {handle} is left"


def _marks(picture: Picture, group: Group) -> Iterator[str]:
    for name, copy in group.copies.items():
        if f"{MARK}/discard" in notes_of(copy) and not group.debts:
            yield f"{group} on {name} still carries the annotation {MARK}/discard, and nothing is owed"
    for side in group.workload:
        for key in group.members(side):
            vm = side.vm(key)
            if vm is not None:
                yield from _strategy(picture, group, side, vm)


def _strategy(picture: Picture, group: Group, side: Side, vm: Object) -> Iterator[str]:
    """A VM that runs is set as it was; one on the other side is halted, unless it is a stranger with a member's name; none is held whose disks have
    quorum."""
    name, noted = key_of(vm)[1], notes_of(vm)
    set_to = vm["spec"].get("runStrategy") or f"running={str(vm['spec'].get('running')).lower()}"
    original, held = noted.get(f"{MARK}/original-run-strategy"), noted.get(f"{MARK}/held") == "true"
    copy = group.copies.get(side.name)
    wanted = (copy or {}).get("spec", {}).get("desiredState") or "running"
    here = copy is not None and side.name == group.active
    if here and wanted == "running" and original and not held and set_to != original:
        yield f"{group}: VM {name} on {side.name} is set to {set_to}, and was {original}"
    if copy is not None and group.active and not here and original and set_to not in ("Halted", "running=false"):
        yield f"{group}: VM {name} on {side.name} is set to {set_to}, and the group is active on {group.active}"
    if held and all(_has_quorum(picture.disks.get(handle)) for handle in handles_of(side, [vm])):
        yield f"{group}: VM {name} on {side.name} is held at Manual, and its disks have quorum"


def _has_quorum(volume: Object | None) -> bool:
    return volume is not None and all(replica["quorum_option"] != "off" for replica in volume["replicas"].values())
