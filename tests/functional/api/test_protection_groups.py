"""Groups, members and policies through the API: what is accepted, what is refused, and that a refusal changes nothing."""

from typing import Any

import pytest

from functional.api.conftest import PROJECT, TOKEN_1, TOKEN_2, World
from siterecovery.protector.domain.plan import Plan
from siterecovery.protector.domain.states import GroupStatus, OperationType, SyncStatus

GROUPS = "/v1/{p}/protection-groups"
NEW = {
    "name": "app",
    "replication_type": "async",
    "primary_site": "site-a",
    "secondary_site": "site-b",
    "volume_type": "gold",
}
POLICY = {
    "primary_fa_url": "https://fa-a.example.com",
    "primary_fa_api_token": TOKEN_1,
    "secondary_fa_url": "https://fa-b.example.com/",
    "secondary_fa_api_token": TOKEN_2,
    "pure_pg_name": "pg-app",
}


def codes(answer: Any) -> list[str]:
    return [entry["code"] for entry in answer.json["errors"]]


def test_creating_a_group_writes_it_with_its_operation(world: World) -> None:
    """202: the group is there in `creating`, held by a pending operation whose plan can be read back."""
    answer = world.call("POST", GROUPS, {"protection_group": NEW})
    assert answer.status_code == 202
    shown = answer.json["protection_group"]
    assert (shown["status"], shown["primary_site"], shown["current_primary_site"]) == ("creating", "site-a", "site-a")
    assert (shown["volume_type_id"], shown["secondary_volume_type"], shown["policy"]) == ("id-of-gold", "gold", None)
    group = world.group(shown["id"])
    operation = world.write(lambda tx: tx.operations.get(group.hold_operation_id))
    assert (operation.type, operation.status, operation.project_id) == ("create_group", "pending", PROJECT)
    assert Plan.from_json(operation.plan).group.id == group.id
    assert operation.request_id == answer.headers["x-openstack-request-id"]


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"secondary_site": "site-a"}, 400, "protection_group.same_site"),
        ({"secondary_site": "nowhere"}, 404, "site.not_found"),
        ({"primary_site": "site-b", "secondary_site": "site-a"}, 409, "not_active_here"),
        ({"replication_type": "both"}, 400, "body.invalid"),
        ({"volume_type": "tin"}, 412, "volume_type.not_replicated"),
        ({"name": "web"}, 409, "protection_group.name_taken"),
    ],
)
def test_a_group_that_cannot_be_is_refused(bare: World, change: dict[str, str], status: int, code: str) -> None:
    """Each refusal has its code, and leaves no row behind."""
    before = bare.everything()
    answer = bare.call("POST", GROUPS, {"protection_group": NEW | change})
    assert (answer.status_code, codes(answer)[0]) == (status, code)
    assert bare.everything() == before


def test_all_that_is_missing_for_a_group_is_told_at_once(world: World) -> None:
    """No tenant mapping, no replicated type on either site: one 412 with every entry."""
    world.write(lambda tx: tx.tenants.delete_mapping("m"))
    answer = world.call("POST", GROUPS, {"protection_group": NEW | {"volume_type": "tin"}})
    assert answer.status_code == 412
    assert codes(answer) == ["tenant_mapping.missing", "volume_type.not_replicated", "volume_type.not_replicated"]
    assert all(entry["status"] == 412 and entry["request_id"] and entry["title"] for entry in answer.json["errors"])


def test_groups_are_found_by_name_and_listed_in_pages(bare: World) -> None:
    """`limit` and `marker` walk through all of them once, and the link leads on."""
    for name in ("one", "two", "three"):
        assert bare.call("POST", GROUPS, {"protection_group": NEW | {"name": name}}).status_code == 202
    assert bare.call("GET", GROUPS, query_string="name=two").json["protection_groups"][0]["name"] == "two"
    seen: list[str] = []
    query = "limit=2"
    while query:
        page = bare.call("GET", GROUPS, query_string=query).json
        seen += [group["id"] for group in page["protection_groups"]]
        query = page.get("protection_groups_links", [{"href": ""}])[0]["href"].partition("?")[2]
    assert len(seen) == len(set(seen)) == 4
    assert bare.call("GET", GROUPS, query_string="marker=unknown").status_code == 400


