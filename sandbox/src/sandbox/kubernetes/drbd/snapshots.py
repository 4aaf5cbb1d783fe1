"""Snapshots of a resource and new resources made from them."""

from __future__ import annotations

from collections.abc import Sequence

from sandbox.kubernetes.drbd.controller import Controller, Refused, Told
from sandbox.kubernetes.drbd.linstor import codes
from sandbox.kubernetes.drbd.model import Disk, Resource, Snapshot


def take(controller: Controller, resource: Resource, name: str, nodes: Sequence[str] = ()) -> Snapshot:
    """On these nodes, or on all with a disk. All of them have to answer; what is taken is what each holds."""
    if not name or not name[0].isalnum():
        raise Refused(codes.FAIL_INVLD_SNAPSHOT_NAME, f"Snapshot name '{name}' is invalid.")
    if name in resource.snapshots:
        raise Refused(
            codes.FAIL_EXISTS_SNAPSHOT_DFN, f"Snapshot '{name}' of '{resource.name}' already exists.", status=409
        )
    held = {}
    for node in nodes or [replica.node for replica in resource.diskful()]:
        replica = resource.replicas.get(node)
        if replica is None or not replica.diskful:
            raise Refused(
                codes.FAIL_NOT_FOUND_RSC, f"Resource '{resource.name}' on node '{node}' not found.", status=404
            )
        if not controller.drbd.is_online(controller.node(node)):
            raise Refused(codes.FAIL_NOT_CONNECTED, f"No active connection to satellite '{node}'.", status=500)
        if replica.disk is not Disk.UP_TO_DATE:
            raise Refused(
                codes.FAIL_SNAPSHOT_NOT_UPTODATE, f"Resource '{resource.name}' on '{node}' is not UpToDate.", status=500
            )
        held[node] = (replica.generation, list(replica.history))
    snapshot = resource.snapshots[name] = Snapshot(name, held, controller.drbd.clock.now())
    controller.drbd.note("snapshot", "taken", f"{resource.name}/{name}", nodes=sorted(held))
    return snapshot


def find(resource: Resource, name: str) -> Snapshot:
    """By name, or Refused 404."""
    found = resource.snapshots.get(name)
    if found is None:
        raise Refused(
            codes.FAIL_NOT_FOUND_SNAPSHOT_DFN, f"Snapshot '{name}' of resource '{resource.name}' not found.", status=404
        )
    return found


def restore(controller: Controller, snapshot: Snapshot, target: Resource, nodes: Sequence[str] = ()) -> Told:
    """Place an (empty) resource where the snapshot lies, with what it held there."""
    if target.replicas:
        raise Refused(codes.FAIL_EXISTS_RSC, f"Resource definition '{target.name}' has resources already.", status=409)
    wanted = list(nodes) or list(snapshot.held)
    missing = [node for node in wanted if node not in snapshot.held]
    if missing:
        raise Refused(
            codes.FAIL_NOT_FOUND_SNAPSHOT_DFN, f"There is no snapshot '{snapshot.name}' on '{missing[0]}'.", status=404
        )
    told = Told()
    for node in wanted:
        told.entries += controller.place(target, node).entries
        replica = target.replicas[node]
        replica.generation, replica.history = snapshot.held[node][0], list(snapshot.held[node][1])
        replica.disk = Disk.UP_TO_DATE
    controller.drbd.settle_resource(target)
    return told


def delete(controller: Controller, resource: Resource, name: str) -> None:
    """Refused 404 when there is none."""
    find(resource, name)
    del resource.snapshots[name]
    controller.drbd.note("snapshot", "deleted", f"{resource.name}/{name}")
