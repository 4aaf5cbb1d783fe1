"""`pgctl failover`, `failback`, `test` and `cleanup`: each makes one Failover and, when asked to, stays until it is over."""

import asyncio
import dataclasses

import click

from siterecovery.kubevirt.crds.failover import FailoverType
from siterecovery.kubevirt.domain.resources import FAILOVERS
from siterecovery.kubevirt.pgctl import creation, group
from siterecovery.kubevirt.pgctl.creation import Wanted
from siterecovery.kubevirt.pgctl.desk import Desk
from siterecovery.kubevirt.pgctl.errors import Failure, Precondition
from siterecovery.kubevirt.pgctl.following import LIMIT, View, concluded, failure_of, followed
from siterecovery.kubevirt.pgctl.operation import Operation
from siterecovery.kubevirt.pgctl.options import F, asynchronous, in_namespace, printed
from siterecovery.kubevirt.pgctl.printing import Output, plain, show
from siterecovery.kubevirt.pgctl.steps import Steps
from siterecovery.kubevirt.pgctl.transcript import Style, Transcript
from siterecovery.kubevirt.pgctl.words import Words

_FORCE = "Override the check that protects other groups when quorum taints are removed; nothing else."
_CONFIRM = "You have seen that the source cluster is down and stays down."


@dataclasses.dataclass(frozen=True)
class Manner:
    """How it is followed and told."""

    wait: bool
    timeout: float
    output: Output


def _manner(command: F) -> F:
    """The options of a Manner."""
    for decorate in (
        printed,
        click.option(
            "--timeout", type=click.FloatRange(min=1), default=LIMIT, show_default=True, help="Seconds to wait."
        ),
        click.option("--wait", is_flag=True, help="Show its steps and progress until it is over."),
        in_namespace,
    ):
        command = decorate(command)
    return command


@click.command("failover")
@click.argument("protection_group")
@click.option("--to", "target", required=True, help="The cluster to move to: its name or an alias.")
@click.option("--force", is_flag=True, help=_FORCE)
@click.option("--type", "kind", type=Words(FailoverType), default=FailoverType.PLANNED.value, show_default=True)
@click.option("--confirm-source-down", is_flag=True, help=_CONFIRM)
@click.option("--transcript", type=Words(Style), help="Wait, and print the lines of the scripts.")
@_manner
@asynchronous
async def failover(
    desk: Desk,
    protection_group: str,
    target: str,
    force: bool,
    kind: FailoverType,
    confirm_source_down: bool,
    transcript: Style | None,
    namespace: str | None,
    wait: bool,
    timeout: float,
    output: Output,
) -> None:
    """Move a protection group to the other cluster."""
    space = namespace or desk.settings.namespace
    wanted = Wanted(protection_group, target, space, kind, force, confirm_source_down)
    if transcript is not None:
        await _with_transcript(desk, wanted, transcript, timeout)
        return
    if force:
        click.echo("Warning: --force can disrupt other protection groups on the target", err=True)
    await _moved(desk, wanted, Manner(wait, timeout, output))


@click.command("failback")
@click.argument("protection_group")
@click.option("--force", is_flag=True, help=_FORCE)
@_manner
@asynchronous
async def failback(
    desk: Desk, protection_group: str, force: bool, namespace: str | None, wait: bool, timeout: float, output: Output
) -> None:
    """Move a protection group back to its primary cluster."""
    space = namespace or desk.settings.namespace
    target = await _cluster_of(desk, protection_group, space, "primary")
    await _moved(desk, Wanted(protection_group, target, space, force=force), Manner(wait, timeout, output))


@click.command("test")
@click.argument("protection_group")
@click.option(
    "--to", "target", help="The cluster that starts the copies. [default: the one where the group does not run]"
)
@_manner
@asynchronous
async def test(
    desk: Desk,
    protection_group: str,
    target: str | None,
    namespace: str | None,
    wait: bool,
    timeout: float,
    output: Output,
) -> None:
    """Try a failover on copies, while the group and its replication go on."""
    await _drill(desk, protection_group, target, namespace, FailoverType.TEST, Manner(wait, timeout, output))


