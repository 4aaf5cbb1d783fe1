"""`openstack dr protection-group …`, `member …` and `policy …`."""

import pytest

from unit.protectorclient.fake_site import MASKED, Body, FakeSite, refusal
from unit.protectorclient.harness import Openstack, register

CREATE = (
    "dr protection-group create --name prod-web-app --replication-type async --primary-site site-a --secondary-site site-b"
    " --volume-type replicated-ssd"
)
POLICY = (
    "dr policy create prod-web-app --primary-fa-url https://fa-a --primary-fa-token T-aaaa-1111 --secondary-fa-url https://fa-b"
    " --secondary-fa-token=T-bbbb-2222 --pure-pg-name pg-prod-web-app"
)
DOCUMENTED = [
    "id",
    "name",
    "status",
    "replication_type",
    "primary_site",
    "secondary_site",
    "current_primary_site",
    "consistency_group_id",
]


def test_create_waits_for_the_group(openstack: Openstack, site_a: FakeSite, site_b: FakeSite) -> None:
    """The documented fields are printed once the group is active, and a delegation was made on both sites first."""
    register(site_a, site_b)
    result = openstack(CREATE, "--description", "Production web application")
    assert (result.code, result.err) == (0, "")
    assert [row[0] for row in result.rows] == ["Field", *DOCUMENTED, "failover_count", "last_failover_at"]
    assert (result.fields["status"], result.fields["last_failover_at"]) == ("active", "None")
    assert site_a.delegation is not None
    assert site_b.delegation is not None
    assert site_a.groups[0]["description"] == "Production web application"
    assert site_b.groups == []


def test_create_is_sent_to_the_primary_site(openstack: Openstack, site_a: FakeSite, site_b: FakeSite) -> None:
    """Which cloud is asked follows from --primary-site, not from the order of the clouds."""
    register(site_a, site_b)
    line = CREATE.replace(
        "--primary-site site-a --secondary-site site-b", "--primary-site site-b --secondary-site site-a"
    )
    assert openstack(line).code == 0
    assert (len(site_a.groups), len(site_b.groups)) == (0, 1)


def test_create_that_ends_in_error(openstack: Openstack, site_a: FakeSite, site_b: FakeSite) -> None:
    """A group that ends in error makes the command fail with its message, a refusal with its own code."""
    register(site_a, site_b)
    site_a.readings["next group"] = [{"status": "error", "error_message": "No group type"}]
    result = openstack(CREATE)
    assert result.code == 1
    assert "No group type" in result.err
    site_a.refuse("POST", "/protection-groups", refusal(412, "volume_type.not_replicated", "Not replicated"))
    assert openstack(CREATE).code == 5


def test_create_that_was_undone(openstack: Openstack, site_a: FakeSite, site_b: FakeSite) -> None:
    """A group that is gone again fails the command and says so."""
    register(site_a, site_b)
    site_a.readings["next group"] = [{}, {"status": "gone"}]
    result = openstack(CREATE)
    assert result.code == 1
    assert "it was undone" in result.err


def test_create_checks_its_flags(openstack: Openstack, site_a: FakeSite) -> None:
    """Missing and bad values are told before anything is sent; an unknown site after asking who is who."""
    result = openstack("dr protection-group create --name x")
    assert result.code == 1
    assert "--replication-type, --primary-site, --secondary-site, --volume-type" in result.err
    assert openstack(CREATE.replace("async", "both")).code == 1
    assert openstack(CREATE, "--ip-policy", "maybe").code == 1
    assert openstack(CREATE, OS_SECONDARY_CLOUD=None).code == 1
    assert site_a.seen == []
    result = openstack(CREATE)
    assert "Neither of the two clouds is the site 'site-a'" in result.err


@pytest.mark.parametrize(
    ("status", "code", "exit_code"),
    [
        (503, "remote_site_unreachable", 3),
        (503, "database", 1),
        (409, "protection_group.busy", 4),
        (412, "policy.missing", 5),
        (400, "bad_request", 1),
        (403, "forbidden", 1),
        (404, "not_found", 1),
        (429, "too_many", 1),
        (500, "internal_error", 1),
    ],
)
def test_exit_codes(openstack: Openstack, site_a: FakeSite, web: Body, status: int, code: str, exit_code: int) -> None:
    """Each refusal of the server has its documented exit code, and its detail and remedy are on stderr."""
    site_a.refuse("DELETE", web["id"], refusal(status, code, "It cannot be done", remedy="Do that first"))
    result = openstack("dr protection-group delete prod-web-app")
    assert result.code == exit_code
    assert result.err.splitlines()[:2] == ["It cannot be done", "  Do that first"]
    assert result.out == ""


