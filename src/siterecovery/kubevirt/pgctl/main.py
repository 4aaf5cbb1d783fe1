"""The command `pgctl`: all its nouns and verbs in one table."""

from typing import Any

import click

from siterecovery.kubevirt.pgctl import clusters, config, groups, locks, moves, operations, protection, status
from siterecovery.kubevirt.pgctl.options import Surroundings, surroundings

COMMANDS: tuple[click.Command, ...] = (
    status.status,
    groups.groups,
    protection.protect,
    protection.unprotect,
    moves.failover,
    moves.failback,
    moves.test,
    moves.cleanup,
    operations.operations,
    locks.locks,
    clusters.clusters,
    config.config,
)


class _InOrder(click.Group):
    """Help shows the commands in the order of the table, which is that of use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


@click.group(cls=_InOrder, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="siterecovery", prog_name="pgctl")
@click.pass_context
def pgctl(ctx: click.Context) -> None:
    """Disaster recovery for KubeVirt virtual machines: groups, failovers and their records.

    \b
    Exit codes: 0 done, 1 failed, 2 wrong command line, 3 a cluster cannot be reached,
    4 somebody else is at it (a lock), 5 something must be put right first.
    """
    if not isinstance(ctx.obj, Surroundings):
        ctx.obj = surroundings()


for command in COMMANDS:
    pgctl.add_command(command)


def main(arguments: list[str] | None = None) -> Any:
    """The entry point."""
    return pgctl.main(args=arguments, prog_name="pgctl")
