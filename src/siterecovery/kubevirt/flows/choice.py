"""From a Failover's type to its flow: one table."""

from collections.abc import Callable

from siterecovery.kubevirt.crds.failover import FailoverType
from siterecovery.kubevirt.flows import drill, failover
from siterecovery.kubevirt.steps.base import World
from siterecovery.workflow.flow import Flow

_FLOWS: dict[FailoverType, Callable[[World], Flow]] = {
    FailoverType.PLANNED: failover.move,
    FailoverType.UNPLANNED: failover.move,
    FailoverType.TEST: drill.test,
    FailoverType.CLEANUP: drill.cleanup,
}


def flow_of(world: World) -> Flow:
    return _FLOWS[world.move.type](world)
