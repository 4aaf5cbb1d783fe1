"""A VM on the target that nobody has made the group's."""

LABEL = "siterecovery.trilio.io/protection-group"


def test_a_stranger_with_a_members_name_stops_a_move_before_it_begins(controller, stage):
    """Failed before anything is touched, with what to do, also with force; the group says so too, and moves when it is mended."""
    group = stage.group("pg-a", vms=1)
    there = stage.planes.cluster2
    there.kubectl("label", "vm", "pg-a-vm1", "-n", stage.namespace, f"{LABEL}-")

    for force in (False, True):
        refused = stage.failover("pg-a", force=force).failed()
        assert "which nobody has made this group's: pg-a-vm1" in refused
        assert refused.endswith("Nothing was changed")

    assert (group.status["epoch"], group.state) == (1, "running")
    assert group.get()["spec"]["desiredState"] == "running"
    assert stage.running_on("pg-a-vm1") == ["cluster1"]
    group.until_condition("FailoverReady", "CopiesIncomplete")

    there.kubectl("label", "vm", "pg-a-vm1", "-n", stage.namespace, f"{LABEL}=pg-a")
    group.until_condition("FailoverReady", "Ready")
    stage.failover("pg-a").succeeded()
    assert stage.running_on("pg-a-vm1") == ["cluster2"]
