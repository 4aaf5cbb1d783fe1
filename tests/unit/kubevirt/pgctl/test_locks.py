"""`pgctl locks`."""

from siterecovery.kubevirt.domain.resources import LEASES
from unit.kubevirt.pgctl.ground import BEGUN, SPACE


def test_who_holds_what(ground):
    """Each Lease is shown with its holder and the time that is left by the server's clock."""
    ground.lock()
    ground.quorum.seconds = 60
    assert ground.run("locks", "list").stdout.splitlines() == [
        "NAME                PROTECTION-GROUP  CLUSTER  HOLDER                     EXPIRES",
        "failover-lock-pg-a  pg-a              quorum   failover-controller-12345  in 4m",
    ]


def test_only_locks_of_failovers_are_shown(ground):
    """Leases of leader election are not listed."""
    ground.quorum.put(LEASES, {"metadata": {"name": "failover-controller", "namespace": SPACE}, "spec": {}})
    assert ground.run("locks", "list").stdout == "No failover locks found in namespace site-recovery.\n"


def test_a_lock_that_is_held_is_not_released(ground):
    """A lock that has not expired is a conflict that names its holder and what it is held for."""
    ground.failover("failover-pg-a-1", status=BEGUN)
    ground.lock(owner=ground.made()[0]["metadata"]["uid"])

    result = ground.run("locks", "release", "pg-a", "--yes")

    assert result.exit_code == 4
    assert "failover-controller-12345 on quorum for failover-pg-a-1, which is Running" in result.stderr
    assert ground.quorum.of(LEASES, "failover-lock-pg-a", SPACE)


def test_an_expired_lock_is_released_everywhere(ground):
    """What a crashed controller has left is deleted on every cluster."""
    for cluster in (ground.quorum, ground.primary):
        ground.lock(on=cluster)
        cluster.seconds = 301

    result = ground.run("locks", "release", "pg-a", "--yes")

    assert result.exit_code == 0, result.output
    assert sorted(line.split()[-1] for line in result.stdout.splitlines()) == ["cluster1", "quorum"]
    assert not ground.quorum.objects


def test_force_releases_a_lock_after_a_confirmation(ground):
    """--force asks, and a no changes nothing."""
    ground.lock()
    assert ground.run("locks", "release", "pg-a", "--force", given="n\n").exit_code == 1
    assert ground.quorum.objects
    assert ground.run("locks", "release", "pg-a", "--force", given="y\n").exit_code == 0
    assert not ground.quorum.objects


def test_a_lock_renewed_meanwhile_stays(ground):
    """The deletion is of what was looked at: a renewal in between is a conflict."""
    ground.lock()

    def renew(verb, resource, name):
        if verb == "delete":
            ground.quorum.broken = None
            ground.lock(renewed="2024-10-31T20:00:00Z")

    ground.quorum.broken = renew
    result = ground.run("locks", "release", "pg-a", "--force", "--yes")
    assert result.exit_code == 4
    assert "is alive" in result.stderr


def test_no_lock(ground):
    """A group without a lock is said to have none."""
    result = ground.run("locks", "release", "pg-a")
    assert (result.exit_code, "no failover lock of pg-a" in result.stderr) == (1, True)
