"""What a move keeps of the old side's data is kept no longer than it is needed."""

from support.site_pair import BACK, THERE, Pair


def kept(pair: Pair) -> list[int]:
    """How many copies of a final snapshot each array holds."""
    found = []
    for array in pair.world["arrays"]:
        volumes = pair.control("GET", f"/arrays/{array}/state")["volumes"]
        found.append(sum(v["name"].startswith("drkeep-") and not v["destroyed"] for v in volumes))
    return found


def test_the_final_snapshot_is_kept_until_the_next_move_has_arrived(pair: Pair) -> None:
    """After each move five copies stay on the side that was left; they go when the group, or a whole recovery point of it, is there again."""
    pair.openstack("dr", "failover", "prod", *THERE, "--wait")
    assert kept(pair) == [5, 0]
    pair.openstack("dr", "failback", "prod", "--reverse-replication", *BACK, "--wait")
    assert kept(pair) == [0, 5]
    pair.openstack("dr", "failover", "prod", *THERE, "--wait")
    assert kept(pair) == [5, 0]