def test_a_change_is_pushed_at_once(bare: World) -> None:
    """PATCH raises the metadata version and synchronises."""
    body = {"protection_group": {"name": "web2", "network_mapping": {"net-a": "net-b"}}}
    answer = bare.call("PATCH", f"{GROUPS}/web", body)
    assert answer.status_code == 200
    assert (answer.json["protection_group"]["name"], answer.json["protection_group"]["metadata_version"]) == ("web2", 4)
    assert bare.sync.called == ["g1"]


CHANGES: list[tuple[str, str, Any]] = [
    ("PATCH", "", {"protection_group": {"name": "x"}}),
    ("DELETE", "", None),
    ("POST", "/members", {"member": {"instance_id": "i-2"}}),
    ("DELETE", "/members/m1", None),
    ("POST", "/policy", {"policy": POLICY}),
    ("POST", "/consistency-group/sync", None),
    ("POST", "/action", {"failover": {}}),
    ("POST", "/action", {"sync_volumes": {}}),
    ("POST", "/sync", {"force": True}),
]


@pytest.mark.parametrize(("method", "path", "body"), CHANGES)
def test_a_dead_peer_refuses_changes_and_nothing_is_changed(full: World, method: str, path: str, body: Any) -> None:
    """503 with the documented sentence; every row is as it was."""
    full.peers.down = True
    before = full.everything()
    answer = full.call(method, f"{GROUPS}/web{path}", body)
    assert (answer.status_code, codes(answer)) == (503, ["remote_site_unreachable"])
    assert answer.json["errors"][0]["detail"] == "Cannot modify protection group — remote site unreachable"
    assert full.everything() == before


@pytest.mark.parametrize(("method", "path", "body"), CHANGES)
def test_a_held_group_refuses_changes_by_the_operations_name(full: World, method: str, path: str, body: Any) -> None:
    """409 names the operation, and every row is as it was."""
    held_by = full.call("POST", f"{GROUPS}/web/action", {"sync_volumes": {}}).json["operation"]["id"]
    before = full.everything()
    answer = full.call(method, f"{GROUPS}/web{path}", body)
    assert (answer.status_code, codes(answer)) == (409, ["protection_group.busy"])
    assert held_by in answer.json["errors"][0]["detail"]
    assert full.everything() == before


def test_deleting_a_group_passes_through_deleting(full: World) -> None:
    """202 with the operation; the group is still there until the engine is done."""
    answer = full.call("DELETE", f"{GROUPS}/web")
    assert (answer.status_code, answer.json["operation"]["operation_type"]) == (202, "delete_group")
    assert full.group().status is GroupStatus.DELETING


def test_adding_a_member_shows_it_at_once(bare: World) -> None:
    """202 with the member in `adding`; the operation knows it by id. Names are accepted for instances."""
    answer = bare.call("POST", f"{GROUPS}/web/members", {"member": {"instance_id": "web-1"}})
    assert answer.status_code == 202
    member = answer.json["member"]
    assert (member["instance_id"], member["instance_name"], member["status"]) == ("i-1", "web-1", "adding")
    operation = bare.write(lambda tx: tx.operations.get(bare.group().hold_operation_id))
    assert operation.request == {"member_id": member["id"], "instance_id": "i-1"}
    assert [found.id for found in Plan.from_json(operation.plan).members] == [member["id"]]
    assert bare.call("GET", f"{GROUPS}/web/members/{member['id']}").json["member"] == member


