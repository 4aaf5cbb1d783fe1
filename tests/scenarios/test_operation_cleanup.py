"""`operation cleanup`: what a forced move leaves by design goes when a person says so, and only then."""

from pathlib import Path

from protectorclient.v1.base import Resource
from sandbox.seed import Machine
from support.operator import wait_for
from support.stage import Stage, stage

MACHINES = (Machine("web", "net-primary-web", "m1.small", ("web-boot", "web-data")),)


def cleaned(world: Stage, operation: str) -> Resource:
    client = world.operator.clients["site-b"]
    client.operations.cleanup(operation)

    def look() -> Resource | None:
        found = client.operations.get(operation)
        return found if found.cleanup["status"] != "running" else None

    ended: Resource = wait_for("the cleanup", look)
    return ended


def test_what_a_forced_move_left_behind_goes_by_a_persons_cleanup(tmp_path: Path) -> None:
    """KEEP_STALE: the returned site keeps its old VMs, stopped, and their volumes, until `operation cleanup` names and deletes each; repeated, it
    finds nothing more."""
    with stage(tmp_path) as world:
        group = world.protected("prod", *MACHINES)
        world.running.world.faults.lose("site-a")
        moved = world.operator.ended("site-b", world.operator.failover(group, "site-b", force=True))
        assert moved.status == "completed", moved
        world.running.world.faults.restore("site-a")
        world.operator.clients["site-b"].protection_groups.sync_force(group)
        world.settled(group)
        assert [s["status"] for s in world.operator.server_list("site-a")] == ["SHUTOFF"]
        assert len(world.operator.volume_list("site-a")) == 2

        first = cleaned(world, moved.id)
        assert (first.cleanup["status"], first.cleanup["deleted"]) == ("completed", 3), first.cleanup
        assert (world.operator.server_list("site-a"), world.operator.volume_list("site-a")) == ([], [])
        assert [s["status"] for s in world.operator.server_list("site-b")] == ["ACTIVE"]
        again = cleaned(world, moved.id)
        assert (again.cleanup["status"], again.cleanup["deleted"]) == ("completed", 0), again.cleanup
        world.check()
