"""What the controller does at rest: it says where groups run, and pays what unplanned failovers owe."""

import pytest

from siterecovery.kubevirt.controllers.failover.rounds import location
from siterecovery.kubevirt.crds.failover import FailoverType
from siterecovery.kubevirt.domain.names import DISCARD
from siterecovery.kubevirt.domain.resources import EVENTS, PROTECTION_GROUPS
from siterecovery.workflow.run import End
from unit.kubevirt.flows.ground import VMS, Ground, brain, reason
from unit.kubevirt.flows.test_failover import impatient


def copy(state):
    return None if state is None else {"status": {"currentState": state}} if state else {}


@pytest.mark.parametrize(
    ("here", "there", "where"),
    [
        ("running", "stopped", "cluster1"),
        ("stopped", "mixed", "cluster2"),
        ("running", "mixed", "both"),
        ("stopped", "stopped", "none"),
        ("running", "unknown", "unknown"),
        ("running", None, "unknown"),
        ("running", "", "cluster1"),
    ],
)
def test_a_group_is_where_its_controllers_say(here, there, where):
    """A side that cannot be read is no side where nothing runs; one without a copy is."""
    assert location({"cluster1": copy(here), "cluster2": copy(there)}) == where


@pytest.fixture
def lost():
    """A group that was moved without its source, which has come back: still of the old epoch, and still wanting to run."""
    ground = Ground()
    ground.source.down = True
    for name in VMS:
        ground.storage.close_on(name, "cluster1")
    assert ground.move(impatient, type=FailoverType.UNPLANNED).end is End.COMPLETED
    ground.source.down = False
    for name in VMS:  # its guests could not open their disks
        ground.storage.close_on(name, "cluster1")
    return ground


def debts(ground):
    return [debt["kind"] for debt in ground.copy("cluster2")["status"].get("debts") or ()]


def events(ground):
    return [event["reason"] for event in ground.target._all(EVENTS)]


def test_where_a_group_runs_is_told_on_its_copies():
    """Also when it has never been moved."""
    ground = Ground()
    ground.rounds()
    assert [ground.copy(name)["status"]["location"] for name in ("cluster1", "cluster2")] == ["cluster1"] * 2


def test_a_returned_source_is_stopped_before_its_disks_are_touched(lost):
    """It learns of the newer epoch and is seen at rest; only then is quorum switched on again, and nothing is owed any more."""
    lost.rounds()

    assert lost.authority("cluster1") == (2, "cluster2")
    assert lost.copy("cluster1")["spec"]["desiredState"] == "stopped"
    assert lost.running() == ["cluster2"]
    assert debts(lost) == []
    assert lost.storage.forced == []
    assert events(lost) == ["DebtPaid", "DebtPaid"]


def test_a_source_that_does_not_stop_keeps_all_debts(lost):
    """While its VMs are not seen stopped, quorum stays off and no disk is filled over them."""
    lost.source.stubborn = True
    lost.rounds()
    assert debts(lost) == ["stop", "restore-quorum"]
    assert lost.storage.forced == ["db", "web"]


def test_quorum_waits_for_the_resync(lost):
    """The source is stopped, and the disks are not in sync yet: that debt stays until they are."""
    lost.storage.lagging = [reason(kind="NotInSync")]
    lost.rounds()
    assert debts(lost) == ["restore-quorum"]
    lost.storage.lagging = ()
    lost.rounds()
    assert debts(lost) == []


def test_nothing_that_was_written_is_given_up_unasked(lost):
    """When both sides have written, an Event says how to confirm what may be lost; what a person names is discarded, once, and recorded."""
    lost.storage.parted = [brain("db")]
    lost.rounds()
    assert debts(lost) == ["restore-quorum"]
    assert lost.storage.discarded == []
    assert f"{DISCARD}=cluster1" in lost.target._all(EVENTS)[-1]["message"]

    group = lost.copy("cluster2")
    group["metadata"]["annotations"] = {DISCARD: "cluster1"}
    lost.target.put(PROTECTION_GROUPS, group)
    lost.rounds()
    lost.rounds()

    assert lost.storage.discarded == [("db", "cluster1")]
    assert debts(lost) == []
    assert DISCARD not in (lost.copy("cluster2")["metadata"].get("annotations") or {})
    assert "DataDiscarded" in events(lost)


def test_a_source_that_got_the_group_back_is_not_stopped(lost):
    """What was owed to a cluster is void once the group lives there again."""
    owed = lost.copy("cluster2")["status"]["debts"]
    status = {"epoch": 3, "activeCluster": "cluster1"}
    for name in ("cluster1", "cluster2"):
        group = lost.copy(name)
        group["spec"]["desiredState"] = "running" if name == "cluster1" else "stopped"
        debts_there = {"debts": owed} if name == "cluster1" else {"debts": None}
        lost.clusters[name].put(PROTECTION_GROUPS, group, (group["status"] | status | debts_there))

    lost.rounds()

    assert lost.copy("cluster1")["spec"]["desiredState"] == "running"


def test_in_the_model_of_two_clusters_each_pays_its_own(lost):
    """The returned source's own controller leaves the other cluster's debts to that one's."""
    lost.rounds("cluster1")
    assert debts(lost) == ["stop", "restore-quorum"]
    lost.rounds("cluster2")
    assert debts(lost) == []
