"""Starting, stopping and truly seeing the VMs of one cluster.

KubeVirt's own start and stop subresources replace the strategy (Halted becomes Always and back), so what a VM was set to is kept in an annotation
and its spec is patched; only Manual is started by the subresource. Each write is conditional on the object that was read: a Conflict means that
somebody else was faster, so look again."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

from siterecovery.kubevirt.clusters import base
from siterecovery.kubevirt.clusters.named import named
from siterecovery.kubevirt.domain import node as nodes
from siterecovery.kubevirt.domain import virtual_machine as domain
from siterecovery.kubevirt.domain.names import GROUP_CONTROLLER, GROUP_LABEL, HELD, ORIGINAL_RUN, STARTED_UNDER
from siterecovery.kubevirt.domain.resources import (
    NODES,
    PODS,
    VIRTUAL_MACHINE_CALLS,
    VIRTUAL_MACHINE_INSTANCES,
    VIRTUAL_MACHINES,
    Object,
)
from siterecovery.kubevirt.domain.virtual_machine import Observed


async def stop(cluster: base.Cluster, vm: Mapping[str, Any]) -> Object:
    """Halts it and keeps what it was set to. `vm` as it was read last; one that is halted already is left as it is."""
    if domain.is_halted(vm):
        return dict(vm)
    annotations: dict[str, Any] = {}
    if not domain.is_held(vm):  # a held one stands at Manual: what it was set to is recorded already
        annotations[ORIGINAL_RUN] = domain.run_of(vm)
    return await _patch(cluster, vm, annotations, domain.halted_fields(vm))


async def start(cluster: base.Cluster, vm: Mapping[str, Any], *, held: bool = False) -> Object:
    """Sets it to what it was recorded to be, and asks for a start where the strategy does nothing by itself.

    `held`: its disks have no quorum, so it is set to Manual: after a power failure KubeVirt then leaves it down until this product has seen that
    nobody else runs it. A VM that was halted when it became a member is left so."""
    if domain.is_excluded(vm):
        return dict(vm)
    run = domain.recorded(vm) or domain.run_of(vm)
    wanted = domain.MANUAL if held else run
    if domain.run_of(vm) != wanted or domain.is_held(vm) != held or domain.recorded(vm) is None:
        annotations = {ORIGINAL_RUN: run, HELD: "true" if held else None}
        vm = await _patch(cluster, vm, annotations, domain.run_fields(vm, wanted))
    if domain.strategy_of(wanted) == domain.MANUAL:
        await _ask_to_start(cluster, vm)
    return dict(vm)


async def _ask_to_start(cluster: base.Cluster, vm: Mapping[str, Any]) -> None:
    """A Conflict says that it runs already."""
    metadata = vm["metadata"]
    try:
        await cluster.call(VIRTUAL_MACHINE_CALLS, metadata["name"], metadata["namespace"], "start")
    except base.Conflict:
        return


async def enrol(cluster: base.Cluster, vm: Mapping[str, Any], group: str, run: str) -> Object:
    """Marks it as a member of the group that is set to `run`, without touching how it runs."""
    return await _patch(cluster, vm, {ORIGINAL_RUN: run}, {}, {GROUP_LABEL: group})


async def dismiss(cluster: base.Cluster, vm: Mapping[str, Any]) -> Object:
    """It is no member any more: nothing of ours stays on it, and it goes on as it is. One that is held gets its strategy back."""
    spec = domain.run_fields(vm, domain.recorded(vm) or domain.ALWAYS) if domain.is_held(vm) else {}
    return await _patch(cluster, vm, {ORIGINAL_RUN: None, HELD: None, STARTED_UNDER: None}, spec, {GROUP_LABEL: None})


async def hold(cluster: base.Cluster, vm: Mapping[str, Any], *, epoch: int | None = None) -> Object:
    """Takes a VM to Manual without disturbing it; `epoch` is the one under which it was seen running."""
    annotations = {ORIGINAL_RUN: domain.recorded(vm) or domain.run_of(vm), HELD: "true"}
    annotations |= {STARTED_UNDER: str(epoch)} if epoch is not None else {}
    return await _patch(cluster, vm, annotations, domain.run_fields(vm, domain.MANUAL))


async def note(cluster: base.Cluster, vm: Mapping[str, Any], epoch: int) -> Object:
    """A held VM has been seen running under that epoch."""
    return await _patch(cluster, vm, {STARTED_UNDER: str(epoch)}, {})


async def let_go(cluster: base.Cluster, vm: Mapping[str, Any]) -> Object:
    """Its disks have a quorum again: back to what it was set to. A running VM stays as it is, and so does one that was halted meanwhile."""
    spec = {} if domain.is_halted(vm) else domain.run_fields(vm, domain.recorded(vm) or domain.ALWAYS)
    return await _patch(cluster, vm, {HELD: None, STARTED_UNDER: None}, spec)


async def _patch(
    cluster: base.Cluster,
    vm: Mapping[str, Any],
    annotations: Mapping[str, Any],
    spec: Mapping[str, Any],
    labels: Mapping[str, Any] | None = None,
) -> Object:
    metadata = vm["metadata"]
    patch: Object = {"metadata": {"resourceVersion": metadata["resourceVersion"], "annotations": dict(annotations)}}
    if labels:
        patch["metadata"]["labels"] = dict(labels)
    if spec:
        patch["spec"] = dict(spec)
    return await cluster.patch(
        VIRTUAL_MACHINES, metadata["name"], metadata["namespace"], patch, manager=GROUP_CONTROLLER
    )


async def look(cluster: base.Cluster, namespace: str, names: Iterable[str]) -> dict[str, Observed]:
    """What is true now of these VMs, by live reads: a few by their names, many in four calls for the whole namespace. Raises what could not be read.

    The order is the proof: a VM that is seen halted starts no instance any more, and an instance that is gone no Pod."""
    asked = list(names)
    vms = await named(cluster, VIRTUAL_MACHINES, namespace, asked)
    instances = await named(cluster, VIRTUAL_MACHINE_INSTANCES, namespace, asked)
    launchers, found = await asyncio.gather(
        cluster.list(PODS, namespace, labels=domain.LAUNCHER_LABEL), cluster.list(NODES)
    )
    pods, silent = launchers_by_vm(launchers.items), nodes.unresponsive(found.items)
    return {name: domain.observe(vms.get(name), instances.get(name), pods.get(name, []), silent) for name in asked}


def launchers_by_vm(pods: Iterable[Object]) -> dict[str, list[Object]]:
    found: dict[str, list[Object]] = {}
    for pod in pods:
        name = (pod["metadata"].get("annotations") or {}).get(domain.DOMAIN)
        if name:
            found.setdefault(name, []).append(pod)
    return found
