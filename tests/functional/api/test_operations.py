"""Actions and the operations they start."""

import concurrent.futures
import dataclasses
import json
from typing import Any

import pytest

from functional.api.conftest import PROJECT, World
from functional.api.test_protection_groups import codes
from siterecovery.protector.domain.errors import Unmet
from siterecovery.protector.domain.operation import FailedStep, Operation
from siterecovery.protector.domain.plan import Plan
from siterecovery.protector.domain.states import GroupStatus, OperationStatus, OperationType, SyncStatus

ACTION = "/v1/{p}/protection-groups/web/action"
OPERATIONS = "/v1/{p}/operations"
MAPPED = {"network_mapping": {"net-a": "net-b"}}


def test_a_failover_is_accepted_with_its_plan(full: World) -> None:
    """202: the group is `failing_over` and held, and the plan says how it was before, which way, and onto which networks and flavors."""
    answer = full.call("POST", ACTION, {"failover": MAPPED})
    assert answer.status_code == 202, answer.text
    shown = answer.json["operation"]
    assert (shown["operation_type"], shown["status"], shown["progress"]) == ("failover", "pending", 0)
    assert (shown["source_site"], shown["target_site"], shown["steps_failed"]) == ("site-a", "site-b", [])
    assert full.group().status is GroupStatus.FAILING_OVER
    assert full.group().hold_operation_id == shown["id"]
    plan = Plan.from_json(full.write(lambda tx: tx.operations.get(shown["id"])).plan)
    assert (plan.group.status, plan.source_site_id, plan.target_site_id) == (GroupStatus.ACTIVE, "a", "b")
    assert (plan.network_map, plan.flavor_map) == ({"net-a-id": "net-b-id"}, {"flavor-a-id": "flavor-b-id"})
    assert [member.id for member in plan.members] == ["m1"]
    assert plan.policy is not None
    assert plan.policy.pure_pg_name == "pg-web"


def test_of_many_at_once_one_is_accepted(full: World) -> None:
    """The hold is written with the operation: eight requests in the same moment start one failover."""
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: full.call("POST", ACTION, {"failover": MAPPED}), range(8)))
    assert sorted(answer.status_code for answer in answers) == [202] + [409] * 7
    assert len(full.write(lambda tx: tx.operations.of_group("g1"))) == 1


def test_everything_that_is_missing_is_told_at_once(bare: World) -> None:
    """A group without policy and members: both in one 412."""
    before = bare.everything()
    answer = bare.call("POST", ACTION, {"failover": {}})
    assert (answer.status_code, codes(answer)) == (412, ["policy.missing", "members.missing"])
    assert all(entry["remedy"] for entry in answer.json["errors"])
    assert bare.everything() == before


def test_unresolved_mappings_and_quota_come_together(full: World) -> None:
    """Each open network and flavor is named as `resource`, so that a client can ask for exactly what is missing."""
    full.precheck.flavor_ids = {}
    full.precheck.short = [Unmet("quota.exceeded", "There is room for 0 instances, 1 are needed.", "Raise it.")]
    answer = full.call("POST", ACTION, {"failover": {}})
    assert answer.status_code == 412
    found = [(entry["code"], entry.get("resource")) for entry in answer.json["errors"]]
    assert found == [
        ("mapping.network_unresolved", "net-a"),
        ("mapping.flavor_unresolved", "m1.small"),
        ("quota.exceeded", None),
    ]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"failover": {}, "failback": {}},
        {"explode": {}},
        {"failover": {"unknown": 1}},
        {"failover": {"force": "yes"}},
        {"failover": {"network_mapping": {"a": 1}}},
        {"failover": []},
    ],
)
def test_an_action_is_exactly_one_known_key(full: World, body: Any) -> None:
    """400, nothing is started."""
    assert full.call("POST", ACTION, body).status_code == 400
    assert full.group().hold_operation_id is None


def test_failover_with_retain_primary_is_a_test(full: World) -> None:
    """The documented example asks for a drill that way; the group stays `active`."""
    answer = full.call("POST", ACTION, {"failover": MAPPED | {"retain_primary": True}})
    assert answer.json["operation"]["operation_type"] == "test_failover"
    assert full.group().status is GroupStatus.ACTIVE


def test_a_drill_lands_on_no_network_by_its_name(full: World) -> None:
    """Though the target has one of the same name: 412."""
    full.precheck.nets = {"net-a": ["production"]}
    assert codes(full.call("POST", ACTION, {"test_failover": {}})) == ["mapping.network_unresolved"]
    assert full.call("POST", ACTION, {"failover": {}}).status_code == 202


