"""The first site is lost with everything on it; its groups live on, and when it comes back it learns that before it starts anything."""

import functools

from real.dr import seen
from real.dr.moving import Moving


def stopped(group: Moving) -> bool:
    """All old servers of site a are down and locked."""
    vms = group.place("site-a").vms
    return len(vms) == len(group.workload.machines) and all(vm.status == "SHUTOFF" and vm.locked for vm in vms.values())


def stranded(group: Moving) -> None:
    """Replicated once, written to once more: nobody but site a will ever have that."""
    group.write("site-a")
    group.pair.openstack("dr", "protection-group", "action", group.name, "--action", "sync-volumes", "--wait")
    group.write("site-a")


def rescued(group: Moving, operation_id: str) -> None:
    """It runs on site b with what was replicated; the record states the recovery point, the group what is not known."""
    record = group.completed(operation_id, cloud="site-b")
    assert record["recovery_point_at"]
    group.runs_on("site-b", generation=group.written - 1)
    shown = group.pair.group(group.name, cloud="site-b")
    assert (shown["status"], shown["remote_sync_status"]) == ("failed_over", "UNREACHABLE")


def test_lost_and_back(two_groups: list[Moving]) -> None:
    """Unplanned failover from site b alone, for one group with the engine killed in the middle of it. The site that returns
    stops its old servers by itself and starts none; sync-force then makes both sites agree on the one primary."""
    group, other = two_groups
    pair = group.pair
    for each in two_groups:
        stranded(each)
    pair.lose("site-a")

    rescued(group, group.away("--type", "unplanned", "--wait", cloud="site-b")["operation_id"])
    killed = other.away("--type", "unplanned", cloud="site-b")["operation_id"]
    other.kill_engine("site-b", killed, "recreate_instances")
    rescued(other, killed)

    pair.bring_back("site-a")
    for each in two_groups:
        each.wait(f"the old servers of {each.name} to be stopped", functools.partial(stopped, each))
        assert seen.starts(pair.sites, "site-a", each.workload) == 0
        pair.openstack("dr", "protection-group", "sync-force", each.name, "--wait")
        each.wait(f"site a to learn of {each.name}", functools.partial(agreed, each))
        assert stopped(each)
        assert each.place("site-a").bootable == frozenset()
        each.runs_on("site-b", generation=each.written - 1)


def agreed(group: Moving) -> bool:
    """Both sites say the same of the group: active on site b, in sync."""
    groups = [client.protection_groups.get(group.id) for client in group.pair.operator.clients.values()]
    return [(g.current_primary_site, g.status, g.remote_sync_status) for g in groups] == [
        ("site-b", "failed_over", "SYNCED")
    ] * 2
