"""`pgctl groups`: the protection groups, as each cluster holds them."""

import datetime

import click

from siterecovery.kubevirt.crds.protection_group import Backend
from siterecovery.kubevirt.domain.resources import PROTECTION_GROUPS
from siterecovery.kubevirt.pgctl import group, making, power
from siterecovery.kubevirt.pgctl.desk import Desk
from siterecovery.kubevirt.pgctl.errors import Unreachable
from siterecovery.kubevirt.pgctl.following import LIMIT
from siterecovery.kubevirt.pgctl.group import Copy
from siterecovery.kubevirt.pgctl.options import F, asynchronous, confirmed, everywhere, in_namespace, printed
from siterecovery.kubevirt.pgctl.portrait import portrait
from siterecovery.kubevirt.pgctl.printing import Output, age, listed, plain, show, table
from siterecovery.kubevirt.pgctl.words import Words

_COLUMNS = ("NAME", "CLUSTER", "DESIRED", "CURRENT", "ACTIVE")
_WIDE = ("LOCATION", "EPOCH", "REPLICATED", "FAILOVER-READY", "AGE")


@click.group("groups")
def groups() -> None:
    """Virtual machines that run, stop and move as one."""


@groups.command("list")
@in_namespace
@everywhere
@printed
@asynchronous
async def list_groups(desk: Desk, namespace: str | None, all_namespaces: bool, output: Output) -> None:
    """Show the groups, one row for each cluster's copy."""
    where = None if all_namespaces else namespace or desk.settings.namespace
    found = await group.everywhere(desk, where)
    if not output.for_people:
        show(output, listed((copy.site.name, copy.wire) for copy in found))
    elif found:
        click.echo(_table(found, desk.clock.now(), wide=output is Output.WIDE, spaces=all_namespaces))
    else:
        click.echo("No protection groups found" + (f" in namespace {where}." if where else "."))


def _table(found: list[Copy], now: datetime.datetime, *, wide: bool, spaces: bool) -> str:
    headings = (*(("NAMESPACE",) if spaces else ()), *_COLUMNS, *(_WIDE if wide else ()))
    return table(headings, [_row(copy, now, wide=wide, spaces=spaces) for copy in found])


def _row(copy: Copy, now: datetime.datetime, *, wide: bool, spaces: bool) -> tuple[object, ...]:
    first = (copy.namespace,) if spaces else ()
    row = (*first, copy.name, copy.site.name, copy.desired, copy.current, copy.claim.active)
    if not wide:
        return row
    truths = (copy.condition("Replicated"), copy.condition("FailoverReady"))
    created = copy.wire["metadata"].get("creationTimestamp")
    return (*row, copy.status.get("location"), copy.claim.epoch or None, *truths, age(created, now))


@groups.command("get")
@click.argument("name")
@in_namespace
@printed
@asynchronous
async def get_group(desk: Desk, name: str, namespace: str | None, output: Output) -> None:
    """Show one group: who may run it, its virtual machines and its conditions on each cluster."""
    found = await group.copies(desk, name, namespace or desk.settings.namespace)
    if output.for_people:
        click.echo(portrait(found, desk.clock.now()))
    else:
        show(output, listed((copy.site.name, copy.wire) for copy in found))