def test_a_second_test_and_a_planned_failover_wait_for_the_first(full: World) -> None:
    """409 while a test is active."""
    full.change(active_test_operation_id="t1")
    for body in ({"test_failover": MAPPED}, {"failover": MAPPED}):
        answer = full.call("POST", ACTION, body)
        assert (answer.status_code, codes(answer)) == (409, ["test.active"])
    assert full.call("POST", ACTION, {"test_cleanup": {"test_operation_id": "t1"}}).status_code == 202


def test_an_operation_without_a_flow_is_501(full: World) -> None:
    """What this release cannot run is not accepted."""
    full.build(config=dataclasses.replace(full.services.config, flows_available=frozenset({OperationType.FAILOVER})))
    answer = full.call("POST", ACTION, {"test_failover": MAPPED})
    assert (answer.status_code, codes(answer)) == (501, ["operation.not_available"])


def test_a_forced_failover_is_accepted_by_the_target_with_the_source_dead(full: World) -> None:
    """Only this site's cloud is asked; the answer says what force means."""
    full.change(primary_site_id="b", secondary_site_id="a", current_primary_site_id="b", remote_hold="op-x")
    full.peers.down = True
    full.precheck.dead = {"b"}
    answer = full.call("POST", ACTION, {"failover": MAPPED | {"force": True}})
    assert answer.status_code == 202, answer.text
    shown = answer.json["operation"]
    assert (shown["target_site"], shown["force"]) == ("site-a", True)
    assert any("may still run on site-b" in text for text in shown["warnings"])


def test_a_dead_target_cloud_is_an_unreachable_site(full: World) -> None:
    """Its Protector answers, its OpenStack does not: 503, and exit code 3."""
    full.precheck.dead = {"b"}
    answer = full.call("POST", ACTION, {"failover": MAPPED})
    assert (answer.status_code, codes(answer)) == (503, ["remote_site_unreachable"])


def test_each_action_has_a_rule_of_its_own(full: World) -> None:
    """A member may not reset; an administrator of the project may, and the record says so."""
    full.change(status=GroupStatus.ERROR, error_message="stuck")
    answer = full.call("POST", ACTION, {"reset": {}})
    assert answer.status_code == 403
    assert "protector:action:reset" in answer.json["errors"][0]["detail"]
    answer = full.call("POST", ACTION, {"reset": {}}, who="project_admin")
    assert (answer.status_code, answer.json["operation"]["status"]) == (202, "completed")
    group = full.group()
    assert (group.status, group.error_message, group.remote_sync_status) == (
        GroupStatus.ACTIVE,
        None,
        SyncStatus.PENDING,
    )


def test_reset_is_only_for_error(full: World) -> None:
    """409 in any other state."""
    answer = full.call("POST", ACTION, {"reset": {"status": "active"}}, who="project_admin")
    assert (answer.status_code, codes(answer)) == (409, ["protection_group.wrong_state"])


def add(world: World, number: int, **given: Any) -> Operation:
    fields = {"type": OperationType.FAILOVER, "status": OperationStatus.COMPLETED, "group_id": "g1"} | given
    operation = Operation(
        f"op-{number}", project_id=PROJECT, source_site_id="a", created_at=f"2026-01-02T03:04:{number:02}Z", **fields
    )
    world.write(lambda tx: tx.operations.add(operation))
    return operation


def test_operations_are_listed_newest_first_in_pages(full: World) -> None:
    """Every one once, also when new ones arrive meanwhile; internal ones only when asked for by type."""
    for number in range(5):
        add(full, number)
    add(full, 5, type=OperationType.ADD_MEMBER)
    first = full.call("GET", OPERATIONS, query_string="limit=2").json
    add(full, 6)
    seen = [item["id"] for item in first["operations"]]
    query = first["operations_links"][0]["href"].partition("?")[2]
    while query:
        page = full.call("GET", OPERATIONS, query_string=query).json
        seen += [item["id"] for item in page["operations"]]
        query = page.get("operations_links", [{"href": ""}])[0]["href"].partition("?")[2]
    assert seen == ["op-4", "op-3", "op-2", "op-1", "op-0"]
    internal = full.call("GET", OPERATIONS, query_string="operation_type=add_member").json["operations"]
    assert [item["id"] for item in internal] == ["op-5"]


def test_operations_are_filtered(full: World) -> None:
    """By group (name or id), type and status; an unknown group has none."""
    add(full, 1)
    add(full, 2, type=OperationType.SYNC_VOLUMES, status=OperationStatus.FAILED)
    for query, ids in {
        "protection_group_id=web": ["op-2", "op-1"],
        "protection_group_id=g1&operation_type=failover": ["op-1"],
        "status=failed": ["op-2"],
        "protection_group_id=other": [],
    }.items():
        found = full.call("GET", OPERATIONS, query_string=query).json["operations"]
        assert [item["id"] for item in found] == ids, query


