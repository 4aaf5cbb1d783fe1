"""How a protection group comes to be: checked in full first, then created on its primary cluster."""

import dataclasses
from typing import Any

import click

from siterecovery.kubevirt.clusters import base
from siterecovery.kubevirt.crds.kinds import problems
from siterecovery.kubevirt.crds.protection_group import Backend
from siterecovery.kubevirt.domain.resources import PROTECTION_GROUPS, VIRTUAL_MACHINES, Object
from siterecovery.kubevirt.pgctl.configuration import Role
from siterecovery.kubevirt.pgctl.desk import Desk, Site, warn
from siterecovery.kubevirt.pgctl.errors import Conflict, Precondition
from siterecovery.kubevirt.pgctl.group import Copy


@dataclasses.dataclass(frozen=True)
class Asked:
    name: str
    namespace: str
    machines: tuple[str, ...]
    labels: tuple[str, ...]
    primary: str | None
    dr: str | None
    backend: Backend
    policy: str | None


async def made(desk: Desk, asked: Asked) -> Copy:
    primary, dr = _side(desk, asked.primary, Role.PRIMARY), _side(desk, asked.dr, Role.DR)
    wire = _wire(asked, primary, dr, desk.of_role(Role.QUORUM))
    if wrong := problems(wire):
        raise Precondition("; ".join(wrong))
    there = await desk.ask(lambda cluster: cluster.find(PROTECTION_GROUPS, asked.name, asked.namespace), (primary, dr))
    taken = [site.name for site, item in there.told() if item is not None]
    if taken:
        raise Conflict(f"protection group {asked.name} is already on {', '.join(taken)}: choose another name")
    await _check_members(desk, primary, wire)
    return Copy(primary, await desk.cluster(primary).create(PROTECTION_GROUPS, wire))


def _side(desk: Desk, named: str | None, role: Role) -> Site:
    if named is not None:
        return desk.workload_site(named)
    site = desk.of_role(role)
    if site is None:
        raise click.UsageError(f"no {role} cluster is configured: say --{role}, or pgctl config set-context {role}")
    return site


def _wire(asked: Asked, primary: Site, dr: Site, quorum: Site | None) -> Object:
    clusters = {"primary": primary.name, "dr": dr.name} | ({"quorum": quorum.name} if quorum else {})
    storage = {"backend": asked.backend.value} | ({"policy": asked.policy} if asked.policy else {})
    spec: dict[str, Any] = {"desiredState": "running", "storage": storage, "clusters": clusters}
    if asked.machines:
        spec["virtualMachines"] = [_member(text) for text in asked.machines]
    if asked.labels:
        spec["vmSelector"] = {"matchLabels": dict(_label(text) for text in asked.labels)}
    return PROTECTION_GROUPS.header(asked.name, asked.namespace) | {"spec": spec}


def _member(text: str) -> dict[str, Any]:
    name, colon, priority = text.partition(":")
    if colon and not priority.isdecimal():
        raise click.UsageError(f"--vm {text}: the priority is a number from 1 to 5")
    return {"name": name} | ({"priority": int(priority)} if colon else {})


def _label(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise click.UsageError(f"--selector {text}: write KEY=VALUE")
    return key, value


async def _check_members(desk: Desk, primary: Site, wire: Object) -> None:
    """A misspelt name would only show at the first failover."""
    names = [member["name"] for member in wire["spec"].get("virtualMachines") or ()]
    namespace = wire["metadata"]["namespace"]
    try:
        there = await desk.cluster(primary).list(VIRTUAL_MACHINES, namespace)
    except base.NotServed:
        warn(f"{primary.name} has no KubeVirt: the members were not looked for")
        return
    known = {item["metadata"]["name"] for item in there.items}
    missing = [name for name in names if name not in known]
    if missing:
        raise Precondition(
            f"no virtual machine {', '.join(missing)} in namespace {namespace} on {primary.name}: kubectl get vm -n {namespace}"
        )