@groups.command("create")
@click.argument("name")
@click.option("--vm", "machines", multiple=True, metavar="NAME[:PRIORITY]", help="A member; priority 1 starts first.")
@click.option("--selector", "labels", multiple=True, metavar="KEY=VALUE", help="Members by label instead.")
@click.option("--primary", help="The cluster where it runs. [default: the configured primary]")
@click.option("--dr", help="The other cluster. [default: the configured one]")
@click.option("--backend", type=Words(Backend), default=Backend.LINSTOR.value, show_default=True)
@click.option("--policy", help="The DRBDReplicationPolicy, for backend drbd-operator.")
@in_namespace
@printed
@asynchronous
async def create_group(
    desk: Desk,
    name: str,
    machines: tuple[str, ...],
    labels: tuple[str, ...],
    primary: str | None,
    dr: str | None,
    backend: Backend,
    policy: str | None,
    namespace: str | None,
    output: Output,
) -> None:
    """Protect virtual machines together. Its copy on the other cluster is made by the group controller."""
    asked = making.Asked(name, namespace or desk.settings.namespace, machines, labels, primary, dr, backend, policy)
    made = await making.made(desk, asked)
    if output.for_people:
        click.echo(f"protectiongroup.{PROTECTION_GROUPS.group}/{name} created on {made.site.name}")
    else:
        show(output, plain(made.wire))


@groups.command("delete")
@click.argument("name")
@click.option("--leave-unreachable", is_flag=True, help="Go on though a cluster does not answer: its copy stays there.")
@confirmed
@in_namespace
@asynchronous
async def delete_group(desk: Desk, name: str, leave_unreachable: bool, yes: bool, namespace: str | None) -> None:
    """End the protection of a group. Its virtual machines go on as they are."""
    space = namespace or desk.settings.namespace
    silent = (await desk.ask(lambda cluster: cluster.server_time())).silent
    if silent and not leave_unreachable:
        names = ", ".join(site.name for site, _ in silent)
        raise Unreachable(
            f"{names} does not answer, and its copy of {name} would make the others anew. Nothing was deleted."
            " Bring it back first, or say --leave-unreachable"
        )
    found = await group.copies(desk, name, space)
    await power.check_quiet(desk, name, space)
    where = ", ".join(copy.site.name for copy in found)
    if not yes:
        click.confirm(f"Delete protection group {name} on {where}? Its virtual machines go on.", abort=True)
    # The active copy first: as long as it is there its controller would make the others anew.
    for copy in sorted(found, key=lambda copy: copy.claim.active != copy.site.name):
        uid = copy.wire["metadata"].get("uid")
        await desk.cluster(copy.site).delete(PROTECTION_GROUPS, name, space, uid=uid)
        click.echo(f"protectiongroup.{PROTECTION_GROUPS.group}/{name} deleted on {copy.site.name}")


def _switch(command: F) -> F:
    """What `start` and `stop` have in common."""
    for decorate in (
        in_namespace,
        click.option(
            "--timeout", type=click.FloatRange(min=1), default=LIMIT, show_default=True, help="Seconds to wait."
        ),
        click.option("--wait", is_flag=True, help="Stay until all its virtual machines have followed."),
        click.option("--cluster", help="Whose copy. [default: the cluster where the group is active]"),
        click.argument("name"),
    ):
        command = decorate(command)
    return command


@groups.command("start")
@_switch
@asynchronous
async def start_group(
    desk: Desk, name: str, cluster: str | None, wait: bool, timeout: float, namespace: str | None
) -> None:
    """Start the virtual machines of a group, where it is active."""
    await _switched(desk, name, cluster, namespace, "running", timeout if wait else None)


@groups.command("stop")
@_switch
@asynchronous
async def stop_group(
    desk: Desk, name: str, cluster: str | None, wait: bool, timeout: float, namespace: str | None
) -> None:
    """Stop the virtual machines of a group."""
    await _switched(desk, name, cluster, namespace, "stopped", timeout if wait else None)


async def _switched(
    desk: Desk, name: str, cluster: str | None, namespace: str | None, desired: str, wait: float | None
) -> None:
    space = namespace or desk.settings.namespace
    copy = await power.switched(desk, name, space, cluster, desired)
    click.echo(f"protectiongroup.{PROTECTION_GROUPS.group}/{name} shall be {desired} on {copy.site.name}")
    if wait is None:
        return

    def tell(state: str) -> None:
        click.echo(f"{name} is {state}")

    await power.reached(desk, copy, desired, wait, tell)
