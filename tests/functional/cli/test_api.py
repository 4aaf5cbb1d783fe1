"""Each command meets the API as it is: shapes, names, refusals and exit codes."""

import dataclasses
from collections.abc import Callable
from typing import Any

from functional.api.conftest import PROJECT, TOKEN_1, World
from siterecovery.protector.domain.operation import FailedStep
from siterecovery.protector.domain.states import GroupStatus, MemberStatus, OperationStatus, PolicyStatus
from unit.protectorclient.fake_site import FakeSite
from unit.protectorclient.harness import Openstack, Result

Meanwhile = Callable[[Callable[[], None]], None]
FAILOVER = "dr failover web --network-mapping net-a=net-b"
POLICY = (
    f"dr policy create web --primary-fa-url https://fa-a.example.com --primary-fa-token {TOKEN_1}"
    " --secondary-fa-url https://fa-b.example.com --secondary-fa-token T-other --pure-pg-name pg-web"
)


def ended(world: World, operation: str, **fields: Any) -> None:
    """The engine has ended the operation."""

    def write(tx: Any) -> None:
        record = tx.operations.get(operation)
        done = {"status": OperationStatus.COMPLETED, "progress": 100, "completed_at": "2026-01-02T03:09:05Z"}
        tx.operations.save(dataclasses.replace(record, **(done | fields)))
        group = tx.groups.get(record.group_id)
        tx.groups.save(dataclasses.replace(group, hold_operation_id=None))

    world.write(write)


def accepted(result: Result) -> str:
    assert (result.code, result.err) == (0, "")
    return result.fields["operation_id"]


def test_sites(openstack: Openstack, world: World) -> None:
    """Sites are listed, shown, validated and asked for their volume types by name."""
    assert [row[1:] for row in openstack("dr site list").rows[1:]] == [
        ["site-a", "primary", "active"],
        ["site-b", "secondary", "active"],
    ]
    assert openstack("dr site validate site-b").code == 0
    shown = openstack("dr site show site-b -f json").json
    assert (shown["reachability"], shown["capabilities"]) == ("All services answer.", {"nova": "2.95"})
    assert openstack("dr site list-volume-types site-a").rows[1] == ["t1", "gold", "True", "async"]


def test_site_delete_and_create(openstack: Openstack, world: World, site_b: FakeSite) -> None:
    """A site that no group uses is deleted on both sides; registered again it has its Protector's keys."""
    assert openstack("dr site delete site-a").code == 0
    created = openstack("dr site create --name site-a --site-type primary --auth-url http://a:5000/v3")
    assert (created.code, created.err) == (0, "")
    site = world.write(lambda tx: tx.sites.find("site-a"))
    assert (site.id, site.signing_key) == (created.fields["id"], world.services.identity.signing_key)
    assert site_b.sites[-1]["id"] == site.id


def test_site_in_use(openstack: Openstack, bare: World) -> None:
    """A site that a group refers to is not deleted: exit code 4 with the reason."""
    result = openstack("dr site delete site-a")
    assert result.code == 4
    assert "refer to site 'site-a'" in result.err


def test_health(openstack: Openstack, bare: World) -> None:
    """The components come as documented, the groups on demand with the reasons against a failover."""
    rows = openstack("dr health show").rows
    assert rows[0] == ["Component", "Status", "Detail"]
    assert ["protector-api", "ok", "Responding on port 8788"] in rows
    (group,) = openstack("dr health show --protection-groups -f json").json
    assert (group["Protection Group"], group["Failover Ready"]) == ("web", False)


def test_group(openstack: Openstack, full: World) -> None:
    """A group is listed, shown by name and changed."""
    assert openstack("dr protection-group list").rows[1] == ["g1", "web", "active", "async", "site-a"]
    fields = openstack("dr protection-group show web").fields
    assert (fields["member_count"], fields["policy"]) == ("1", "pg-web, every 300 s, RPO 15 min")
    assert openstack("dr protection-group sync-status web").fields["sync_status"] == "IN SYNC"
    result = openstack("dr protection-group update web --description new --ip-policy release --network-mapping a=b")
    assert (result.code, result.err) == (0, "")
    assert (full.group().description, full.group().network_mapping) == ("new", {"a": "b"})
    assert [row[2:5] for row in openstack("dr member list web").rows[1:]] == [["web-1", "protected", "1"]]


