"""What many moves wait for together."""

import asyncio
from types import SimpleNamespace

import pytest

from siterecovery.kubevirt.crds.failover import FailoverType
from siterecovery.kubevirt.domain.resources import PROTECTION_GROUPS
from siterecovery.kubevirt.steps.base import GroupTopic, Move
from siterecovery.kubevirt.steps.groups import TargetTopic
from unit.kubevirt.memory_cluster import MemoryCluster

SPACE = "prod"


def world_of(cluster, uid="1", kind=FailoverType.PLANNED):
    move = Move(SPACE, "fo", uid, "pg-0", "cluster1", "cluster2", "quorum", type=kind)
    return SimpleNamespace(
        move=move, clusters=SimpleNamespace(get=lambda name: cluster), ask=lambda work: asyncio.run(work)
    )


@pytest.mark.parametrize(("waiting", "calls"), [(1, {"get"}), (5, {"get"}), (50, {"list"})])
def test_copies_are_read_by_name_or_together(waiting, calls):
    """A few groups are asked for by their names, many by one list: fifty moves do not ask fifty times as often. One that is gone is left out."""
    cluster = MemoryCluster()
    names = [f"pg-{number}" for number in range(waiting)]
    for name in [*names[1:], "somebody-elses"]:
        cluster.put(PROTECTION_GROUPS, PROTECTION_GROUPS.header(name, SPACE))
    seen = GroupTopic(world_of(cluster), "cluster1").read(frozenset(names))
    assert sorted(seen) == sorted(names[1:])
    assert {call[0] for call in cluster.calls} == calls
    assert len(cluster.calls) == (1 if calls == {"list"} else waiting)


def test_planned_moves_to_one_target_wait_together_and_others_alone():
    """Whether disks can be opened is asked for the group of one unplanned move: its answer is nobody else's."""

    def key(uid, kind):
        return TargetTopic(world_of(None, uid, kind), "cluster2").key

    planned, unplanned = FailoverType.PLANNED, FailoverType.UNPLANNED
    assert key("1", planned) == key("2", planned)
    assert len({key("1", planned), key("1", unplanned), key("2", unplanned)}) == 3