@pytest.mark.parametrize(
    ("version", "failed", "completed", "has_result"),
    [
        ("1.0", ["delete_source_volume:v1"], ["validate_target_site"], False),
        ("1.1", ["delete_source_volume:v1"], ["validate_target_site"], True),
        (
            "1.2",
            [{"step": "delete_source_volume:v1", "error": "Cinder timeout after 300s", "resource_id": "vol-1"}],
            ["validate_sites"],
            True,
        ),
    ],
)
def test_an_operation_by_version(full: World, version: str, failed: Any, completed: Any, has_result: bool) -> None:
    """`result_data` from 1.1, failed steps as objects and the newer step names from 1.2."""
    step = FailedStep("delete_source_volume:v1", "Cinder timeout after 300s", "vol-1")
    add(full, 1, steps_failed=(step,), steps_completed=("validate_sites",), result_data={"x": 1})
    shown = full.call("GET", f"{OPERATIONS}/op-1", version=version).json["operation"]
    assert (shown["steps_failed"], shown["steps_completed"]) == (failed, completed)
    assert ("result_data" in shown) is has_result


def test_cleanup_reopens_an_ended_operation(full: World) -> None:
    """202 in the same record: its status stays, what is left becomes the cleanup's entries. A second one is 409."""
    step = FailedStep("delete_source_volume:v1", "Cinder timeout after 300s", "vol-1")
    add(full, 1, steps_failed=(step,), steps_completed=("delete_source_vm:web-1",))
    answer = full.call("POST", f"{OPERATIONS}/op-1/cleanup", {})
    assert answer.status_code == 202
    shown = answer.json["operation"]
    assert (shown["id"], shown["status"]) == ("op-1", "completed")
    assert (shown["cleanup"]["status"], shown["cleanup"]["skipped"]) == ("running", 1)
    entry = shown["cleanup"]["entries"][0]
    assert (entry["resource_type"], entry["resource_id"], entry["site"], entry["status"]) == (
        "volume",
        "vol-1",
        "site-a",
        "pending",
    )
    again = full.call("POST", f"{OPERATIONS}/op-1/cleanup", {})
    assert (again.status_code, codes(again)) == (409, ["operation.cleanup_running"])


def test_cleanup_says_the_documented_sentences(full: World) -> None:
    """409 while it runs, 503 while the other site is away; nothing is changed."""
    add(full, 1, status=OperationStatus.RUNNING)
    answer = full.call("POST", f"{OPERATIONS}/op-1/cleanup")
    assert (answer.status_code, answer.json["errors"][0]["detail"]) == (409, "Operation not in completed state")
    add(full, 2)
    full.peers.down = True
    answer = full.call("POST", f"{OPERATIONS}/op-2/cleanup")
    assert answer.status_code == 503
    assert answer.json["errors"][0]["detail"] == "Remote site unreachable — metadata sync required"
    assert full.write(lambda tx: tx.operations.get("op-2")).cleanup_requested is False


def test_cancel(full: World) -> None:
    """202 and the user's name in the record; an ended operation is 409; another tenant's is 404."""
    add(full, 1, status=OperationStatus.RUNNING)
    assert full.call("POST", f"{OPERATIONS}/op-1/cancel").json["operation"]["cancelled_by"] == "alice"
    add(full, 2)
    assert codes(full.call("POST", f"{OPERATIONS}/op-2/cancel")) == ["operation.ended"]
    assert full.call("POST", "/v1/project-2/operations/op-1/cancel", who="stranger").status_code == 404


def test_every_change_leaves_an_audit_event(full: World, caplog: pytest.LogCaptureFixture) -> None:
    """Accepted and refused ones, with who, what and why; reading leaves none."""
    caplog.set_level("INFO", logger="protector.audit")
    full.call("GET", OPERATIONS)
    full.call("POST", ACTION, {"failover": MAPPED})
    full.call("POST", ACTION, {"failover": MAPPED})
    full.call("POST", ACTION, {"sync_volumes": {}}, who="reader")
    events = [json.loads(record.message) for record in caplog.records if record.name == "protector.audit"]
    assert [(e["outcome"], e["reason"]["reasonCode"], e["initiator"]["id"]) for e in events] == [
        ("success", "202", "alice"),
        ("failure", "409", "alice"),
        ("failure", "403", "rita"),
    ]
    assert all(e["target"]["group"] == "web" and e["requestId"].startswith("req-") for e in events)
