"""What a move keeps of the old side's data is kept no longer than it is needed."""

from support.site_pair import BACK, THERE, Pair


def kept(pair: Pair) -> list[int]:
    """How many copies of a final snapshot each array holds."""
    found = []
    for array in pair.world["arrays"]:
        volumes = pair.control("GET", f"/arrays/{array}/state")["volumes"]
        found.append(sum(v["name"].startswith("drkeep-") and not v["destroyed"] for v in volumes))
    return found


def test_the_final_snapshot_is_kept_until_the_new_direction_has_one(pair: Pair) -> None:
    """After each move five copies stay on the side that was left; they go as soon as replication has brought a whole recovery point there."""
    pair.openstack("dr", "failover", "prod", *THERE, "--wait")
    assert kept(pair) == [5, 0]
    pair.openstack("dr", "failback", "prod", "--reverse-replication", *BACK, "--wait")
    assert kept(pair) == [0, 5]
    pair.openstack("dr", "protection-group", "action", "prod", "--action", "sync-volumes", "--wait")
    assert kept(pair) == [0, 0]
    pair.openstack("dr", "failover", "prod", *THERE, "--wait")
    assert kept(pair) == [5, 0]
    shown = [pair.openstack("dr", "protection-group", "show", "prod", "-f", "json", cloud=site) for site in pair.sites]
    assert [it["remote_sync_status"] for it in shown] == ["SYNCED", "SYNCED"]
