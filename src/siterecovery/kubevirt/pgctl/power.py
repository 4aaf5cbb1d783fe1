"""Starting and stopping a group by its `desiredState`, where that means something: on the copy of the cluster that may run it."""

from collections.abc import Callable

from siterecovery.kubevirt.clusters import base
from siterecovery.kubevirt.domain.names import GROUP_CONTROLLER
from siterecovery.kubevirt.domain.resources import PROTECTION_GROUPS
from siterecovery.kubevirt.pgctl import group, operation
from siterecovery.kubevirt.pgctl.desk import Desk, warn
from siterecovery.kubevirt.pgctl.errors import Conflict, Failure, Precondition
from siterecovery.kubevirt.pgctl.following import EVERY
from siterecovery.kubevirt.pgctl.group import Copy


async def check_quiet(desk: Desk, name: str, namespace: str) -> None:
    """Conflict while a failover of the group is under way: it steers `desiredState` itself."""
    for one in await operation.everywhere(desk, namespace, name):
        if not one.phase.terminal:
            raise Conflict(
                f"{one.name} is {one.phase.value.lower()}: wait for its end (pgctl operations watch {one.name}), then try again"
            )


async def switched(desk: Desk, name: str, namespace: str, cluster: str | None, desired: str) -> Copy:
    """The copy as it was written. The write is conditional on what was looked at."""
    found = await group.copies(desk, name, namespace, desk.workload)
    copy = _chosen(desk, found, name, cluster)
    active = group.newest(found).claim.active
    if desired == "running" and active not in ("", *copy.site.names):
        raise Precondition(
            f"{name} is active on {active}: a start on {copy.site.name} would do nothing."
            f" Move it there instead: pgctl failover {name} --to {copy.site.name} --namespace {namespace}"
        )
    await check_quiet(desk, name, namespace)
    version = copy.wire["metadata"]["resourceVersion"]
    patch = {"metadata": {"resourceVersion": version}, "spec": {"desiredState": desired}}
    wire = await desk.cluster(copy.site).patch(PROTECTION_GROUPS, name, namespace, patch, manager="pgctl")
    return Copy(copy.site, wire)


def _chosen(desk: Desk, found: list[Copy], name: str, cluster: str | None) -> Copy:
    if cluster is not None:
        site = desk.workload_site(cluster)
        chosen = next((copy for copy in found if copy.site == site), None)
        if chosen is None:
            raise Precondition(f"{site.name} has no copy of {name}")
        return chosen
    highest = group.newest(found).claim
    rivals = {copy.claim.active for copy in found if copy.claim.epoch == highest.epoch and highest.epoch}
    if len(rivals) > 1:
        raise Precondition(
            f"split-brain: {' and '.join(sorted(rivals))} both claim {name}. Decide which one, and say --cluster"
        )
    active = highest.active or found[0].cluster_in("primary")
    chosen = next((copy for copy in found if active in copy.site.names), None)
    if chosen is None:
        raise Precondition(f"{name} is active on {active}, which does not answer or is not configured")
    return chosen


async def reached(desk: Desk, copy: Copy, desired: str, limit: float, tell: Callable[[str], None]) -> None:
    """Until its controller has seen the change and all members have followed; each state is told as it comes."""
    cluster, begun, told = desk.cluster(copy.site), desk.clock.monotonic(), ""
    generation = int(copy.wire["metadata"].get("generation") or 0)
    silent = False
    while desk.clock.monotonic() - begun < limit:
        try:
            now = Copy(copy.site, await cluster.get(PROTECTION_GROUPS, copy.name, copy.namespace))
            silent = False
        except base.Unknown as error:
            if not silent:
                warn(f"{error}; asking again")
            silent = True
        else:
            seen = int(now.status.get("observedGeneration") or 0) >= generation
            if seen and now.current != told:
                told = now.current
                tell(told)
            if seen and now.current == desired:
                return
        await desk.clock.sleep(EVERY)
    raise Failure(
        f"{copy.name} is not {desired} after {limit:g} s: pgctl groups get {copy.name} --namespace {copy.namespace};"
        f" kubectl get pods -n {desk.settings.controller_namespace} -l app={GROUP_CONTROLLER}"
    )
