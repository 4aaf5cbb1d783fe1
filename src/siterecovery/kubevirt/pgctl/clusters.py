"""`pgctl clusters`: the configured clusters, and whether each is fit for a failover."""

import click

from siterecovery.kubevirt.pgctl import validation
from siterecovery.kubevirt.pgctl.desk import Desk, Site
from siterecovery.kubevirt.pgctl.errors import Precondition, Unreachable
from siterecovery.kubevirt.pgctl.options import asynchronous, in_namespace, printed
from siterecovery.kubevirt.pgctl.printing import Output, show, table
from siterecovery.kubevirt.pgctl.status import word
from siterecovery.kubevirt.pgctl.validation import Finding

_COLUMNS = ("NAME", "ROLE", "ALIASES", "STATUS")


@click.group("clusters")
def clusters() -> None:
    """The clusters of the configuration."""


@clusters.command("list")
@printed
@asynchronous
async def list_clusters(desk: Desk, output: Output) -> None:
    """Show the clusters and whether they answer."""
    answers = await desk.ask(lambda cluster: cluster.server_time())
    silent = dict(answers.silent)
    if output.for_people:
        rows = [
            (site.name, site.role.value, ",".join(site.context.aliases), word(silent[site]) if site in silent else "ok")
            for site in desk.sites
        ]
        click.echo(table(_COLUMNS, rows))
        return
    items = [_item(site, str(silent[site]) if site in silent else None) for site in desk.sites]
    show(output, {"items": items})


def _item(site: Site, error: str | None) -> dict[str, object]:
    entry: dict[str, object] = {"name": site.name, "role": site.role.value, "aliases": site.context.aliases}
    return entry | {"reachable": error is None} | ({"error": error} if error else {})


@clusters.command("validate")
@click.argument("names", nargs=-1, metavar="[CLUSTER]...")
@in_namespace
@printed
@asynchronous
async def validate_clusters(desk: Desk, names: tuple[str, ...], namespace: str | None, output: Output) -> None:
    """Check all that a failover needs: access, definitions, controllers, permissions, clocks, KubeVirt, nodes."""
    sites = [desk.site(name) for name in names] or list(desk.sites)
    found = await validation.of(desk, sites, namespace or desk.settings.namespace)
    if output.for_people:
        rows = [(one.site.name, one.check, "ok" if one.good else "FAILED", one.remark) for one in found]
        click.echo(table(("CLUSTER", "CHECK", "RESULT", "REMARK"), rows))
    else:
        show(output, {"items": [_finding(one) for one in found]})
    if any(one.unreachable for one in found):
        raise Unreachable("not every cluster answers")
    failed = sum(not one.good for one in found)
    if failed:
        raise Precondition(f"{failed} of {len(found)} checks failed: the remarks say what to do")


def _finding(one: Finding) -> dict[str, object]:
    return {"cluster": one.site.name, "check": one.check, "good": one.good, "remark": one.remark}