def test_group_create(openstack: Openstack, world: World, meanwhile: Meanwhile) -> None:
    """Creation is accepted and waited for; one that the engine gave up is told with its reason."""
    line = (
        "dr protection-group create --name shop --replication-type async --primary-site site-a --secondary-site site-b"
    )

    def give_up() -> None:
        def write(tx: Any) -> None:
            (group,) = tx.groups.select(project_id=PROJECT)
            failed = {"status": GroupStatus.ERROR, "error_message": "No group type is consistent"}
            tx.groups.save(dataclasses.replace(group, **failed))

        world.write(write)

    meanwhile(give_up)
    assert openstack(line, "--volume-type", "silver").code == 5
    result = openstack(line, "--volume-type", "gold")
    assert result.code == 1
    assert "No group type is consistent" in result.err


def test_policy(openstack: Openstack, bare: World, meanwhile: Meanwhile) -> None:
    """The policy is applied and printed masked; a refused address is told; no token is printed, nor with --debug."""

    def apply() -> None:
        def write(tx: Any) -> None:
            tx.policies.save(dataclasses.replace(tx.policies.get("g1"), status=PolicyStatus.ACTIVE))

        bare.write(write)

    meanwhile(apply)
    result = openstack("--debug", *POLICY.split())
    assert result.code == 0
    assert result.fields["primary_fa_api_token"] == "*** (masked)"
    assert TOKEN_1 not in result.err + result.out
    assert openstack("dr policy show web").fields == result.fields
    refused = openstack(POLICY.replace("https://fa-b.example.com", "https://elsewhere"))
    assert refused.code in (1, 4, 5)
    assert TOKEN_1 not in refused.err


def test_members(openstack: Openstack, bare: World, meanwhile: Meanwhile) -> None:
    """A VM is added by its name and ends protected; an unknown one is a precondition."""

    def protect() -> None:
        def write(tx: Any) -> None:
            (member,) = tx.members.of_group("g1")
            tx.members.save(dataclasses.replace(member, status=MemberStatus.PROTECTED))

        bare.write(write)

    meanwhile(protect)
    assert openstack("dr member add web --instance-id nobody").code == 5
    result = openstack("dr member add web --instance-id web-1")
    assert (result.code, result.err) == (0, "")
    assert (result.fields["instance_id"], result.fields["status"]) == ("i-1", "protected")


def test_failover(openstack: Openstack, full: World) -> None:
    """An accepted failover is one record, shown as documented; a second one meanwhile is exit code 4."""
    operation = accepted(openstack(FAILOVER))
    assert [row[0] for row in openstack("dr operation list").rows[1:]] == [operation]
    assert openstack("dr operation list --protection-group web --operation-type failover --status pending -f json").json
    shown = openstack("dr operation show", operation, "-f", "json").json
    assert (shown["operation_type"], shown["protection_group_id"], shown["steps_failed"]) == ("failover", "g1", [])
    assert openstack("dr operation show", operation).fields["protection_group"] == "g1 (web)"
    second = openstack(FAILOVER)
    assert second.code == 4
    assert second.err


def test_unmet_preconditions(openstack: Openstack, bare: World) -> None:
    """Everything that is missing is told at once with exit code 5."""
    result = openstack("dr failover web")
    assert result.code == 5
    assert "policy" in result.err
    assert "members" in result.err


def test_unresolved_mappings(openstack: Openstack, full: World) -> None:
    """Without a terminal the 412 stands; on one the server's question is asked and its answer is accepted."""
    result = openstack("dr failover web")
    assert result.code == 5
    assert "net-a" in result.err
    asked = openstack("dr failover web", stdin="net-b\n", tty=True)
    assert asked.code == 0
    assert "Target network for source network 'net-a': " in asked.err


def test_drill(openstack: Openstack, full: World) -> None:
    """A drill with probes is accepted, ended, and cleaned up under its own record."""
    line = "dr test-failover web --network-mapping net-a=net-b --ip-policy release --health-check type=tcp,port=22"
    operation = accepted(openstack(line))
    full.change(active_test_operation_id=operation)
    ended(full, operation)
    assert openstack(line).code == 4
    line = f"dr protection-group action web --action test-cleanup --test-operation-id {operation}"
    assert openstack(line).fields["operation_type"] == "test_cleanup"


