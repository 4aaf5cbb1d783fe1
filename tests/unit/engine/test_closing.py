"""How a record is closed: what was made and not taken back is named."""

from siterecovery.protector.closing import left_by
from siterecovery.workflow.journal import Entry, State


def test_what_a_dropped_operation_has_made_is_named_by_kind() -> None:
    """Ids of what has one, names of what has none; what was undone is not named, nor what never answered."""
    entries = [
        Entry("snapshot_consistency_group", State.DONE, {"name": "pg.dr-1", "suffix": "dr-1"}),
        Entry("promote_volumes/a", State.DONE, {"array_volume_id": "id-1", "array_volume_name": "dr-1-0000"}),
        Entry("manage_volumes_cinder/a", State.DONE, {"volume_id": "vol-1"}),
        Entry("manage_volumes_cinder/b", State.STARTED),
        Entry("recreate_instances/web/ports", State.DONE, {"ports": ["port-1", "port-2"], "notes": []}),
        Entry("recreate_instances/web", State.UNDONE, {"server_id": "server-1"}),
    ]
    assert left_by(entries) == {
        "snapshots": ["pg.dr-1"],
        "array_volumes": ["dr-1-0000"],
        "volumes": ["vol-1"],
        "ports": ["port-1", "port-2"],
    }