def test_all_unmet_preconditions_are_told(openstack: Openstack, site_a: FakeSite, web: Body) -> None:
    """One answer may hold several unmet preconditions: each is printed with its remedy."""
    error = refusal(412, "policy.missing", "The group has no replication policy", remedy="dr policy create")
    error.entries += ({"code": "members.none", "detail": "The group has no members", "remedy": "dr member add"},)
    site_a.refuse("POST", "/action", error)
    result = openstack("dr failover prod-web-app")
    assert result.code == 5
    assert result.err.splitlines() == [
        "The group has no replication policy",
        "  dr policy create",
        "The group has no members",
        "  dr member add",
    ]


def test_usage_errors_are_2(openstack: Openstack) -> None:
    """Unknown commands, missing positionals and flags that exclude one another are exit code 2."""
    assert openstack("dr protection-group show").code == 2
    assert openstack("dr protection-group frobnicate").code == 2
    assert openstack("dr failover prod-web-app --type planned --force").code == 2
    assert openstack("dr protection-group action x --action failover --retain-primary --no-retain-primary").code == 2


def test_show(openstack: Openstack, site_a: FakeSite, web: Body) -> None:
    """The documented fields come in their order, by name and by id, with a policy row; json has everything."""
    result = openstack("dr protection-group show prod-web-app")
    documented = ["member_count", "failover_count", "last_failover_at", "metadata_version", "remote_sync_status"]
    order = [*DOCUMENTED, *documented, "remote_sync_version", "last_replication_at", "policy"]
    assert [row[0] for row in result.rows[1:]] == order
    assert openstack("protector protection-group show", web["id"]).out == result.out
    assert openstack("dr protection-group show prod-web-app -f json").json["failover_epoch"] == 1
    assert openstack("dr protection-group show prod-web-app -f value -c status").out == "active\n"


def test_names_that_are_not_unique(openstack: Openstack, site_a: FakeSite, web: Body) -> None:
    """Two groups of one name are not guessed between: the message lists the ids."""
    site_a.groups.append(web | {"id": "11111111-2222-3333-4444-555555555555"})
    result = openstack("dr protection-group show prod-web-app")
    assert result.code == 1
    assert "11111111-2222-3333-4444-555555555555" in result.err


def test_an_unknown_group(openstack: Openstack, web: Body) -> None:
    """An unknown name is exit code 1 and named in the message."""
    result = openstack("dr failover nobody")
    assert result.code == 1
    assert "No protection group with a name or id of 'nobody' exists" in result.err


def test_list(openstack: Openstack, web: Body) -> None:
    """The list shows status and current primary site; an empty one is no error."""
    rows = openstack("protector protection-group list").rows
    assert rows == [
        ["ID", "Name", "Status", "Replication Type", "Current Primary Site"],
        [web["id"], "prod-web-app", "active", "async", "site-a"],
    ]
    assert openstack("dr protection-group list --status error -f json").json == []


def test_update(openstack: Openstack, site_a: FakeSite, web: Body) -> None:
    """Only what was given is changed; giving nothing is an error."""
    result = openstack(
        "dr protection-group update prod-web-app --name shop --network-mapping a=b --network-mapping c=d"
    )
    assert result.code == 0
    assert site_a.sent("PATCH", web["id"])[0].body == {
        "protection_group": {"name": "shop", "network_mapping": {"a": "b", "c": "d"}}
    }
    assert openstack("dr protection-group update shop").code == 1


def test_delete_waits_until_it_is_gone(openstack: Openstack, site_a: FakeSite, web: Body) -> None:
    """Delete returns when the group is gone."""
    assert openstack("dr protection-group delete prod-web-app").code == 0
    assert site_a.groups == []


