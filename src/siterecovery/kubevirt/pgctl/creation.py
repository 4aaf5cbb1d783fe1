"""How a Failover comes to be: where it belongs, who may make it, and its name."""

import dataclasses
from collections.abc import Sequence

from siterecovery.kubevirt.clusters import base
from siterecovery.kubevirt.crds.failover import FailoverType, Spec
from siterecovery.kubevirt.crds.kinds import problems
from siterecovery.kubevirt.domain.names import GROUP_LABEL
from siterecovery.kubevirt.domain.resources import FAILOVERS, Object
from siterecovery.kubevirt.pgctl.configuration import Role
from siterecovery.kubevirt.pgctl.desk import Desk, Site, first_failure
from siterecovery.kubevirt.pgctl.errors import Conflict, Precondition
from siterecovery.kubevirt.pgctl.group import Copy
from siterecovery.kubevirt.pgctl.operation import Operation
from siterecovery.kubevirt.pgctl.permissions import CREATE_FAILOVERS, FORCE, allowed

_NAMES = 60
"""Seconds ahead in which a free name is looked for."""
_LONGEST_LABEL = 63


@dataclasses.dataclass(frozen=True)
class Wanted:
    group: str
    target: str
    """As it was named: output shows it so."""
    namespace: str
    type: FailoverType = FailoverType.PLANNED
    force: bool = False
    confirm_source_down: bool = False

    def wire(self, name: str) -> Object:
        spec = Spec(
            protection_group=self.group,
            target_cluster=self.target,
            force=self.force,
            type=self.type,
            confirm_source_down=self.confirm_source_down,
        )
        made = FAILOVERS.header(name, self.namespace) | {"spec": spec.wire()}
        if len(self.group) <= _LONGEST_LABEL:
            made["metadata"]["labels"] = {GROUP_LABEL: self.group}
        return made


def home(desk: Desk, found: Sequence[Copy], target: Site) -> Site:
    """The cluster whose Failover controller carries it out: with LINSTOR the quorum cluster's, with the DRBD Operator the target's own, so that
    neither a third cluster nor the lost one is needed."""
    quorum = desk.of_role(Role.QUORUM)
    by_target = quorum is None or any(copy.backend == "drbd-operator" for copy in found)
    return target if by_target or quorum is None else quorum


async def check_permissions(desk: Desk, site: Site, wanted: Wanted) -> None:
    """Before anything is created, with the credentials that will create it."""
    needed = [CREATE_FAILOVERS, *([FORCE] if wanted.force else [])]
    for permission in needed:
        answer = await desk.ask(
            lambda cluster, asked=permission: allowed(cluster, asked, wanted.namespace),  # type: ignore[misc]
            [site],
        )
        if not answer.answers:
            raise first_failure(answer)
        if not answer.answers[0][1]:
            raise Precondition(
                f"you may not {permission} in namespace {wanted.namespace} on {site.name}:"
                " ask for the ClusterRole site-recovery-operator"
                + (" and, for --force, site-recovery-force" if permission is FORCE else "")
            )


def check(wanted: Wanted) -> None:
    """Precondition with everything that an API server of today would refuse; older servers would let it through."""
    if wrong := problems(wanted.wire("failover")):
        raise Precondition("; ".join(wrong))


async def created(desk: Desk, site: Site, wanted: Wanted) -> Operation:
    """Names end in the second of their creation; one that is taken becomes the next second's."""
    cluster = desk.cluster(site)
    second = int(desk.clock.now().timestamp())
    for later in range(_NAMES):
        name = f"failover-{wanted.group}-{second + later}"
        try:
            return Operation(site, await cluster.create(FAILOVERS, wanted.wire(name)))
        except base.AlreadyExists:
            continue
    raise Conflict(
        f"every name from failover-{wanted.group}-{second} on is taken: wait a minute and look who makes them"
    )