@click.command("cleanup")
@click.argument("protection_group")
@click.option(
    "--to", "target", help="The cluster that holds the copies. [default: the one where the group does not run]"
)
@_manner
@asynchronous
async def cleanup(
    desk: Desk,
    protection_group: str,
    target: str | None,
    namespace: str | None,
    wait: bool,
    timeout: float,
    output: Output,
) -> None:
    """Remove what a test has made."""
    await _drill(desk, protection_group, target, namespace, FailoverType.CLEANUP, Manner(wait, timeout, output))


async def _drill(
    desk: Desk, name: str, target: str | None, namespace: str | None, kind: FailoverType, manner: Manner
) -> None:
    space = namespace or desk.settings.namespace
    where = target or await _cluster_of(desk, name, space, "other")
    await _moved(desk, Wanted(name, where, space, kind), manner)


async def _cluster_of(desk: Desk, name: str, namespace: str, which: str) -> str:
    """`primary`, or the `other` one than that where it runs."""
    copy = group.newest(await group.copies(desk, name, namespace))
    primary, dr = copy.cluster_in("primary"), copy.cluster_in("dr")
    other = dr if copy.claim.active in ("", primary) else primary
    found = primary if which == "primary" else other
    if not found:
        raise Precondition(f"protection group {name} does not say which clusters it has: say --to")
    return found


async def _moved(desk: Desk, wanted: Wanted, manner: Manner) -> None:
    operation = await _made(desk, wanted, None)
    last = operation
    if not manner.wait:
        if manner.output.for_people:
            click.echo(f"{FAILOVERS.kind.lower()}.{FAILOVERS.group}/{operation.name} created on {operation.site.name}")
            click.echo(f"Follow it with: pgctl operations watch {operation.name} --namespace {operation.namespace}")
    elif manner.output.for_people:
        click.echo(f"{operation.name} created in namespace {operation.namespace} on {operation.site.name}")
        with Steps(desk.clock) as view:
            last = await _waited(desk, operation, view, manner.timeout)
    else:
        last = await _waited(desk, operation, _Unseen(), manner.timeout)
    if not manner.output.for_people:
        show(manner.output, plain(last.wire))
    concluded(last)


class _Unseen:
    """A program reads the result only."""

    def see(self, operation: Operation) -> None:
        """Says nothing."""


async def _waited(desk: Desk, operation: Operation, view: View, timeout: float) -> Operation:
    """Ctrl-C ends the waiting, not the operation."""
    try:
        return await followed(desk, operation, view, timeout)
    except asyncio.CancelledError:
        watch = f"pgctl operations watch {operation.name} --namespace {operation.namespace}"
        click.echo(f"{operation.name} goes on: {watch}", err=True)
        raise


async def _made(desk: Desk, wanted: Wanted, told: Transcript | None) -> Operation:
    """Looks, asks for permission, and creates. Nothing is created before all of that was good."""
    creation.check(wanted)
    target = desk.workload_site(wanted.target)
    if told:
        told.authenticating()
    for site, error in (await desk.ask(lambda cluster: cluster.server_time())).silent:
        click.echo(f"Warning: {site.name} does not answer: {error}", err=True)
    if told:
        told.locating()
    found = await group.copies(desk, wanted.group, wanted.namespace)
    home = creation.home(desk, found, target)
    await creation.check_permissions(desk, home, wanted)
    operation = await creation.created(desk, home, wanted)
    if told:
        told.creating(operation.name)
    return operation


async def _with_transcript(desk: Desk, wanted: Wanted, style: Style, timeout: float) -> None:
    """Every end is told in the scripts' own form, and by the exit code."""
    told = Transcript(wanted.group, wanted.target, force=wanted.force, style=style, clock=desk.clock, echo=click.echo)
    try:
        operation = await _made(desk, wanted, told)
        last = await _waited(desk, operation, told, timeout)
    except Failure as error:
        told.failed(error.message)
        raise click.exceptions.Exit(error.exit_code) from error
    if failure := failure_of(last):
        raise click.exceptions.Exit(failure.exit_code)
