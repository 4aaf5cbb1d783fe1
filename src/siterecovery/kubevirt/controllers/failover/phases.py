"""From a Failover to a move: which clusters, whether it is for this controller, whether it can be carried out at all. Changes nothing."""

import dataclasses

from siterecovery.kubevirt.clusters import base
from siterecovery.kubevirt.clusters.registry import UnknownCluster
from siterecovery.kubevirt.controllers.failover.promises import Clusters
from siterecovery.kubevirt.crds.failover import Failover
from siterecovery.kubevirt.crds.kinds import problems
from siterecovery.kubevirt.crds.protection_group import ProtectionGroup
from siterecovery.kubevirt.domain import disks
from siterecovery.kubevirt.domain.resources import PROTECTION_GROUPS, VIRTUAL_MACHINES, Object
from siterecovery.kubevirt.steps.base import Move
from siterecovery.kubevirt.steps.sight import member_names
from siterecovery.workflow.step import Refused


@dataclasses.dataclass(frozen=True)
class NotHere:
    """Another cluster's controller carries it out; `message` says which."""

    message: str


@dataclasses.dataclass(frozen=True)
class Planned:
    move: Move
    group: Object
    """The target's copy, for what does not change while the Failover runs."""
    grace: float = 0.0
    """Seconds the slowest of its guests may take to shut down."""


async def plan(clusters: Clusters, obj: Object) -> Planned | NotHere:
    """Raises Refused when it can never be carried out, and ClusterError when nobody can tell now."""
    wrong = problems(obj)
    if wrong:
        raise Refused("; ".join(wrong))
    failover = Failover.parse(obj)
    try:
        clusters.resolve(failover.spec.target_cluster)
    except UnknownCluster as error:
        raise Refused(str(error)) from error
    found = _placed(clusters, failover, await _group(clusters, failover))
    if isinstance(found, NotHere):
        return found
    machines = (await clusters.get(found.move.target).list(VIRTUAL_MACHINES, found.move.namespace)).items
    names = member_names(found.group, machines)
    grace = max((disks.grace(vm) for vm in machines if vm["metadata"]["name"] in names), default=0.0)
    return dataclasses.replace(found, grace=grace)


async def _group(clusters: Clusters, failover: Failover) -> Object:
    """The target's copy of the group."""
    name, namespace, target = failover.spec.protection_group, failover.metadata.namespace, failover.spec.target_cluster
    found = await clusters.get(target).find(PROTECTION_GROUPS, name, namespace)
    if found is not None:
        return found
    for other in clusters.names:
        try:
            found = await clusters.get(other).find(PROTECTION_GROUPS, name, namespace)
        except base.ClusterError:
            continue  # the refusal below does not depend on those that do not answer
        if found is not None:
            _sides(clusters, failover, found)
            raise Refused(
                f"ProtectionGroup {name} is on {other}, but has no copy on {target} yet. The group controllers make it: check that"
                " protection-group-controller is healthy on both clusters, then create the Failover anew"
            )
    raise Refused(
        f"There is no ProtectionGroup {name} in namespace {namespace}. See kubectl get protectiongroups --all-namespaces on {target}"
    )


def _placed(clusters: Clusters, failover: Failover, wire: Object) -> Planned | NotHere:
    source, target = _sides(clusters, failover, wire)
    asked, home = failover.spec.target_cluster, clusters.local.name
    if clusters.same(home, source):
        return NotHere(_elsewhere(failover, home, asked))
    move = Move(
        namespace=failover.metadata.namespace,
        name=failover.metadata.name,
        uid=failover.metadata.uid,
        group=failover.spec.protection_group,
        source=source,
        target=target,
        home=home,
        asked=asked,
        quorum=ProtectionGroup.parse(wire).spec.clusters.quorum,
        type=failover.spec.type,
        force=failover.spec.force,
    )
    return Planned(move, wire)


def _sides(clusters: Clusters, failover: Failover, wire: Object) -> tuple[str, str]:
    """(source, target) by the names the group uses."""
    found = ProtectionGroup.parse(wire).spec.clusters
    sides = (found.primary, found.dr)
    asked = failover.spec.target_cluster
    for source, target in (sides, sides[::-1]):
        if clusters.same(target, asked):
            return source, target
    raise Refused(f"{failover.spec.protection_group} is protected between {' and '.join(sides)}: {asked} is neither")


def _elsewhere(failover: Failover, home: str, asked: str) -> str:
    return (
        f"Not carried out here: in the model of two clusters a failover is created on its target. Create it on {asked} (kubectl apply with"
        f" {asked}'s kubeconfig), and delete this one: kubectl delete failover {failover.metadata.name} -n {failover.metadata.namespace}"
        f" on {home}"
    )
