"""`pgctl locks`: who is moving a group, and getting rid of what a crashed controller has left."""

import click

from siterecovery.kubevirt.clusters import base
from siterecovery.kubevirt.domain.resources import LEASES
from siterecovery.kubevirt.pgctl import lock, operation
from siterecovery.kubevirt.pgctl.desk import Desk
from siterecovery.kubevirt.pgctl.errors import Conflict, Failure
from siterecovery.kubevirt.pgctl.lock import Lock
from siterecovery.kubevirt.pgctl.options import asynchronous, confirmed, everywhere, in_namespace, printed
from siterecovery.kubevirt.pgctl.printing import Output, duration, listed, show, table

_COLUMNS = ("NAME", "PROTECTION-GROUP", "CLUSTER", "HOLDER", "EXPIRES")


@click.group("locks")
def locks() -> None:
    """The Leases that let one failover of a group run at a time."""


@locks.command("list")
@in_namespace
@everywhere
@printed
@asynchronous
async def list_locks(desk: Desk, namespace: str | None, all_namespaces: bool, output: Output) -> None:
    """Show the locks; each lies on every cluster of its group that answered."""
    where = None if all_namespaces else namespace or desk.settings.namespace
    found = await lock.everywhere(desk, where)
    if not output.for_people:
        show(output, listed((one.site.name, one.wire) for one in found))
    elif found:
        rows = [(one.name, one.group, one.site.name, one.holder, _expiry(one)) for one in found]
        click.echo(table(_COLUMNS, rows))
    else:
        click.echo("No failover locks found" + (f" in namespace {where}." if where else "."))


def _expiry(one: Lock) -> str:
    if one.left is None:
        return "unknown"
    return "expired" if one.expired else f"in {duration(one.left)}"


@locks.command("release")
@click.argument("protection_group")
@click.option(
    "--force", is_flag=True, help="Also a lock that has not expired: only when certain that no failover runs."
)
@confirmed
@in_namespace
@asynchronous
async def release_lock(desk: Desk, protection_group: str, force: bool, yes: bool, namespace: str | None) -> None:
    """Delete a lock that a crashed controller has left. It expires by itself after 300 seconds."""
    space = namespace or desk.settings.namespace
    found = await lock.everywhere(desk, space, protection_group)
    if not found:
        raise Failure(f"there is no failover lock of {protection_group} in namespace {space}")
    fresh = [one for one in found if not one.expired]
    if fresh and not force:
        raise Conflict(await _explained(desk, fresh[0], space))
    if not yes:
        names = ", ".join(one.site.name for one in found)
        click.confirm(f"Delete {found[0].name} on {names}? Be certain that no failover is in progress.", abort=True)
    for one in found:
        await _delete(desk, one)


async def _explained(desk: Desk, one: Lock, namespace: str) -> str:
    owners = [found for found in await operation.everywhere(desk, namespace) if found.uid == one.owner]
    doing = f" for {owners[0].name}, which is {owners[0].phase.value}" if owners else ""
    left = "" if one.left is None else f" It expires in {duration(one.left)} unless it is renewed."
    return (
        f"{one.name} is held by {one.holder} on {one.site.name}{doing}.{left}"
        " Only if you are certain that no failover is in progress: --force"
    )


async def _delete(desk: Desk, one: Lock) -> None:
    """Only what was looked at: one that has been renewed since belongs to somebody who is alive."""
    metadata = one.wire["metadata"]
    try:
        await desk.cluster(one.site).delete(
            LEASES, one.name, one.namespace, uid=metadata["uid"], resource_version=metadata["resourceVersion"]
        )
    except base.NotFound:
        return
    except base.Conflict as error:
        raise Conflict(
            f"{one.name} on {one.site.name} was renewed just now: its holder {one.holder} is alive"
        ) from error
    click.echo(f"lease.coordination.k8s.io/{one.name} deleted on {one.site.name}")
