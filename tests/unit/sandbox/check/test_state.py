"""Invariants that are broken by what is there now. Each test changes a cloud, an array or a database behind the product's back, sees just
that finding, and puts it right again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from sandbox.check import Finding, check
from support.operator import wait_for

from .conftest import Story

KEY = "11111111-2222-4333-8444-555555555555/recreate_instances/vm"


@pytest.fixture(autouse=True)
def _mended(story: Story) -> Iterator[None]:
    """Whatever a test has broken is whole again afterwards, so that the next one sees only its own."""
    yield
    assert story.findings() == ()


def only(story: Story, invariant: str, *words: str) -> None:
    """One finding, of this invariant, with these words."""
    (finding,) = story.findings()
    assert finding.invariant == invariant, finding
    for word in words:
        assert word in finding.what


# ------------------------------------------------------------------------------------------------------ 1 one primary


def test_two_databases_that_name_different_primaries_in_one_epoch_are_found(story: Story) -> None:
    """Both Protectors must agree where an epoch is active."""
    (other,) = story.sql("site-b", "SELECT secondary_site_id FROM protection_groups")[0]
    with story.changed("site-b", "protection_groups", story.group, current_primary_site_id=other):
        only(story, "one_primary", "site-a says it is active on site-a", "site-b says on site-b")


# ----------------------------------------------------------------------------------------------------- 4 nothing left


def test_a_copy_on_an_array_that_nobody_keeps_is_found(story: Story) -> None:
    """An array volume with the name of the product's copies, which no record knows."""
    name = "dr-0a1b2c3d-0a1b2c3d4e5f-0000"
    (volume,) = story.array("site-b", "POST", "/volumes", {"provisioned": 1 << 30}, names=name)
    only(story, "nothing_left", "array-b", name, volume["id"])
    story.array("site-b", "PATCH", "/volumes", {"destroyed": True}, names=name)


def test_what_a_record_names_with_its_id_is_not_left_behind(story: Story) -> None:
    """The same copy is no finding while the failed step of an operation names it."""
    name, operation = "dr-0a1b2c3d-0a1b2c3d4e5f-0001", story.move("failover")
    story.array("site-b", "POST", "/volumes", {"provisioned": 1 << 30}, names=name)
    said = f'[{{"step": "promote_volumes", "error": "It could not be destroyed.", "resource_id": "{name}"}}]'
    with story.changed("site-a", "operations", operation, steps_failed=said, steps_completed="[]"):
        assert story.findings() == ()
    story.array("site-b", "PATCH", "/volumes", {"destroyed": True}, names=name)


def test_a_copy_in_quarantine_must_be_named_by_its_operation(story: Story) -> None:
    """A row among the copies is for the product; a person finds the copy in the operation's result."""
    name, operation = "dr-0a1b2c3d-0a1b2c3d4e5f-0002", story.move("failover")
    (volume,) = story.array("site-b", "POST", "/volumes", {"provisioned": 1 << 30}, names=name)
    (site,) = story.sql("site-a", "SELECT secondary_site_id FROM protection_groups")[0]
    row = ("q", story.group, "lineage-1", site, 1, "quarantined", operation, name, volume["id"], "")
    columns = "id, group_id, lineage_volume_id, site_id, epoch, state, operation_id, array_volume_name, array_volume_id, created_at"
    story.sql("site-a", f"INSERT INTO volume_copies ({columns}) VALUES ({','.join('?' * len(row))})", *row)
    only(story, "nothing_left", name)
    with story.changed("site-a", "operations", operation, result_data=json.dumps({"volumes_quarantined": [name]})):
        assert story.findings() == ()
    story.sql("site-a", "DELETE FROM volume_copies WHERE id = 'q'")
    story.array("site-b", "PATCH", "/volumes", {"destroyed": True}, names=name)


