"""Group states are true: what each copy says of currentState, location and authority is what a look at the machines finds."""

from __future__ import annotations

from collections.abc import Iterator

from sandbox.kubernetes.check.picture import MARK, Group, Key, Object, Picture, Side, notes_of, status_of

_LEFT_ALONE = ("RerunOnFailure", "Once", "Manual")


def findings(picture: Picture) -> Iterator[str]:
    for group in picture.groups.values():
        yield from _authority(group)
        if picture.settled:
            for side in group.workload:
                copy = group.copies.get(side.name)
                if copy is not None:
                    yield from _state(group, side, copy)
            yield from _place(group)


def _authority(group: Group) -> Iterator[str]:
    said = {
        name: (status_of(copy).get("epoch"), group.picture.canonical(str(status_of(copy).get("activeCluster"))))
        for name, copy in group.copies.items()
        if status_of(copy).get("epoch")
    }
    told = ", ".join(f"{name}: epoch {epoch} at {active}" for name, (epoch, active) in sorted(said.items()))
    epochs = {epoch for epoch, _ in said.values()}
    if any(len({active for epoch, active in said.values() if epoch == one}) > 1 for one in epochs):
        yield f"{group}: its copies name two clusters under one epoch ({told})"
    elif group.picture.settled and len(set(said.values())) > 1:
        yield f"{group}: its copies differ ({told})"


def _state(group: Group, side: Side, copy: Object) -> Iterator[str]:
    status = status_of(copy)
    who, current = f"{group} on {side.name}", status.get("currentState")
    if not status:
        return
    if status.get("observedGeneration") != copy["metadata"].get("generation"):
        yield f"{who}: the state is of generation {status.get('observedGeneration')}, it is at {copy['metadata'].get('generation')}"
        return
    counted = [key for key in group.members(side) if not _excluded(side, key)]
    down = [key[1] for key in counted if key not in side.up and not _may_rest(side, key)]
    alive = [key[1] for key in counted if key in side.occupied or key in side.executing]
    if current == "running" and (down or not counted):
        yield f"{who} says running, and {', '.join(down) or 'nobody'} does not run"
    elif current == "stopped" and alive:
        yield f"{who} says stopped, and {', '.join(alive)} is there"
    elif current == "mixed" and (not alive or (alive and not down)):
        yield f"{who} says mixed, and {'all of it runs' if alive else 'nothing of it is there'}"
    elif current == "unknown" and all(_is_ready(node) for node in side.nodes):
        yield f"{who} says unknown, and every node answers"


def _excluded(side: Side, key: Key) -> bool:
    """It was halted when it became a member."""
    vm = side.vm(key)
    recorded = notes_of(vm).get(f"{MARK}/original-run-strategy") if vm is not None else None
    return recorded in ("Halted", "running=false")


def _may_rest(side: Side, key: Key) -> bool:
    """A strategy that leaves a guest at that which has ended by itself."""
    vm = side.vm(key)
    return vm is not None and vm["spec"].get("runStrategy") in _LEFT_ALONE and key not in side.occupied


def _is_ready(node: Object) -> bool:
    conditions = status_of(node).get("conditions") or ()
    return any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)


def _place(group: Group) -> Iterator[str]:
    sides = group.workload
    used = [side.name for side in sides if any(key in side.executing for key in group.members(side))]
    if group.active and any(name != group.active for name in used):
        yield f"{group} is active on {group.active}, and VMs of it run on {', '.join(used)}"
    if len(sides) < 2:
        return
    found = "both" if len(used) > 1 else (used or ["none"])[0]
    for name, copy in group.copies.items():
        told = status_of(copy).get("location")
        if told and group.picture.canonical(told) != found:
            yield f"{group} on {name} says location {told}, and it is {found}"