def test_an_instance_is_protected_once(full: World) -> None:
    """409 for one that is a member already, 412 for one that does not exist."""
    answer = full.call("POST", f"{GROUPS}/web/members", {"member": {"instance_id": "i-1"}})
    assert (answer.status_code, codes(answer)) == (409, ["member.exists"])
    answer = full.call("POST", f"{GROUPS}/web/members", {"member": {"instance_id": "i-9"}})
    assert (answer.status_code, codes(answer)) == (412, ["instance.not_found"])
    assert full.group().hold_operation_id is None


def test_removing_a_member(full: World) -> None:
    """202; the member is `removing` until it is gone. An unknown one is 404."""
    assert full.call("DELETE", f"{GROUPS}/web/members/m9").status_code == 404
    answer = full.call("DELETE", f"{GROUPS}/web/members/m1")
    assert (answer.status_code, answer.json["member"]["status"]) == (202, "removing")


def test_a_policys_tokens_go_in_and_never_come_out(bare: World, caplog: pytest.LogCaptureFixture) -> None:
    """Masked in every answer, absent from operation, plan and log; the store has them for the drivers."""
    caplog.set_level("DEBUG")
    answer = bare.call("POST", f"{GROUPS}/web/policy", {"policy": POLICY})
    assert answer.status_code == 202
    assert answer.json["policy"]["primary_fa_api_token"] == "*** (masked)"
    assert (answer.json["policy"]["status"], answer.json["policy"]["replication_interval"]) == ("applying", 300)
    shown = [
        answer.text,
        bare.call("GET", f"{GROUPS}/web/policy").text,
        bare.call("GET", f"{GROUPS}/web").text,
        str(bare.write(lambda tx: tx.operations.get(bare.group().hold_operation_id))),
        caplog.text,
    ]
    assert not any(token in text for token in (TOKEN_1, TOKEN_2) for text in shown)
    assert bare.write(lambda tx: tx.policies.get("g1")).primary_fa_token.reveal() == TOKEN_1


def test_no_tenant_sends_the_service_to_an_address_nobody_registered(bare: World) -> None:
    """412 names each array and the option; nothing is stored."""
    body = {"policy": POLICY | {"primary_fa_url": "https://169.254.169.254"}}
    answer = bare.call("POST", f"{GROUPS}/web/policy", body)
    assert (answer.status_code, codes(answer)) == (412, ["policy.array_not_allowed"])
    assert "allowed_array_urls" in answer.json["errors"][0]["remedy"]
    assert bare.call("GET", f"{GROUPS}/web/policy").json["errors"][0]["code"] == "policy.not_found"


def test_sync_status_says_in_sync_only_when_it_is(bare: World) -> None:
    """Versions equal, acknowledged, nothing owed."""
    shown = bare.call("GET", f"{GROUPS}/web/sync-status").json["sync_status"]
    assert (shown["sync_status"], shown["remote_sync_status"], shown["debts"]) == ("IN SYNC", "SYNCED", [])
    bare.change(remote_sync_status=SyncStatus.UNREACHABLE)
    assert bare.call("GET", f"{GROUPS}/web/sync-status").json["sync_status"]["sync_status"] == "OUT OF SYNC"


def test_sync_without_force_is_done_at_once_and_with_force_by_the_engine(bare: World) -> None:
    """200 with the status, or 202 with an operation."""
    assert bare.call("POST", f"{GROUPS}/web/sync").status_code == 200
    assert bare.sync.called == ["g1"]
    answer = bare.call("POST", f"{GROUPS}/web/sync", {"force": True})
    assert (answer.status_code, answer.json["operation"]["operation_type"]) == (202, OperationType.SYNC_FORCE)


def test_consistency_group(full: World) -> None:
    """It has the group's id, and says which generic volume group stands for it on each site."""
    full.change(cinder_groups={"a": "cg-a", "b": "cg-b"})
    shown = full.call("GET", f"{GROUPS}/web/consistency-group").json["consistency_group"]
    assert shown == {"id": "g1", "primary_group_id": "cg-a", "secondary_group_id": "cg-b", "volume_count": 1}
