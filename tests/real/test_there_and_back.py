"""A group moves between two real OpenStack sites and loses nothing; what is asked afterwards is Nova, Cinder, Neutron and the arrays."""

from real.dr.moving import Moving


def test_away_and_home(moving: Moving) -> None:
    """Planned failover and failback: VMs on one site only, as they were, with the last write; nothing left on the other,
    and after the next replication not even the copies of the final snapshot."""
    moving.runs_on("site-a")
    moving.write("site-a")
    moving.completed(moving.away("--wait")["operation_id"])
    moving.runs_on("site-b")
    moving.left("site-a")
    assert moving.pair.group(moving.name)["status"] == "failed_over"

    moving.write("site-b")
    moving.completed(moving.home("--wait")["operation_id"], cloud="site-b")
    moving.runs_on("site-a")
    moving.left("site-b")
    assert moving.pair.group(moving.name)["status"] == "active"

    moving.pair.openstack("dr", "protection-group", "action", moving.name, "--action", "sync-volumes", "--wait")
    moving.gone_from("site-b")
