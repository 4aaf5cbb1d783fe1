"""What carries a newer epoch's tag on its array is never deleted, whatever an old operation believes of it. Cinder's metadata says nothing here."""

import dataclasses
from typing import Any

import pytest

from siterecovery.protector.domain.cleanup import opened
from siterecovery.protector.domain.errors import CloudRefused
from siterecovery.protector.domain.operation import FailedStep, Operation
from siterecovery.protector.domain.states import OperationType

from . import stories
from .conftest import Make
from .ground import A, B
from .play import Play

NEWER = 99


def marked(play: Play, site: str) -> None:
    """Every array volume of the site serves in a newer epoch by now."""
    play.arrays.stamp(site, [volume.name for volume in alive(play, site)], NEWER)


def alive(play: Play, site: str) -> list[Any]:
    return list(play.arrays.volumes(site, {}))


def test_a_source_volume_of_a_newer_epoch_stays(make: Make) -> None:
    """The clean-up after a move finds a newer tag on the source volume: superseded, and the record says why."""
    play = make()
    play.ground.write(A, "w1")
    play.ground.trap("delete", A, play.then(lambda: marked(play, A)))
    operation = play.ask(A)
    assert play.settled()
    assert "cinder-1" in play.ground.disks
    assert play.operation(A, operation.id).steps_failed == ()


def test_a_kept_copy_of_a_newer_epoch_stays(make: Make) -> None:
    """The copies that a move kept are dropped once the way back is replicated, but not one that a newer epoch uses."""
    play = make()
    play.ground.write(A, "w1")
    play.ask(A)
    assert play.settled()
    (kept,) = alive(play, A)
    play.ask(B, OperationType.SYNC_VOLUMES)
    assert play.settled()
    assert alive(play, A) == [], "without a newer tag it goes"
    play.ask(B, OperationType.FAILBACK, reverse_replication=True)
    assert play.settled()
    (copy,) = [volume for volume in alive(play, B) if volume.name.startswith("drkeep")]
    marked(play, B)
    play.ask(A, OperationType.SYNC_VOLUMES)
    assert play.settled()
    assert copy.name in {volume.name for volume in alive(play, B)}
    assert kept.id != copy.id


@pytest.mark.parametrize("newer", [False, True])
def test_an_undone_copy_of_a_newer_epoch_stays(newer: bool, make: Make) -> None:
    """Undo destroys what it copied out, but not what a newer epoch uses by then."""
    play = make()
    play.ground.trap("manage", B, _refused(play, newer=newer))
    play.ask(A)
    assert play.settled()
    assert len(alive(play, B)) == newer, play.story()


def _refused(play: Play, *, newer: bool) -> Any:
    def action(apply: Any) -> None:
        if newer:
            marked(play, B)
        raise CloudRefused("Quota exceeded.")

    return action


@pytest.mark.parametrize(("newer", "status"), [(False, "done"), (True, "skipped")])
def test_a_persons_cleanup_skips_a_newer_epoch(newer: bool, status: str, make: Make) -> None:
    """`operation cleanup` of a quarantined array volume: destroyed; skipped and named as superseded when a newer epoch uses it."""
    play = make()
    stories.quarantine(play)
    (left,) = alive(play, B)
    if newer:
        marked(play, B)
    (operation,) = play.operations(A)
    _cleaned(play, operation, left.name)
    (entry,) = dict(play.operation(A, operation.id).cleanup or {})["entries"]
    assert entry["status"] == status, play.story()
    assert (left.name in {volume.name for volume in alive(play, B)}) is newer
    assert ("superseded" in (entry["error"] or "")) is newer


def _cleaned(play: Play, operation: Operation, name: str) -> None:
    """As the API asks for it, for one array volume on B."""
    failed = dataclasses.replace(operation, steps_failed=(FailedStep("destroy_array_volume", "left", name),))
    record = opened(failed, now="2027-01-15T08:00:00Z", site_name="site-b")
    entries = [{**entry, "resource_type": "array_volume"} for entry in record["entries"]]
    asked = dataclasses.replace(failed, cleanup_requested=True, cleanup={**record, "entries": entries})
    play.site(A).store.run(lambda tx: tx.operations.save(asked))
    assert play.run(lambda: not play.operation(A, operation.id).cleanup_requested), play.story()
