"""Whether a cluster is fit for a failover, check by check, before the day on which that matters."""

import asyncio
import dataclasses
import datetime
from collections.abc import Sequence

from siterecovery.kubevirt.clusters import base
from siterecovery.kubevirt.clusters.base import Cluster
from siterecovery.kubevirt.domain.resources import CUSTOM_RESOURCE_DEFINITIONS, NODES, VIRTUAL_MACHINES, Object
from siterecovery.kubevirt.pgctl import status
from siterecovery.kubevirt.pgctl.configuration import Role
from siterecovery.kubevirt.pgctl.desk import Desk, Site
from siterecovery.kubevirt.pgctl.permissions import OPERATE, allowed

SKEW = 30.0
"""Seconds that clocks may differ: people compare times of events across clusters, certificates and tokens have edges."""


@dataclasses.dataclass(frozen=True)
class Finding:
    site: Site
    check: str
    good: bool
    remark: str = ""
    unreachable: bool = False


async def of(desk: Desk, sites: Sequence[Site], namespace: str) -> list[Finding]:
    found = await asyncio.gather(*(_site(desk, site, namespace) for site in sites))
    return [finding for findings in found for finding in findings]


async def _site(desk: Desk, site: Site, namespace: str) -> list[Finding]:
    """What cannot be asked any more because the cluster went away in the middle is told once."""
    findings: list[Finding] = []
    try:
        cluster = desk.cluster(site)
        findings.append(_clock(site, await cluster.server_time(), desk.clock.now()))
        findings += _state(desk, site, await status.of(cluster, desk.settings.controller_namespace))
        findings.append(await _permissions(site, cluster, namespace))
        if site.role is not Role.QUORUM:
            findings += [await _kubevirt(site, cluster), await _nodes(site, cluster)]
    except base.Forbidden as error:
        findings.append(Finding(site, "access", False, str(error), unreachable=error.status == 401))
    except base.ClusterError as error:
        findings.append(Finding(site, "access", False, str(error), unreachable=True))
    return findings


def _clock(site: Site, theirs: datetime.datetime, ours: datetime.datetime) -> Finding:
    apart = abs((theirs - ours).total_seconds())
    remark = "" if apart <= SKEW else f"its clock and this machine's are {apart:.0f} s apart: check NTP on both"
    return Finding(site, "clock", not remark, remark)


def _state(desk: Desk, site: Site, state: status.State) -> list[Finding]:
    wanting = status.wanting(desk, site, state)
    definitions = [sentence for sentence in wanting if "not registered" in sentence]
    controllers = [sentence for sentence in wanting if sentence not in definitions]
    return [
        Finding(site, "definitions", not definitions, "; ".join(definitions)),
        Finding(site, "controllers", not controllers, "; ".join(controllers)),
    ]


async def _permissions(site: Site, cluster: Cluster, namespace: str) -> Finding:
    answers = [(permission, await allowed(cluster, permission, namespace)) for permission in OPERATE]
    missing = [str(permission) for permission, granted in answers if not granted]
    remark = f"you may not {', '.join(missing)}: ask for the ClusterRole site-recovery-operator" if missing else ""
    return Finding(site, "permissions", not missing, remark)


async def _kubevirt(site: Site, cluster: Cluster) -> Finding:
    there = await cluster.find(CUSTOM_RESOURCE_DEFINITIONS, status.definition(VIRTUAL_MACHINES))
    remark = "" if there else "KubeVirt is not installed: there is no kind VirtualMachine"
    return Finding(site, "kubevirt", there is not None, remark)


async def _nodes(site: Site, cluster: Cluster) -> Finding:
    items = (await cluster.list(NODES)).items
    ready = [item for item in items if _is_ready(item)]
    good = bool(ready)
    return Finding(site, "nodes", good, f"{len(ready)} of {len(items)} ready" + ("" if good else ": no VM can start"))


def _is_ready(node: Object) -> bool:
    conditions = (node.get("status") or {}).get("conditions") or ()
    return any(item.get("type") == "Ready" and item.get("status") == "True" for item in conditions)
