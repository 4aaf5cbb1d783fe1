"""From a ProtectionRequest to a piece of work: what is due, and between which clusters. Changes nothing."""

import dataclasses
import enum

from siterecovery.kubevirt.clusters import base
from siterecovery.kubevirt.clusters.registry import UnknownCluster
from siterecovery.kubevirt.controllers.failover.promises import Clusters
from siterecovery.kubevirt.crds.drbd_replication_policy import DRBDReplicationPolicy
from siterecovery.kubevirt.crds.kinds import problems
from siterecovery.kubevirt.crds.protection_request import Phase, ProtectionRequest, Wanted
from siterecovery.kubevirt.domain import disks
from siterecovery.kubevirt.domain.protection import plan_of
from siterecovery.kubevirt.domain.resources import DRBD_REPLICATION_POLICIES, VIRTUAL_MACHINES, Object
from siterecovery.kubevirt.steps.protection.base import Work
from siterecovery.workflow.step import Refused


class Verb(enum.StrEnum):
    PROTECT = "protect"
    UNPROTECT = "unprotect"


_END = {Wanted.PROTECTED: Phase.PROTECTED, Wanted.UNPROTECTED: Phase.UNPROTECTED}
_VERB = {Wanted.PROTECTED: Verb.PROTECT, Wanted.UNPROTECTED: Verb.UNPROTECT}


def under_way(request: ProtectionRequest) -> Verb | None:
    """What an earlier process, or this one, has begun and not ended."""
    status = request.status
    if not status.started_at or status.completed_at:
        return None
    return Verb.UNPROTECT if status.phase is Phase.UNPROTECTING else Verb.PROTECT


def due(request: ProtectionRequest) -> Verb | None:
    """What is to be done now. What was begun comes to its end first; what has failed is tried again only when somebody changes the request."""
    begun = under_way(request)
    if begun is not None:
        return begun
    status, wanted = request.status, request.spec.desired_state
    if request.metadata.deletion_timestamp or status.phase is _END[wanted]:
        return None
    if status.phase is Phase.FAILED and (status.observed_generation or 0) >= request.metadata.generation:
        return None
    return _VERB[wanted]


def countermanded(request: ProtectionRequest) -> str | None:
    """Who has asked to stop a protection that is under way: it is then taken back."""
    if request.metadata.deletion_timestamp:
        return "the deletion of the request"
    if request.spec.desired_state is Wanted.UNPROTECTED:
        return "desiredState: unprotected"
    return None


@dataclasses.dataclass(frozen=True)
class Planned:
    """`grace`: seconds its guest may take to shut down."""

    verb: Verb
    work: Work
    grace: float


async def plan(clusters: Clusters, obj: Object, verb: Verb) -> Planned:
    """Raises Refused when it can never be carried out, and ClusterError when nobody can tell now."""
    wrong = problems(obj)
    if wrong:
        raise Refused("; ".join(wrong))
    request = ProtectionRequest.parse(obj)
    policy = await _policy(clusters, request)
    found = DRBDReplicationPolicy.parse(policy)
    try:
        primary, dr = (clusters.resolve(name) for name in (found.spec.clusters.primary, found.spec.clusters.dr))
    except UnknownCluster as error:
        raise Refused(f"DRBDReplicationPolicy {request.spec.policy}: {error}. Nothing was changed") from error
    work = Work(
        namespace=request.metadata.namespace,
        name=request.metadata.name,
        uid=request.metadata.uid,
        machine=request.spec.virtual_machine,
        primary=primary,
        dr=dr,
        home=clusters.local.name,
        policy_name=request.spec.policy,
        policy=policy["spec"],
    )
    vm = await clusters.get(primary).find(VIRTUAL_MACHINES, work.machine, work.namespace)
    _same_place(work, vm)
    return Planned(verb, work, disks.grace(vm) if vm is not None else 0.0)


def _same_place(work: Work, vm: Object | None) -> None:
    """A policy whose clusters were changed since would look for the replicas where they are not."""
    try:
        plan = plan_of(vm) if vm is not None else None
    except ValueError:
        return  # the first step says so, with the remedy
    if plan is not None and (plan.primary, plan.dr) != (work.primary, work.dr):
        raise Refused(
            f"{work.machine} is replicated between {plan.primary} and {plan.dr}, and DRBDReplicationPolicy {work.policy_name} names {work.primary}"
            f" and {work.dr}: put the policy back as it was"
        )


async def _policy(clusters: Clusters, request: ProtectionRequest) -> Object:
    name, namespace, home = request.spec.policy, request.metadata.namespace, clusters.local
    found = await home.find(DRBD_REPLICATION_POLICIES, name, namespace)
    if found is None:
        raise Refused(
            f"There is no DRBDReplicationPolicy {name} in namespace {namespace} on {home.name}: create it beside the request. Nothing was changed"
        )
    if wrong := problems(found):
        raise Refused(f"DRBDReplicationPolicy {name}: {'; '.join(wrong)}. Nothing was changed")
    return found


Away = (base.Unknown, base.BadAccess)
"""A cluster that cannot be asked now."""
