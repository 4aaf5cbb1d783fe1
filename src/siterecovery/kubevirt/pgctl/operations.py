"""`pgctl operations`: what is under way, and the audit trail of what was."""

import datetime

import click

from siterecovery.kubevirt.clusters.base import Cluster
from siterecovery.kubevirt.domain.resources import EVENTS, FAILOVERS, Object
from siterecovery.kubevirt.pgctl import description, health, operation
from siterecovery.kubevirt.pgctl.desk import Desk, names_of
from siterecovery.kubevirt.pgctl.errors import Failure
from siterecovery.kubevirt.pgctl.following import LIMIT, concluded, followed
from siterecovery.kubevirt.pgctl.operation import Operation
from siterecovery.kubevirt.pgctl.options import asynchronous, everywhere, in_namespace, printed
from siterecovery.kubevirt.pgctl.printing import Output, age, listed, plain, show, table
from siterecovery.kubevirt.pgctl.steps import Steps

_COLUMNS = ("NAME", "PROTECTION-GROUP", "TARGET", "PHASE", "AGE")
_WIDE = ("TYPE", "CLUSTER", "MESSAGE")


@click.group("operations")
def operations() -> None:
    """Failovers that are under way, and those that have been."""


@operations.command("list")
@in_namespace
@everywhere
@click.option("--protection-group", help="Only those of this group.")
@printed
@asynchronous
async def list_operations(
    desk: Desk, namespace: str | None, all_namespaces: bool, protection_group: str | None, output: Output
) -> None:
    """Show operations, oldest first, as all configured clusters hold them."""
    where = None if all_namespaces else namespace or desk.settings.namespace
    found = await operation.everywhere(desk, where, protection_group)
    if not output.for_people:
        show(output, listed((one.site.name, one.wire) for one in found))
    elif found:
        click.echo(_table(found, desk.clock.now(), wide=output is Output.WIDE, spaces=all_namespaces))
    else:
        await _explain_nothing(desk, where, protection_group)


def _table(found: list[Operation], now: datetime.datetime, *, wide: bool, spaces: bool) -> str:
    headings = (*(("NAMESPACE",) if spaces else ()), *_COLUMNS, *(_WIDE if wide else ()))
    rows = []
    for one in found:
        first = (one.namespace,) if spaces else ()
        more = (one.type + (" (force)" if one.force else ""), one.site.name, one.message) if wide else ()
        rows.append((*first, one.name, one.group, one.target, one.phase.value, age(one.created, now), *more))
    return table(headings, rows)


async def _explain_nothing(desk: Desk, namespace: str | None, group: str | None) -> None:
    """An empty list has two usual causes: another namespace, and a controller that does not run. Both are looked for."""
    what = f"operations of {group}" if group else "operations"
    click.echo(f"No {what} found" + (f" in namespace {namespace}." if namespace else "."))
    if namespace is not None:
        others = await operation.everywhere(desk, None, group)
        spaces = sorted({one.namespace for one in others})
        if spaces:
            click.echo(f"Other namespaces hold some: {', '.join(spaces)}. Look there with --namespace {spaces[0]}.")
    for sentence in await health.failover_controller(desk):
        click.echo(sentence)


@operations.command("get")
@click.argument("name")
@in_namespace
@printed
@asynchronous
async def get_operation(desk: Desk, name: str, namespace: str | None, output: Output) -> None:
    """Show one operation: its phase, message, steps and history."""
    found = await one_of(desk, name, namespace or desk.settings.namespace)
    if not output.for_people:
        show(output, plain(found.wire))
        return
    events = await desk.ask(lambda cluster: _events(cluster, found), [found.site])
    items = events.answers[0][1] if events.answers else []
    click.echo(description.of(found, items, desk.clock.now()))


async def _events(cluster: Cluster, found: Operation) -> list[Object]:
    fields = f"involvedObject.name={found.name},involvedObject.kind=Failover"
    items = (await cluster.list(EVENTS, found.namespace, fields=fields)).items
    return [item for item in items if (item.get("involvedObject") or {}).get("uid") == found.uid]


async def one_of(desk: Desk, name: str, namespace: str) -> Operation:
    """The newest of that name: in the model with two clusters each may hold one."""
    answers = (await desk.ask(lambda cluster: cluster.find(FAILOVERS, name, namespace))).told()
    found = operation.newest_last([Operation(site, item) for site, item in answers if item is not None])
    if found:
        return found[-1]
    others = sorted({one.namespace for one in await operation.everywhere(desk, None) if one.name == name})
    hint = f" Namespace {', '.join(others)} holds one: use --namespace." if others else ""
    asked = names_of([site for site, _ in answers])
    raise Failure(f"no operation {name} in namespace {namespace} on {asked}.{hint}")


@operations.command("watch")
@click.argument("name")
@in_namespace
@click.option("--timeout", type=click.FloatRange(min=1), default=LIMIT, show_default=True, help="Seconds to wait.")
@asynchronous
async def watch_operation(desk: Desk, name: str, namespace: str | None, timeout: float) -> None:
    """Follow one operation until it ends; the exit code tells how."""
    found = await one_of(desk, name, namespace or desk.settings.namespace)
    with Steps(desk.clock) as view:
        last = await followed(desk, found, view, timeout)
    concluded(last)
