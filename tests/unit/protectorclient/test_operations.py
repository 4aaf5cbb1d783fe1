"""`operation list|show|cancel|cleanup`."""

from typing import Any

from unit.protectorclient.fake_site import Body, FakeSite, refusal
from unit.protectorclient.harness import Openstack

LISTED = ["id", "operation_type", "status", "progress", "protection_group_id", "started_at", "completed_at"]
TABLE = [
    "id",
    "operation_type",
    "status",
    "progress",
    "protection_group",
    "source_site",
    "target_site",
    "started_at",
    "completed_at",
    "error_message",
    "steps_completed",
    "steps_failed",
    "result_data",
]
DOCUMENTED_JSON = [
    "id",
    "protection_group_id",
    "operation_type",
    "status",
    "source_site_id",
    "target_site_id",
    "progress",
    "started_at",
    "completed_at",
    "error_message",
    "steps_completed",
    "steps_failed",
]


def test_list(openstack: Openstack, site_a: FakeSite, web: Body) -> None:
    """The columns of the monitoring guide, newest first; filters by group name, status and type; more with --long."""
    old = site_a.operation("failover", status="completed", progress=100, completed_at="2025-06-01T10:07:43Z")
    new = site_a.operation("test_failover")
    rows = openstack("dr operation list").rows
    assert rows[0] == LISTED
    assert [row[0] for row in rows[1:]] == [new["id"], old["id"]]
    assert rows[2][1:] == ["failover", "completed", "100", web["id"], "2025-06-01T10:00:00Z", "2025-06-01T10:07:43Z"]
    for filters in (
        "--status completed",
        "--operation-type failover",
        "--protection-group prod-web-app --status completed",
    ):
        assert [row[0] for row in openstack("protector operation list", *filters.split()).rows[1:]] == [old["id"]]
    assert len(openstack("dr operation list --limit 1").rows) == 2
    assert "recovery_point_at" in openstack("dr operation list --long").rows[0]
    assert openstack("dr operation list --status done").code == 1
    assert openstack("dr operation list --limit none").code == 1


def test_list_has_all_pages(openstack: Openstack, site_a: FakeSite, web: Body) -> None:
    """Without a limit every page is fetched, and no record comes twice."""
    made = [site_a.operation("sync_volumes")["id"] for _ in range(5)]
    site_a.page_size = 2
    assert [row[0] for row in openstack("dr operation list").rows[1:]] == made[::-1]
    assert len(openstack("dr operation list --limit 3").rows) == 4


def test_list_asks_one_site(openstack: Openstack, site_a: FakeSite, site_b: FakeSite, web: Body) -> None:
    """Records are site-local: the list is that of the primary cloud, and its death is exit code 3."""
    site_b.operation("failover")
    assert openstack("dr operation list -f json").json == []
    assert len(openstack("dr operation list -f json --os-cloud site-b").json) == 1
    site_a.stop()
    assert openstack("dr operation list").code == 3


def test_show_as_a_table(openstack: Openstack, site_a: FakeSite, web: Body) -> None:
    """The fields of the monitoring guide: group with its name, JSON arrays, bare names of steps without a resource."""
    steps = [
        "validate_sites",
        "create_operation_record",
        "get_latest_snapshot",
        "promote_volumes",
        "manage_volumes_cinder",
    ]
    failed = [
        {"step": "attach_volumes", "error": "x", "resource_id": None},
        {"step": "delete_source_volume:vol-1", "error": "Cinder timeout after 300s", "resource_id": "abc"},
    ]
    record = site_a.operation("failover", steps_completed=steps, steps_failed=failed)
    result = openstack("dr operation show", record["id"])
    assert [row[0] for row in result.rows[1:]] == TABLE
    assert result.fields["protection_group"] == f"{web['id']} (prod-web-app)"
    assert result.fields["steps_completed"].startswith(
        '["validate_sites", "create_operation_record", "get_latest_snapshot"'
    )
    assert result.fields["steps_failed"].startswith('["attach_volumes", {"step": "delete_source_volume:vol-1"')
    assert result.fields["result_data"] == "None"
    assert max(len(line) for line in result.out.splitlines()) < 100


def test_show_for_programs(openstack: Openstack, site_a: FakeSite, web: Body) -> None:
    """The documented keys first, then the rest, with real lists; one field by its name in any format."""
    record = site_a.operation(
        "failover", status="completed", steps_completed=["validate_sites"], result_data={"volumes_managed": 4}
    )
    shown = openstack("dr operation show", record["id"], "-f", "json").json
    assert list(shown)[: len(DOCUMENTED_JSON)] == DOCUMENTED_JSON
    assert shown["steps_completed"] == ["validate_sites"]
    assert shown["result_data"] == {"volumes_managed": 4}
    assert openstack("dr operation show", record["id"], "-f", "value", "-c", "status").out == "completed\n"
    assert (
        openstack("dr operation show", record["id"], "-f", "value", "-c", "steps_completed").out
        == '["validate_sites"]\n'
    )
    assert openstack("dr operation show", record["id"], "-c", "target_site_id").fields == {
        "target_site_id": "id-site-b"
    }
    assert "status: completed" in openstack("dr operation show", record["id"], "-f", "yaml").out


