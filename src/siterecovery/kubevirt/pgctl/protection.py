"""`pgctl protect` and `unprotect`: one VM with plain claims goes under replication, or out of it again (DRBD Operator model)."""

import contextlib
from collections.abc import Mapping
from typing import Any

import click

from siterecovery.kubevirt.clusters import base
from siterecovery.kubevirt.clusters.base import Cluster
from siterecovery.kubevirt.crds.kinds import problems
from siterecovery.kubevirt.crds.protection_request import Phase, Wanted
from siterecovery.kubevirt.domain.resources import DRBD_REPLICATION_POLICIES, PROTECTION_REQUESTS, Object
from siterecovery.kubevirt.pgctl.configuration import Role
from siterecovery.kubevirt.pgctl.desk import Desk, Site, names_of, warn
from siterecovery.kubevirt.pgctl.errors import Conflict, Failure, Precondition
from siterecovery.kubevirt.pgctl.following import EVERY, LIMIT
from siterecovery.kubevirt.pgctl.options import F, asynchronous, in_namespace

_WAIT = 24 * LIMIT
"""Seconds: a first full sync may take a day."""
_ENDS = {Wanted.PROTECTED: Phase.PROTECTED, Wanted.UNPROTECTED: Phase.UNPROTECTED}


def _waiting(command: F) -> F:
    for decorate in (
        in_namespace,
        click.option(
            "--timeout", type=click.FloatRange(min=1), default=_WAIT, show_default=True, help="Seconds to wait."
        ),
        click.option("--wait", is_flag=True, help="Show the progress of the sync until it is over."),
    ):
        command = decorate(command)
    return command


@click.command("protect")
@click.argument("virtual_machine")
@click.option("--policy", help="The DRBDReplicationPolicy. [default: the only one of the namespace]")
@_waiting
@asynchronous
async def protect(
    desk: Desk, virtual_machine: str, policy: str | None, wait: bool, timeout: float, namespace: str | None
) -> None:
    """Take a virtual machine under replication. It is stopped until the first full sync is over."""
    space = namespace or desk.settings.namespace
    site, name = await _policy(desk, policy, space)
    wire = PROTECTION_REQUESTS.header(virtual_machine, space)
    wire |= {"spec": {"virtualMachine": virtual_machine, "policy": name, "desiredState": Wanted.PROTECTED.value}}
    if wrong := problems(wire):
        raise Precondition("; ".join(wrong))
    try:
        made = await desk.cluster(site).create(PROTECTION_REQUESTS, wire)
    except base.AlreadyExists as error:
        raise Conflict(
            f"{virtual_machine} has a ProtectionRequest already: kubectl get protectionrequest {virtual_machine} -n {space}"
        ) from error
    click.echo(f"protectionrequest.{PROTECTION_REQUESTS.group}/{virtual_machine} created on {site.name}")
    if wait:
        await _followed(desk, site, made, Wanted.PROTECTED, timeout)


@click.command("unprotect")
@click.argument("virtual_machine")
@_waiting
@asynchronous
async def unprotect(desk: Desk, virtual_machine: str, wait: bool, timeout: float, namespace: str | None) -> None:
    """Take a virtual machine out of replication: back on plain claims, its replicas removed."""
    space = namespace or desk.settings.namespace
    answers = (await desk.ask(lambda cluster: cluster.list(PROTECTION_REQUESTS, space))).told()
    found = [
        (site, item)
        for site, listing in answers
        for item in listing.items
        if (item.get("spec") or {}).get("virtualMachine") == virtual_machine
    ]
    if not found:
        raise Precondition(f"{virtual_machine} has no ProtectionRequest in namespace {space}: it is not protected")
    site, item = found[0]
    metadata = item["metadata"]
    patch = {
        "metadata": {"resourceVersion": metadata["resourceVersion"]},
        "spec": {"desiredState": Wanted.UNPROTECTED.value},
    }
    changed = await desk.cluster(site).patch(PROTECTION_REQUESTS, metadata["name"], space, patch, manager="pgctl")
    click.echo(f"{virtual_machine} shall be unprotected on {site.name}")
    if wait:
        await _followed(desk, site, changed, Wanted.UNPROTECTED, timeout)


async def _policy(desk: Desk, named: str | None, namespace: str) -> tuple[Site, str]:
    """Where the policy is, there the request belongs: both are read by one controller, which is on the quorum cluster where there is one."""

    async def policies(cluster: Cluster) -> list[str]:
        with contextlib.suppress(base.NotServed):  # a cluster without the kind has no policies
            return [
                item["metadata"]["name"] for item in (await cluster.list(DRBD_REPLICATION_POLICIES, namespace)).items
            ]
        return []

    answers = (await desk.ask(policies)).told()
    found = [(site, name) for site, names in answers for name in names if named in (None, name)]
    if not found:
        what = f"no DRBDReplicationPolicy {named}" if named else "no DRBDReplicationPolicy"
        raise Precondition(
            f"{what} in namespace {namespace} on {names_of([site for site, _ in answers])}: create one first"
        )
    if len({name for _, name in found}) > 1:
        raise click.UsageError(f"say which policy: --policy {'|'.join(sorted({name for _, name in found}))}")
    return min(found, key=lambda each: each[0].role is not Role.QUORUM)


async def _followed(desk: Desk, site: Site, wire: Object, wanted: Wanted, limit: float) -> None:
    name, namespace = wire["metadata"]["name"], wire["metadata"]["namespace"]
    cluster, begun, told = desk.cluster(site), desk.clock.monotonic(), ""
    silent = False
    while desk.clock.monotonic() - begun < limit:
        try:
            status = (await cluster.get(PROTECTION_REQUESTS, name, namespace)).get("status") or {}
            silent = False
        except base.Unknown as error:
            if not silent:
                warn(f"{error}; asking again, the work goes on")
            silent = True
        else:
            if (line := _line(status)) != told:
                told = line
                click.echo(line)
            if status.get("phase") == _ENDS[wanted]:
                return
            if status.get("phase") == Phase.FAILED and _seen(status, wire):
                raise Failure(str(status.get("message") or f"{name} failed and does not say why"))
        await desk.clock.sleep(EVERY)
    raise Failure(
        f"{name} is not {wanted} after {limit:g} s. It goes on: kubectl get protectionrequest {name} -n {namespace}"
    )


def _seen(status: Mapping[str, Any], wire: Object) -> bool:
    """Whether it speaks of the request as it is now: one that has failed before may be asked for something else."""
    asked = int(wire["metadata"].get("generation") or 0)
    return int(status.get("observedGeneration") or asked) >= asked


def _line(status: Mapping[str, Any]) -> str:
    """Phase, and the progress of each volume while they are copied."""
    phase = str(status.get("phase") or Phase.PENDING)
    progress = f" {status['progress']}%" if status.get("progress") is not None else ""
    volumes = [f"{item.get('claim')} {item.get('progress') or 0}%" for item in status.get("volumes") or ()]
    return f"{phase}{progress}" + (f" ({', '.join(volumes)})" if phase == Phase.SYNCING and volumes else "")
