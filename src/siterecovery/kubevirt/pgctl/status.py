"""`pgctl status`: can the clusters be reached, do the controllers run, where are the groups, what is under way."""

import asyncio
import dataclasses
from typing import Any

import click

from siterecovery.kubevirt.clusters import base
from siterecovery.kubevirt.domain.names import FAILOVER_CONTROLLER, GROUP_CONTROLLER
from siterecovery.kubevirt.domain.resources import CUSTOM_RESOURCE_DEFINITIONS, FAILOVERS, PROTECTION_GROUPS, Resource
from siterecovery.kubevirt.pgctl import group, health, operation
from siterecovery.kubevirt.pgctl.desk import Desk, Round, Site
from siterecovery.kubevirt.pgctl.errors import Failure, Precondition, translated
from siterecovery.kubevirt.pgctl.health import Health
from siterecovery.kubevirt.pgctl.operation import Operation
from siterecovery.kubevirt.pgctl.options import asynchronous, in_namespace, printed
from siterecovery.kubevirt.pgctl.printing import Output, age, show, table

DEFINITIONS = (PROTECTION_GROUPS, FAILOVERS)
_CLUSTERS = ("CLUSTER", "ROLE", "STATUS", "CRDS", "FAILOVER-CONTROLLER", "PROTECTION-GROUP-CONTROLLER")
_GROUPS = ("PROTECTION-GROUP", "CLUSTER", "DESIRED", "CURRENT", "ACTIVE")


@dataclasses.dataclass(frozen=True)
class State:
    """Of one cluster that answers."""

    missing: tuple[str, ...]
    """Names of definitions that are not there."""
    health: dict[str, Health | None]


async def of(cluster: base.Cluster, namespace: str) -> State:
    await cluster.server_time()
    missing = [name for name in map(definition, DEFINITIONS) if not await _defined(cluster, name)]
    return State(tuple(missing), await health.of(cluster, namespace))


async def _defined(cluster: base.Cluster, name: str) -> bool:
    return await cluster.find(CUSTOM_RESOURCE_DEFINITIONS, name) is not None


def definition(resource: Resource) -> str:
    return f"{resource.plural}.{resource.group}"


@click.command("status")
@in_namespace
@printed
@asynchronous
async def status(desk: Desk, namespace: str | None, output: Output) -> None:
    """Confirm that every cluster answers, and show the groups and what is under way."""
    space = namespace or desk.settings.namespace
    states = await desk.ask(lambda cluster: of(cluster, desk.settings.controller_namespace))
    usable = [site for site, state in states.answers if not state.missing]
    copies, operations = await asyncio.gather(_groups(desk, space, usable), _under_way(desk, space, usable))
    if output.for_people:
        _print(desk, states, copies, operations)
    else:
        show(output, _for_programs(desk, states, copies, operations))
    if failure := _failure(desk, states):
        raise failure


async def _groups(desk: Desk, namespace: str, sites: list[Site]) -> list[group.Copy]:
    answers = await desk.ask(lambda cluster: cluster.list(PROTECTION_GROUPS, namespace), sites)
    found = [group.Copy(site, item) for site, listing in answers.answers for item in listing.items]
    return sorted(found, key=lambda copy: copy.name)


async def _under_way(desk: Desk, namespace: str, sites: list[Site]) -> list[Operation]:
    answers = await desk.ask(lambda cluster: cluster.list(FAILOVERS, namespace), sites)
    found = [Operation(site, item) for site, listing in answers.answers for item in listing.items]
    return operation.newest_last([one for one in found if not one.phase.terminal])


def _print(desk: Desk, states: Round[State], copies: list[group.Copy], operations: list[Operation]) -> None:
    now = desk.clock.now()
    click.echo(table(_CLUSTERS, [_cluster_row(desk, site, states) for site in desk.sites]))
    if copies:
        rows = [(copy.name, copy.site.name, copy.desired, copy.current, copy.claim.active) for copy in copies]
        click.echo("\n" + table(_GROUPS, rows))
    if operations:
        lines = [(one.name, one.group, one.target, one.phase.value, age(one.created, now)) for one in operations]
        click.echo("\n" + table(("NAME", "PROTECTION-GROUP", "TARGET", "PHASE", "AGE"), lines))


def _cluster_row(desk: Desk, site: Site, states: Round[State]) -> tuple[object, ...]:
    state = dict(states.answers).get(site)
    if state is None:
        return site.name, site.role.value, word(dict(states.silent)[site]), None, None, None
    registered = f"{len(DEFINITIONS) - len(state.missing)}/{len(DEFINITIONS)}"
    needed = health.expected(desk, site)
    shown = [
        state.health[name] or ("missing" if name in needed else None)
        for name in (FAILOVER_CONTROLLER, GROUP_CONTROLLER)
    ]
    return site.name, site.role.value, "ok", registered, *shown


def word(error: base.ClusterError) -> str:
    """Why a cluster does not answer, short."""
    if isinstance(error, base.Forbidden):
        return "refused" if error.status == 401 else "forbidden"
    return "unusable" if isinstance(error, base.BadAccess) else "unreachable"


def _for_programs(
    desk: Desk, states: Round[State], copies: list[group.Copy], operations: list[Operation]
) -> dict[str, Any]:
    answered, silent = dict(states.answers), dict(states.silent)
    clusters = []
    for site in desk.sites:
        state = answered.get(site)
        entry: dict[str, Any] = {"name": site.name, "role": site.role.value, "reachable": state is not None}
        if state is None:
            entry["error"] = str(silent[site])
        else:
            entry["missingDefinitions"] = list(state.missing)
            entry["controllers"] = {
                name: {"ready": found.ready, "wanted": found.wanted} for name, found in state.health.items() if found
            }
        clusters.append(entry)
    groups = [
        {
            "name": copy.name,
            "cluster": copy.site.name,
            "desiredState": copy.desired,
            "currentState": copy.current,
            "activeCluster": copy.claim.active,
        }
        for copy in copies
    ]
    moves = [
        {"name": one.name, "protectionGroup": one.group, "targetCluster": one.target, "phase": one.phase.value}
        for one in operations
    ]
    return {"clusters": clusters, "protectionGroups": groups, "operations": moves}


def _failure(desk: Desk, states: Round[State]) -> Failure | None:
    """What cannot be reached weighs more than what is missing where it can."""
    if states.silent:
        first = translated(states.silent[0][1])
        return type(first)("; ".join(str(error) for _, error in states.silent) + ". See: pgctl config view")
    found = [sentence for site, state in states.answers for sentence in wanting(desk, site, state)]
    return Precondition("; ".join(found)) if found else None


def wanting(desk: Desk, site: Site, state: State) -> list[str]:
    """What is missing on a cluster that answers, each with its remedy."""
    found = []
    if state.missing:
        found.append(f"{site.name}: {', '.join(state.missing)} not registered: kubectl apply -f deploy/crds")
    space = desk.settings.controller_namespace
    for name in health.expected(desk, site):
        seen = state.health[name]
        if seen is None:
            found.append(f"{site.name}: {name} is not deployed in namespace {space}: install the Helm chart there")
        elif not seen.good:
            found.append(
                f"{site.name}: {name} is not healthy ({seen} ready): kubectl get pods -n {space} -l app={name}"
            )
    return found
