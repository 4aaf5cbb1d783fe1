"""An engine that was frozen between its last look and its call wakes when the move has long ended: what it sends then is looked for, and goes."""

from pathlib import Path

from sandbox.seed import WORKLOAD
from support.operator import wait_for
from support.stage import stage


def test_what_an_engine_sends_when_it_wakes_after_the_end_is_removed(tmp_path: Path) -> None:
    """Cinder has renamed the copy, so its name is free: the woken engine makes another one under it. It tells that its calls are back; whoever is
    awake looks once more, and the record stays as it was."""
    with stage(tmp_path) as world:
        group = world.protected("prod", WORKLOAD[1])
        operation = world.operator.failover(group)
        assert world.operator.ended("site-a", operation).status == "completed"
        world.settled(group)
        world.sites["site-a"].note_take_over(operation)
        parts = world.sites["site-a"].parts
        away = parts.store.run(lambda tx: tx.sites.find("site-b"))
        assert away is not None
        driver = parts.drivers.driver(group)
        (moved,) = driver.volumes(away.id, {"operation": operation})
        name = f"dr-{group.replace('-', '')[-8:]}-{operation.replace('-', '')[-12:]}-0000"
        late = driver.copy_out(away.id, moved.name, name, {})
        assert late.id != moved.id

        parts.store.leases.calls_are_back(operation)

        def gone() -> bool | None:
            found = driver.volume_by_id(away.id, late.id)
            return True if found is None or found.destroyed else None

        wait_for("the late copy to go", gone, pause=0.1)
        kept = driver.volume_by_id(away.id, moved.id)
        assert kept is not None
        assert not kept.destroyed
        assert world.operator.ended("site-a", operation).status == "completed"
        world.check()