def test_a_snapshot_of_no_operation_is_found_on_both_arrays(story: Story) -> None:
    """A group snapshot called as an operation's, whose operation nobody knows, at its source and where it has arrived."""
    suffix = "dr-11111111-2222-4333-8444-555555555555"
    story.array(
        "site-b",
        "POST",
        "/protection-group-snapshots",
        {"suffix": suffix},
        source_names="pg-prod-e1",
        replicate_now="true",
    )
    found = {finding.what.split()[2] for finding in story.findings()}
    assert {finding.invariant for finding in story.findings()} == {"nothing_left"}
    assert f"pg-prod-e1.{suffix}" in found
    for site, group in (("site-b", "pg-prod-e1"), ("site-a", "array-b:pg-prod-e1")):
        if f"{group}.{suffix}" in found:
            story.array(site, "PATCH", "/protection-group-snapshots", {"destroyed": True}, names=f"{group}.{suffix}")


def test_an_array_group_of_no_epoch_is_found(story: Story) -> None:
    """A replication group with the policy's stem, for an epoch that was never committed there."""
    story.array("site-b", "POST", "/protection-groups", {}, names="pg-prod-e7")
    only(story, "nothing_left", "protection group pg-prod-e7")
    story.array("site-b", "PATCH", "/protection-groups", {"destroyed": True}, names="pg-prod-e7")


def test_a_port_without_its_server_is_found(story: Story) -> None:
    """A port that carries an operation's key and belongs to no server."""
    network = story.call("site-b", "network", "GET", "/v2.0/networks")["networks"][0]["id"]
    body = {"port": {"network_id": network, "name": "vm-0", "description": f"protector:key={KEY}/ports/0"}}
    port = story.call("site-b", "network", "POST", "/v2.0/ports", body)["port"]["id"]
    only(story, "nothing_left", port, KEY)
    story.call("site-b", "network", "DELETE", f"/v2.0/ports/{port}")


def test_a_volume_group_of_no_protection_group_is_found(story: Story) -> None:
    """A generic volume group with an operation's key that no protection group has."""
    types = story.call("site-b", "volumev3", "GET", "/types")["volume_types"]
    kind = story.call("site-b", "volumev3", "GET", "/group_types", version="volume 3.38")["group_types"][0]["id"]
    body = {"name": "prod", "description": f"protector:key={KEY}", "group_type": kind, "volume_types": [types[0]["id"]]}
    made = story.call("site-b", "volumev3", "POST", "/groups", {"group": body}, "volume 3.38")["group"]["id"]
    assert (
        Finding("nothing_left", f"site-b: volume group {made} (prod) belongs to no protection group")
        in story.findings()
    )
    until_gone(story, f"/groups/{made}", {"delete": {"delete-volumes": False}})


def until_gone(story: Story, path: str, body: dict[str, Any]) -> None:
    """Cinder makes and deletes groups in its own time."""
    session = story.sites.operator.sessions["site-b"]
    where: dict[str, Any] = {"endpoint_filter": {"service_type": "volumev3", "interface": "public"}, "raise_exc": False}
    headers = {"OpenStack-API-Version": "volume 3.38"}

    def gone() -> bool | None:
        session.post(f"{path}/action", json=body, headers=headers, **where)
        return True if session.get(path, headers=headers, **where).status_code == 404 else None

    wait_for(f"{path} to go", gone)


def test_a_member_left_locked_is_found(story: Story) -> None:
    """A server that runs where it belongs, still locked by one of the product's own calls."""
    server = story.member("web-server-1")
    lock = {"lock": {"locked_reason": f"protector: moved to the other site by operation {KEY}"}}
    story.call("site-a", "compute", "POST", f"/servers/{server}/action", lock, "compute 2.73")
    only(story, "nothing_left", server, "still locked")
    story.call("site-a", "compute", "POST", f"/servers/{server}/action", {"unlock": None})