def test_sync_status(openstack: Openstack, web: Body) -> None:
    """The sync status is shown with both versions."""
    fields = openstack("protector protection-group sync-status prod-web-app").fields
    assert (fields["sync_status"], fields["metadata_version"], fields["remote_sync_version"]) == ("IN SYNC", "7", "7")


def test_member_add_and_remove(openstack: Openstack, site_a: FakeSite, web: Body) -> None:
    """Adding waits until the VM is protected; it is removed by its name."""
    result = openstack("dr member add prod-web-app --instance-id a1b2c3d4-0001-0001-0001-aabbccdd1111")
    assert result.code == 0
    assert [row[0] for row in result.rows] == ["Field", "id", "instance_id", "instance_name", "status", "volumes_added"]
    assert (result.fields["status"], result.fields["volumes_added"]) == ("protected", "2")
    assert openstack("dr member list prod-web-app").rows[1][2] == "web-server-1"
    assert openstack("dr member remove prod-web-app --member-id web-server-1").code == 0
    assert site_a.members == []


def test_member_add_that_fails(openstack: Openstack, site_a: FakeSite, web: Body) -> None:
    """A member that ends in error is exit code 1 with its message; a missing flag is too."""
    site_a.readings["next member"] = [{"status": "error", "error_message": "Volume vol-1 has another type"}]
    result = openstack("dr member add prod-web-app --instance-id vm")
    assert result.code == 1
    assert "Volume vol-1 has another type" in result.err
    assert openstack("dr member add prod-web-app").code == 1


def test_member_add_with_a_dead_secondary(openstack: Openstack, site_a: FakeSite, site_b: FakeSite, web: Body) -> None:
    """What the Protector says about the dead peer is exit code 3."""
    site_b.stop()
    site_a.refuse(
        "POST",
        "/members",
        refusal(503, "remote_site_unreachable", "Cannot modify protection group — remote site unreachable"),
    )
    result = openstack("dr member add prod-web-app --instance-id vm")
    assert result.code == 3
    assert "remote site unreachable" in result.err


def test_policy(openstack: Openstack, site_a: FakeSite, web: Body) -> None:
    """The policy is printed as documented with masked tokens, which the server got in full."""
    result = openstack(POLICY, "--replication-interval", "300", "--rpo-minutes", "15")
    assert (result.code, result.err) == (0, "")
    assert result.fields == {
        "protection_group_id": web["id"],
        "primary_fa_url": "https://fa-a",
        "primary_fa_api_token": MASKED,
        "secondary_fa_url": "https://fa-b",
        "secondary_fa_api_token": MASKED,
        "pure_pg_name": "pg-prod-web-app",
        "replication_interval": "300",
        "rpo_minutes": "15",
    }
    assert site_a.sent("POST", "/policy")[0].body["policy"]["primary_fa_api_token"] == "T-aaaa-1111"
    for line in ("dr policy show prod-web-app", "protector protection-group policy-show prod-web-app"):
        assert openstack(line).fields == result.fields
    assert (
        openstack("dr protection-group show prod-web-app").fields["policy"]
        == "pg-prod-web-app, every 300 s, RPO 15 min"
    )


def test_tokens_never_appear(openstack: Openstack, site_a: FakeSite, web: Body) -> None:
    """Neither --debug nor an error that quotes the input prints a token."""
    assert "T-" not in openstack("--debug", *POLICY.split()).err.replace("X-", "")
    site_a.refuse("POST", "/policy", refusal(400, "bad_request", "Bad token T-aaaa-1111 and T-bbbb-2222"))
    result = openstack("--debug", *POLICY.split())
    assert result.code == 1
    assert "Bad token *** and ***" in result.err
    assert "aaaa-1111" not in result.err + result.out
    assert "bbbb-2222" not in result.err + result.out


def test_policy_needs_its_flags(openstack: Openstack, site_a: FakeSite, web: Body) -> None:
    """Missing flags and bad numbers are exit code 1, before anything is sent."""
    result = openstack("dr policy create prod-web-app --primary-fa-url https://fa-a")
    assert result.code == 1
    assert "--primary-fa-token, --secondary-fa-url, --secondary-fa-token, --pure-pg-name" in result.err
    assert openstack(POLICY, "--rpo-minutes", "soon").code == 1
    assert site_a.seen == []
    assert openstack("dr policy show prod-web-app").code == 1
