"""Whether the controllers run, by their Deployments: what an empty list or an operation that stays Pending is due to."""

import dataclasses
from typing import Any

from siterecovery.kubevirt.clusters import base
from siterecovery.kubevirt.domain.names import FAILOVER_CONTROLLER, GROUP_CONTROLLER
from siterecovery.kubevirt.domain.resources import DEPLOYMENTS
from siterecovery.kubevirt.pgctl.configuration import Role
from siterecovery.kubevirt.pgctl.desk import Desk, Site

CONTROLLERS = (FAILOVER_CONTROLLER, GROUP_CONTROLLER)


@dataclasses.dataclass(frozen=True)
class Health:
    """Of one controller on one cluster."""

    ready: int
    wanted: int

    @property
    def good(self) -> bool:
        return self.ready > 0

    def __str__(self) -> str:
        return f"{self.ready}/{self.wanted}"


def _read(deployment: dict[str, Any]) -> Health:
    spec, status = deployment.get("spec") or {}, deployment.get("status") or {}
    wanted = spec.get("replicas")
    return Health(int(status.get("readyReplicas") or 0), 1 if wanted is None else int(wanted))


async def of(cluster: base.Cluster, namespace: str) -> dict[str, Health | None]:
    """By controller; None for one that is not deployed there."""
    found = {name: await cluster.find(DEPLOYMENTS, name, namespace) for name in CONTROLLERS}
    return {name: _read(deployment) if deployment else None for name, deployment in found.items()}


def expected(desk: Desk, site: Site) -> tuple[str, ...]:
    """Which controllers a cluster of this role cannot do without. The Failover controller belongs on the quorum cluster where there is one."""
    if site.role is Role.QUORUM:
        return (FAILOVER_CONTROLLER,)
    return (GROUP_CONTROLLER,) if desk.of_role(Role.QUORUM) else CONTROLLERS


async def failover_controller(desk: Desk) -> list[str]:
    """A sentence for each cluster where it should run and does not."""
    sites = [site for site in desk.sites if FAILOVER_CONTROLLER in expected(desk, site)]
    space = desk.settings.controller_namespace
    answers = (await desk.ask(lambda cluster: of(cluster, space), sites)).answers
    remedy = f"kubectl get pods -n {space} -l app={FAILOVER_CONTROLLER}"
    found = []
    for site, healths in answers:
        health = healths[FAILOVER_CONTROLLER]
        if health is None:
            found.append(f"{FAILOVER_CONTROLLER} is not deployed on {site.name} (namespace {space}).")
        elif not health.good:
            found.append(f"{FAILOVER_CONTROLLER} is not healthy on {site.name} ({health} ready): {remedy}")
    return found