def test_wait(openstack: Openstack, full: World, meanwhile: Meanwhile) -> None:
    """--wait ends with the operation; a failed one is exit code 1."""

    def fail() -> None:
        (operation,) = full.write(lambda tx: tx.operations.of_group("g1"))
        ended(full, operation.id, status=OperationStatus.FAILED, error_message="Volume manage failed: host not found")

    meanwhile(fail)
    result = openstack(FAILOVER, "--wait")
    assert result.code == 1
    assert "Volume manage failed: host not found" in result.err
    assert result.fields["status"] == "failed"


def test_cleanup(openstack: Openstack, full: World, meanwhile: Meanwhile) -> None:
    """Refused while the operation runs; then what is left is told as the engine works it off."""
    operation = accepted(openstack(FAILOVER))
    running = openstack("dr operation cleanup", operation)
    assert running.code == 4
    assert "Operation not in completed state" in running.err
    left = FailedStep("delete_source_volume:vol-data-ws1", "Cinder timeout after 300s", "cinder-vol-abc123")
    ended(full, operation, steps_completed=("delete_source_vm:ws1",), steps_failed=(left,))

    def work_off() -> None:
        record = full.write(lambda tx: tx.operations.get(operation))
        entry = record.cleanup["entries"][0] | {"status": "done", "observed_status": "available"}
        ended(full, operation, cleanup=record.cleanup | {"status": "completed", "deleted": 1, "entries": [entry]})

    meanwhile(work_off)
    result = openstack("dr operation cleanup --operation-id", operation)
    assert (result.code, result.err) == (0, "")
    assert result.out.splitlines() == [
        f"Retrying cleanup for operation {operation}...",
        "Skipping already-cleaned resources (1 skipped)",
        "Retrying: delete_source_volume:vol-data-ws1",
        "Checking volume status on site-a... available",
        "Deleting volume cinder-vol-abc123... done",
        "✅ Cleanup completed. 1 resource deleted, 0 failures.",
    ]


def test_cancel(openstack: Openstack, full: World) -> None:
    """A running operation can be cancelled, an ended one is exit code 4."""
    operation = accepted(openstack(FAILOVER))
    assert openstack("dr operation cancel", operation).code == 0
    assert full.write(lambda tx: tx.operations.get(operation)).cancelled_by == "root"
    ended(full, operation)
    assert openstack("dr operation cancel", operation).code == 4


def test_peer_is_dead(openstack: Openstack, full: World, site_b: FakeSite) -> None:
    """What the Protector finds unreachable is exit code 3 with the documented words, and nothing is changed."""
    site_b.stop()
    full.peers.down = True
    before = full.everything()
    for line in (FAILOVER, "dr member add web --instance-id web-2", "dr protection-group delete web"):
        result = openstack(line)
        assert result.code == 3
        assert "remote site unreachable" in result.err
    assert full.everything() == before


def test_mapping_and_delegation(openstack: Openstack, world: World, site_b: FakeSite) -> None:
    """A tenant mapping is written on both sides, and the delegation made and taken back."""
    world.write(lambda tx: tx.tenants.delete_mapping("m"))
    line = "dr tenant-mapping create --local-project production --remote-site site-b --remote-project production"
    result = openstack(line)
    assert (result.code, result.err) == (0, "")
    assert (result.fields["remote_project_id"], result.fields["local_project_id"]) == (site_b.project_id, PROJECT)
    assert openstack("dr tenant-mapping delete", result.fields["id"]).code == 0
    assert openstack("dr delegation delete").code == 0
    assert openstack("dr delegation create").rows[1][2] == "trust-1"
    assert openstack("dr delegation show").rows[1][4] == "active"


def test_a_version_nobody_speaks(openstack: Openstack, world: World) -> None:
    """A microversion that the server does not know is exit code 1 with its answer."""
    result = openstack("dr protection-group list", PROTECTOR_API_VERSION="1.99")
    assert result.code == 1
    assert "1.2" in result.err


def test_an_older_version(openstack: Openstack, full: World) -> None:
    """Against 1.0 the records are shown with what that version has."""
    operation = accepted(openstack(FAILOVER, PROTECTOR_API_VERSION="1.0"))
    ended(full, operation, steps_failed=(FailedStep("manage_volumes_cinder", "x", None),))
    fields = openstack("dr operation show", operation, PROTECTOR_API_VERSION="1.0").fields
    assert (fields["steps_failed"], fields["result_data"]) == ('["manage_volumes_into_cinder"]', "None")
