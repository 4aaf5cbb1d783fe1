"""How large a Failover may grow: etcd refuses 1.5 MiB."""

import json

from siterecovery.kubevirt.crds.failover import MOST_HISTORY
from siterecovery.kubevirt.crds.kinds import problems
from siterecovery.kubevirt.domain.resources import FAILOVERS
from siterecovery.kubevirt.flows import failover as flows
from siterecovery.kubevirt.journal import rows
from siterecovery.kubevirt.steps.base import Move, World
from siterecovery.workflow.journal import Entry, State
from siterecovery.workflow.record import UNDO
from siterecovery.workflow.run import End
from unit.kubevirt.flows.ground import Ground, reason
from unit.kubevirt.flows.test_failover import impatient

MIB = 1024 * 1024
SPEC = {"protectionGroup": "pg-a", "targetCluster": "cluster2"}


def size(obj):
    return len(json.dumps(obj))


def test_a_thousand_vms_make_no_larger_failover():
    """There is one row a step however many VMs move, or lag, or cannot be told of."""
    vms = tuple(f"vm-{number:04d}" for number in range(1000))
    moved, lagging = Ground(vms), Ground()
    lagging.storage.lagging = [reason(vm) for vm in vms]

    assert moved.move().end is End.COMPLETED
    assert "and 995 more" in lagging.move(impatient).error

    assert size(moved.failover()) < 10_000
    assert size(lagging.failover()) < 10_000


def test_the_largest_failover_is_far_below_the_limit():
    """With the longest answer and error in each row, the longest reason to go back and a full history it is still valid, and below 1 MiB."""
    move = Move("ns", "fo", "uid", "pg-a", "cluster1", "cluster2", "quorum")
    status = {"epoch": 1, "phase": "Failed", "message": "m" * 4096}
    for step in flows.move(World(move, None, None, None, None, None, None)).steps():
        rows.put(status, Entry(step.name, State.UNDO_FAILED, "r" * 500, "e" * 9000, "i" * 500), "2026-11-21T10:00:00Z")
    rows.put(status, Entry(UNDO, State.STARTED, None, "u" * 9000), "2026-11-21T10:00:00Z")
    entry = {"time": "2026-11-21T10:00:00Z", "reason": "StepFailed", "message": "h" * 1024}
    status["history"] = [entry] * MOST_HISTORY
    failover = FAILOVERS.header("fo", "ns") | {"spec": SPEC, "status": status}

    assert problems(failover) == []
    assert size(failover) < MIB / 4
