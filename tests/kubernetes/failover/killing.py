"""One Failover whose first controller dies at a point of its flow, ended by a second one; and the flows of which the points come."""

from crashes.death import Death
from kubernetes.failover.mortal import MortalController
from sandbox.kubernetes.client import wait_until
from siterecovery.kubevirt.crds.failover import FailoverType
from siterecovery.kubevirt.flows.choice import flow_of
from siterecovery.kubevirt.steps.base import Move, World

ENDED = ("Succeeded", "Failed")


def flow(kind="planned"):
    """As a controller builds it, over nothing."""
    move = Move("ns", "name", "uid", "pg", "cluster1", "cluster2", "quorum", type=FailoverType(kind))
    return flow_of(World(move, None, None, None, None, None, None))


def play(stage, group, target, point, fail_at=None, **spec):
    """The Failover, ended. AssertionError when the point was never reached, or when it ended without the second controller."""
    death = Death(point, fail_at)
    with MortalController(stage.planes, death):
        failover = stage.failover(group, target, **spec)
        over = lambda: death.happened.is_set() or failover.phase in ENDED  # noqa: E731
        wait_until(f"death at {point}", 90, over)
        assert death.happened.is_set(), (str(point), failover.phase, failover.message)
    assert failover.phase not in ENDED, (str(point), failover.phase, failover.message)
    with MortalController(stage.planes, Death(None, fail_at)):
        failover.until_ended()
    return failover
