"""`pgctl protect` and `unprotect`."""

import pytest

from siterecovery.kubevirt.domain.resources import DRBD_REPLICATION_POLICIES, PROTECTION_REQUESTS
from unit.kubevirt.pgctl.ground import SPACE, Ground


@pytest.fixture
def ground(tmp_path):
    made = Ground(tmp_path)
    made.primary.put(DRBD_REPLICATION_POLICIES, {"metadata": {"name": "gold", "namespace": SPACE}})
    return made


def request(ground):
    return ground.primary.of(PROTECTION_REQUESTS, "vm1", SPACE)


def says(ground, **status):
    def write():
        ground.primary.put(PROTECTION_REQUESTS, request(ground), status)

    return write


def test_a_request_is_made_where_the_policy_is(ground):
    """With one policy in the namespace it is taken, and the request is created beside it."""
    assert ground.run("protect", "vm1").exit_code == 0
    assert request(ground)["spec"] == {"virtualMachine": "vm1", "policy": "gold", "desiredState": "protected"}


def test_the_progress_of_the_sync_is_shown(ground):
    """--wait prints phase and progress of each volume as they change, until the VM is protected."""
    volumes = [{"claim": "disk-0", "progress": 30}]
    ground.meanwhile(
        says(ground, phase="Stopping"),
        says(ground, phase="Syncing", progress=30, volumes=volumes),
        says(ground, phase="Protected", progress=100),
    )

    result = ground.run("protect", "vm1", "--wait")

    assert result.exit_code == 0
    assert result.stdout.splitlines()[1:] == ["Pending", "Stopping", "Syncing 30% (disk-0 30%)", "Protected 100%"]


def test_a_failure_is_told(ground):
    """A request that fails ends with 1 and its message."""
    ground.meanwhile(says(ground, phase="Failed", message="claim disk-0 has no mapped class"))
    result = ground.run("protect", "vm1", "--wait")
    assert (result.exit_code, "no mapped class" in result.stderr) == (1, True)


def test_no_policy(tmp_path):
    """Without a policy there is nothing to protect by: a precondition."""
    result = Ground(tmp_path).run("protect", "vm1")
    assert (result.exit_code, "no DRBDReplicationPolicy" in result.stderr) == (5, True)


def test_several_policies(ground):
    """Of several policies one must be chosen."""
    ground.primary.put(DRBD_REPLICATION_POLICIES, {"metadata": {"name": "silver", "namespace": SPACE}})
    assert ground.run("protect", "vm1").exit_code == 2
    assert ground.run("protect", "vm1", "--policy", "silver").exit_code == 0
    assert request(ground)["spec"]["policy"] == "silver"


def test_the_quorum_cluster_comes_first(ground):
    """Where the same policy is on several clusters, the request goes where its controller is."""
    ground.quorum.put(DRBD_REPLICATION_POLICIES, {"metadata": {"name": "gold", "namespace": SPACE}})
    assert ground.run("protect", "vm1").exit_code == 0
    assert ground.quorum.of(PROTECTION_REQUESTS, "vm1", SPACE)


def test_twice(ground):
    """A VM that has a request already is a conflict."""
    ground.run("protect", "vm1")
    assert ground.run("protect", "vm1").exit_code == 4


def test_unprotect(ground):
    """The request of the VM is turned round, and waited for."""
    ground.run("protect", "vm1")
    ground.meanwhile(says(ground, phase="Unprotecting"), says(ground, phase="Unprotected"))
    result = ground.run("unprotect", "vm1", "--wait")
    assert result.exit_code == 0, result.output
    assert request(ground)["spec"]["desiredState"] == "unprotected"


def test_an_earlier_failure_is_not_this_ones(ground):
    """A request that has failed is turned round: what it said before does not end the wait."""
    ground.run("protect", "vm1")
    says(ground, phase="Failed", message="no room", observedGeneration=1)()
    ground.meanwhile(says(ground, phase="Unprotected", observedGeneration=2))
    result = ground.run("unprotect", "vm1", "--wait")
    assert result.exit_code == 0, result.output


def test_unprotect_what_is_not_protected(ground):
    """A VM without a request is a precondition."""
    assert ground.run("unprotect", "vm1").exit_code == 5
