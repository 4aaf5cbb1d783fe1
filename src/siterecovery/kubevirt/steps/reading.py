"""What steps read of the clusters, always live: copies of the group, its members, the volumes behind them."""

import asyncio
import dataclasses
from collections.abc import Collection, Iterable

from siterecovery.kubevirt.clusters import base, virtual_machines
from siterecovery.kubevirt.domain import disks
from siterecovery.kubevirt.domain import virtual_machine as vms
from siterecovery.kubevirt.domain.names import GROUP_LABEL
from siterecovery.kubevirt.domain.resources import (
    PERSISTENT_VOLUME_CLAIMS,
    PERSISTENT_VOLUMES,
    PROTECTION_GROUPS,
    VIRTUAL_MACHINES,
    Object,
)
from siterecovery.kubevirt.domain.virtual_machine import Observed
from siterecovery.kubevirt.steps.base import Scene
from siterecovery.kubevirt.steps.sight import member_names
from siterecovery.workflow.step import Refused


async def copy(world: Scene, cluster: str) -> Object:
    """The group's copy there. Refused when there is none."""
    move = world.move
    found = await world.clusters.get(cluster).find(PROTECTION_GROUPS, move.group, move.namespace)
    if found is None:
        raise Refused(
            f"ProtectionGroup {move.group} has no copy in namespace {move.namespace} on {cluster}."
            " The group controllers make it: check that protection-group-controller is healthy on both clusters"
            " (kubectl get pods -A -l app=protection-group-controller)"
        )
    return found


@dataclasses.dataclass(frozen=True)
class Copies:
    """`found` by cluster; `away` are clusters that did not answer."""

    found: dict[str, Object]
    away: tuple[str, ...]


async def copies(world: Scene, clusters: Iterable[str], *, must: Collection[str]) -> Copies:
    """The group's copies on these clusters; a cluster in `must` that does not answer or has none is raised. One without a copy is left out."""
    names = list(clusters)
    answers = await asyncio.gather(*(copy(world, name) for name in names), return_exceptions=True)
    found, away = dict[str, Object](), list[str]()
    for name, answer in zip(names, answers, strict=True):
        if not isinstance(answer, BaseException):
            found[name] = answer
        elif name in must or not isinstance(answer, base.Unknown | base.BadAccess | Refused):
            raise answer
        elif not isinstance(answer, Refused):
            away.append(name)
    return Copies(found, tuple(away))


async def members(cluster: base.Cluster, group: Object) -> list[str]:
    if group["spec"].get("virtualMachines") is not None:
        return member_names(group, ())
    return member_names(group, (await cluster.list(VIRTUAL_MACHINES, group["metadata"]["namespace"])).items)


async def look(world: Scene, cluster: str, group: Object) -> dict[str, Observed]:
    """What is true of the members there now."""
    found = world.clusters.get(cluster)
    return await virtual_machines.look(found, world.move.namespace, await members(found, group))


async def excluded(world: Scene, cluster: str) -> set[str]:
    """VMs that were halted when they became members: they stay so."""
    listing = await world.clusters.get(cluster).list(VIRTUAL_MACHINES, world.move.namespace)
    return {vm["metadata"]["name"] for vm in listing.items if vms.is_excluded(vm)}


async def foreign(world: Scene, cluster: str, group: Object) -> list[str]:
    """Members' names under which there is a VM there that nobody has made this group's."""
    there = world.clusters.get(cluster)
    names = frozenset(await members(there, group))
    machines = (await there.list(VIRTUAL_MACHINES, world.move.namespace)).items
    return [
        vm["metadata"]["name"]
        for vm in machines
        if vm["metadata"]["name"] in names and (vm["metadata"].get("labels") or {}).get(GROUP_LABEL) != world.move.group
    ]


@dataclasses.dataclass(frozen=True)
class Disks:
    """`handles` of the volumes behind the members' claims on one cluster, and what is missing there, as sentences."""

    handles: tuple[str, ...]
    missing: tuple[str, ...] = ()


async def volumes(world: Scene, cluster: str, group: Object) -> Disks:
    there, namespace = world.clusters.get(cluster), world.move.namespace
    names = await members(there, group)
    machines, claims, persistent = await asyncio.gather(
        there.list(VIRTUAL_MACHINES, namespace),
        there.list(PERSISTENT_VOLUME_CLAIMS, namespace),
        there.list(PERSISTENT_VOLUMES),
    )
    return behind(cluster, names, machines.items, claims.items, persistent.items)


def behind(
    cluster: str,
    names: list[str],
    machines: tuple[Object, ...],
    claims: tuple[Object, ...],
    persistent: tuple[Object, ...],
) -> Disks:
    """Which volumes the members have there, their firmware's state included."""
    by_name = {vm["metadata"]["name"]: vm for vm in machines}
    by_claim = {claim["metadata"]["name"]: claim for claim in claims}
    handles = {volume["metadata"]["name"]: disks.handle(volume) for volume in persistent}
    firmware = _firmware(claims)
    found, missing = dict[str, None](), list[str]()
    for name in names:
        if name not in by_name:
            missing.append(f"{name} has no copy on {cluster}")
            continue
        for claim in [*disks.claims(by_name[name]), *firmware.get(name, ())]:
            handle = handles.get(((by_claim.get(claim) or {}).get("spec") or {}).get("volumeName") or "")
            if handle is None:
                missing.append(f"claim {claim} of {name} has no replicated volume on {cluster}")
            else:
                found[handle] = None
    return Disks(tuple(found), tuple(missing))


def _firmware(claims: tuple[Object, ...]) -> dict[str, list[str]]:
    """VM → the claims in which KubeVirt keeps its TPM and EFI variables."""
    found: dict[str, list[str]] = {}
    for claim in claims:
        if name := (claim["metadata"].get("labels") or {}).get(disks.PERSISTENT_STATE):
            found.setdefault(name, []).append(claim["metadata"]["name"])
    return found
