"""What a Failover leaves in the copies of its group: `lastFailover` and `location`. These fields have no other writer."""

import asyncio
import logging

from siterecovery.kubevirt.clusters import base
from siterecovery.kubevirt.controllers.failover.promises import Clusters
from siterecovery.kubevirt.crds.failover import Phase
from siterecovery.kubevirt.domain import times
from siterecovery.kubevirt.domain.names import FAILOVER_CONTROLLER
from siterecovery.kubevirt.domain.resources import PROTECTION_GROUPS, Object
from siterecovery.kubevirt.steps.base import Move
from siterecovery.workflow.clock import Clock

LOG = logging.getLogger(__name__)


async def tell(clusters: Clusters, move: Move, phase: Phase, clock: Clock) -> None:
    """Every copy that can be reached; the others learn nothing, and lose nothing: the Failover itself is the record."""
    last: Object = {
        "lastFailover": {
            "name": move.name,
            "type": move.type.value,
            "phase": phase.value,
            "targetCluster": move.shown,
            "completedAt": times.stamp(clock.now()),
        }
    }
    if phase is Phase.SUCCEEDED:
        last["location"] = move.target
    await asyncio.gather(*(_tell(clusters, move, name, last) for name in move.kept_on))


async def _tell(clusters: Clusters, move: Move, name: str, fields: Object) -> None:
    try:
        await clusters.get(name).patch(
            PROTECTION_GROUPS,
            move.group,
            move.namespace,
            {"status": fields},
            subresource="status",
            manager=FAILOVER_CONTROLLER,
        )
    except base.ClusterError as error:
        LOG.warning("the copy of %s on %s was not told how its failover ended: %s", move.group, name, error)