def test_show_looks_on_both_sites(openstack: Openstack, site_a: FakeSite, site_b: FakeSite, web: Body) -> None:
    """A record that the primary cloud does not hold is found on the secondary, also while the primary is dead."""
    record = site_b.operation("failover")
    assert openstack("dr operation show", record["id"]).fields["id"] == record["id"]
    site_a.stop()
    result = openstack("dr operation show", record["id"])
    assert result.code == 0
    assert "Note: cloud 'site-a' cannot be reached" in result.err
    assert openstack("dr operation show nothing").code == 3


def test_an_unknown_operation(openstack: Openstack, web: Body) -> None:
    """An id that neither site knows is exit code 1."""
    result = openstack("dr operation show nothing")
    assert result.code == 1
    assert "No operation with a name or id of 'nothing' exists" in result.err


def test_cancel(openstack: Openstack, site_b: FakeSite, web: Body) -> None:
    """An operation is cancelled on the site that holds it."""
    record = site_b.operation("failover")
    assert openstack("dr operation cancel", record["id"]).code == 0
    assert record["status"] == "rolling_back"


def entry(name: str, status: str, **fields: Any) -> Body:
    common = {
        "resource_type": "volume",
        "resource_id": name,
        "site": "site-a",
        "observed_status": "available",
        "error": None,
    }
    return {"step": f"delete_source_volume:{name}", "status": status, **common, **fields}


def cleanup(status: str, *entries: Body, skipped: int = 0, retained: bool = False) -> Body:
    done = sum(item["status"] == "done" for item in entries)
    failures = sum(item["status"] == "failed" for item in entries)
    counts = {"skipped": skipped, "deleted": done, "failures": failures, "retained": retained}
    return {"cleanup": {"status": status, **counts, "entries": list(entries)}}


def test_cleanup_prints_the_documented_lines(openstack: Openstack, site_a: FakeSite, web: Body) -> None:
    """What is repeated is told line by line, each once, and the end is counted."""
    record = site_a.operation("failover", status="completed")
    site_a.readings[record["id"]] = [
        {},
        cleanup("running", skipped=8),
        cleanup("running", entry("cinder-vol-abc123", "running"), skipped=8),
        cleanup("completed", entry("cinder-vol-abc123", "done"), skipped=8),
    ]
    result = openstack("dr operation cleanup", record["id"])
    assert result.code == 0
    assert result.out.splitlines() == [
        f"Retrying cleanup for operation {record['id']}...",
        "Skipping already-cleaned resources (8 skipped)",
        "Retrying: delete_source_volume:cinder-vol-abc123",
        "Checking volume status on site-a... available",
        "Deleting volume cinder-vol-abc123... done",
        "✅ Cleanup completed. 1 resource deleted, 0 failures.",
    ]


def test_cleanup_of_retained_volumes(openstack: Openstack, site_b: FakeSite, web: Body) -> None:
    """Volumes kept by configuration have their own heading; the record may be on the other site; --operation-id works."""
    record = site_b.operation("failover", status="completed")
    names = ["cinder-vol-boot-ws1", "cinder-vol-data-ws1"]
    site_b.readings[record["id"]] = [{}, cleanup("completed", *(entry(name, "done") for name in names), retained=True)]
    result = openstack("dr operation cleanup --operation-id", record["id"])
    assert result.out.splitlines()[1:] == [
        "Volumes retained by configuration — processing now:",
        "Deleting volume cinder-vol-boot-ws1... done",
        "Deleting volume cinder-vol-data-ws1... done",
        "✅ Cleanup completed. 2 resources deleted, 0 failures.",
    ]


def test_cleanup_that_fails(openstack: Openstack, site_a: FakeSite, web: Body) -> None:
    """What could not be deleted is told with its reason, and the exit code is 1."""
    record = site_a.operation("failover", status="completed")
    site_a.readings[record["id"]] = [{}, cleanup("failed", entry("v1", "done"), entry("v2", "failed", error="in-use"))]
    result = openstack("dr operation cleanup", record["id"])
    assert result.code == 1
    assert result.out.splitlines()[-2:] == [
        "Deleting volume v2... failed: in-use",
        "❌ Cleanup ended. 1 resource deleted, 1 failure.",
    ]


def test_cleanup_of_a_group(openstack: Openstack, site_a: FakeSite, site_b: FakeSite, web: Body) -> None:
    """With --protection-group every ended operation with failed steps is cleaned up, on both sites, and no other."""
    left = [{"step": "delete_source_volume:v", "error": "x", "resource_id": "v"}]
    dirty = [site.operation("failover", status="completed", steps_failed=left) for site in (site_a, site_b)]
    clean = site_a.operation("failover", status="completed")
    for site, record in zip((site_a, site_b), dirty, strict=True):
        site.readings[record["id"]] = [cleanup("completed", entry("v", "done"))]
    result = openstack("dr operation cleanup --protection-group prod-web-app")
    assert result.code == 0
    assert result.out.count("✅") == 2
    assert clean["id"] not in result.out


def test_cleanup_is_refused(openstack: Openstack, site_a: FakeSite, web: Body) -> None:
    """A running operation, a missing argument and two arguments have their exit codes."""
    record = site_a.operation("failover")
    site_a.refuse("POST", "/cleanup", refusal(409, "operation.not_ended", "Operation not in completed state"))
    result = openstack("dr operation cleanup", record["id"])
    assert result.code == 4
    assert "Operation not in completed state" in result.err
    assert openstack("dr operation cleanup").code == 1
    assert openstack("dr operation cleanup op-1 --operation-id op-2").code == 2