@pytest.mark.parametrize("status", ["reserved", "managing", "error_deleting"])
def test_a_volume_left_in_between_is_found(story: Story, status: str) -> None:
    """A volume of the group that rests in a state that should have passed."""
    (volume,) = story.sql("site-a", "SELECT volume_id FROM volumes WHERE name = 'vol-data-ws1'")[0]
    path = f"/volumes/{volume}/action"
    story.call("site-a", "volumev3", "POST", path, {"os-reset_status": {"status": status}})
    (finding,) = story.findings()
    assert finding.invariant == "nothing_left"
    assert volume in finding.what
    story.call("site-a", "volumev3", "POST", path, {"os-reset_status": {"status": "in-use"}})


def test_a_volume_with_the_groups_mark_on_the_wrong_site_is_found(story: Story) -> None:
    """A Cinder volume with this group's metadata on the site where the group is not active."""
    meta = {"protector:group": story.group, "protector:epoch": "1"}
    body = {"volume": {"name": "old", "size": 1, "volume_type": "standard", "metadata": meta}}
    volume = story.call("site-b", "volumev3", "POST", "/volumes", body)["volume"]["id"]
    assert {finding.invariant for finding in story.findings()} == {"nothing_left"}
    assert all(volume in finding.what for finding in story.findings())
    delete_volume(story, volume)


def delete_volume(story: Story, volume: str) -> None:
    """Once Cinder has made it, until it is gone."""

    def there() -> dict[str, str]:
        return {v["id"]: v["status"] for v in story.sites.operator.volume_list("site-b")}

    wait_for(f"volume {volume} to be made", lambda: True if there()[volume] == "available" else None)
    story.call("site-b", "volumev3", "DELETE", f"/volumes/{volume}")
    wait_for(f"volume {volume} to go", lambda: None if volume in there() else True)


def test_a_trust_of_no_delegation_is_found(story: Story) -> None:
    """A Keystone trust to the service user that no delegation knows."""
    (trust, project) = story.sql("site-b", "SELECT trust_id, project_id FROM delegations")[0]
    story.sql("site-b", "UPDATE delegations SET trust_id = 'another'")
    only(story, "nothing_left", f"trust {trust} of project {project}")
    story.sql("site-b", "UPDATE delegations SET trust_id = ?", trust)


# ---------------------------------------------------------------------------------------------------------- 5 it ends


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"hold_operation_id": "op-1"}, "still held by operation op-1"),
        ({"remote_hold": "op-2"}, "still held by the peer's operation op-2"),
        ({"claim": '{"epoch": 9, "operation_id": "op-3", "state": "open", "fence": 0}'}, "open claim of epoch 9"),
    ],
)
def test_what_a_group_still_waits_for_is_found(story: Story, values: dict[str, str], words: str) -> None:
    """No hold and no open claim outlives the operation that it belongs to."""
    with story.changed("site-b", "protection_groups", story.group, **values):
        only(story, "it_ends", words)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"open": 1}, "still open for engines"),
        ({"lease_owner": "engine-9", "lease_expires_at": 9_999_999_999_999_999}, "engine-9 still holds its lease"),
        ({"cleanup_requested": 1}, "a cleanup that has not ended"),
    ],
)
def test_what_an_ended_operation_still_holds_is_found(story: Story, values: dict[str, Any], words: str) -> None:
    """An operation that has ended is finished for the engines too."""
    with story.changed("site-a", "operations", story.move("failover"), **values):
        only(story, "it_ends", words)


def test_an_operation_that_has_not_ended_is_found_unless_the_world_is_moving(story: Story) -> None:
    """Only a settled world must have no operation under way."""
    operation = story.sql("site-a", "SELECT id FROM operations WHERE type = 'sync_volumes'")[0][0]
    with story.changed("site-a", "operations", operation, status="running", current_step="finalize"):
        only(story, "it_ends", "is still running, in step finalize")
        assert check(story.places, settled=False).findings == ()


def test_a_member_left_in_between_is_found(story: Story) -> None:
    """No member rests in a passing state."""
    (member,) = story.sql("site-a", "SELECT id FROM members WHERE instance_name = 'web-server-2'")[0]
    with story.changed("site-a", "members", member, status="adding"):
        only(story, "it_ends", "web-server-2", "still adding")


# --------------------------------------------------------------------------------------------------------- 6 metadata


def test_an_active_site_with_an_older_record_is_found(story: Story) -> None:
    """The site where the group runs must not be behind its peer."""
    with story.changed("site-b", "protection_groups", story.group, metadata_version=99, remote_sync_status="PENDING"):
        only(story, "metadata", "is active on site-a, whose record (epoch 2, version", "version 99) on site-b")


def test_a_record_that_says_synced_and_is_not_is_found(story: Story) -> None:
    """SYNCED means that both sites have the same (epoch, version)."""
    with story.changed("site-a", "protection_groups", story.group, metadata_version=99):
        only(story, "metadata", "site-a", "says SYNCED at (epoch 2, version 99)")


# ----------------------------------------------------------------------------------------------------------- 8 record


def test_a_failure_without_a_reason_is_found(story: Story) -> None:
    """A failed operation says why."""
    operation = story.sql("site-a", "SELECT id FROM operations WHERE type = 'sync_volumes'")[0][0]
    with story.changed("site-a", "operations", operation, status="failed", error_message="It failed."):
        findings = [finding for finding in story.findings() if finding.invariant == "record"]
        assert [finding.what for finding in findings] == [f"sync_volumes {operation} has failed and does not say why"]


def test_a_completed_operation_with_an_error_is_found(story: Story) -> None:
    """Completed and failed at once cannot both be true."""
    with story.changed("site-b", "operations", story.move("failback"), error_message="No valid host"):
        only(story, "record", "is completed and has an error message: No valid host")


def test_a_step_that_is_called_done_and_is_not_is_found(story: Story) -> None:
    """What the newest move says it has deleted is looked for on the side that was left."""
    operation = story.move("failback")
    (plan,) = story.sql("site-b", "SELECT plan FROM operations WHERE id = ?", operation)[0]
    deleted = json.loads(plan)["volumes"][0]["volume_id"]
    body = {"volume": {"name": "back", "size": 1, "volume_type": "standard"}}
    alive = story.call("site-b", "volumev3", "POST", "/volumes", body)["volume"]["id"]
    with story.changed("site-b", "operations", operation, plan=plan.replace(deleted, alive)):
        only(story, "record", "says it has deleted volume", alive, "still on site-b")
    delete_volume(story, alive)


def test_replication_that_is_off_while_the_group_is_active_is_found(story: Story) -> None:
    """A group at home with an active policy is replicated on a schedule."""
    on_off = {True: {"replication_schedule": {"enabled": True}}, False: {"replication_schedule": {"enabled": False}}}
    story.array("site-a", "PATCH", "/protection-groups", on_off[False], names="pg-prod-e2")
    only(story, "record", "pg-prod-e2 has no schedule on array-a")
    story.array("site-a", "PATCH", "/protection-groups", on_off[True], names="pg-prod-e2")


def test_replication_of_other_volumes_than_the_groups_is_found(story: Story) -> None:
    """The array's group holds just the volumes of the record."""
    (name,) = story.sql("site-a", "SELECT array_volume_name FROM volumes WHERE name = 'vol-data-ws1'")[0]
    story.array("site-a", "DELETE", "/protection-groups/volumes", group_names="pg-prod-e2", member_names=name)
    only(story, "record", "does not hold just its volumes", name)
    story.array("site-a", "POST", "/protection-groups/volumes", group_names="pg-prod-e2", member_names=name)


def test_a_member_that_is_not_where_the_record_says_is_found(story: Story) -> None:
    """A protected member's server is there, with all its volumes."""
    (member,) = story.sql("site-a", "SELECT id FROM members WHERE instance_name = 'web-server-2'")[0]
    (real,) = story.sql("site-a", "SELECT instance_id FROM members WHERE id = ?", member)[0]
    with story.changed("site-a", "members", member, instance_id="nowhere"):
        found = {finding.invariant: finding.what for finding in story.findings()}
    assert "member web-server-2 (nowhere) is not on site-a" in found["record"]
    assert f"server {real}" in found["nothing_left"]
