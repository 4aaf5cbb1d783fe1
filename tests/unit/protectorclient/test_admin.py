"""`health`, `tenant-mapping`, `delegation`, and the credentials of the two clouds."""

import json
import pathlib
from importlib.metadata import entry_points

import pytest

from unit.protectorclient.fake_site import Body, FakeSite, refusal
from unit.protectorclient.harness import Openstack


def test_health(openstack: Openstack, site_a: FakeSite, web: Body) -> None:
    """The documented three columns; the groups on demand."""
    site_a.health = {
        "components": [{"component": "protector-api", "status": "ok", "detail": "Responding on port 8788"}],
        "protection_groups": [
            {"name": "prod-web-app", "link": "ok", "lag_seconds": 12, "failover_ready": True, "reasons": []}
        ],
    }
    assert openstack("dr health show").rows == [
        ["Component", "Status", "Detail"],
        ["protector-api", "ok", "Responding on port 8788"],
    ]
    assert openstack("dr health show --protection-groups -f json").json[0]["Failover Ready"] is True


def test_tenant_mapping_is_written_on_both_sides(
    openstack: Openstack, site_a: FakeSite, site_b: FakeSite, web: Body
) -> None:
    """Projects are named; each side gets the mapping as it sees it, and deleting it removes both."""
    line = "dr tenant-mapping create --local-project production --remote-site site-b --remote-project production"
    result = openstack(line)
    assert result.code == 0
    assert result.fields["local_project_id"] == site_a.project_id
    assert result.fields["remote_project_id"] == site_b.project_id
    mirror = site_b.tenant_mappings[0]
    assert (mirror["local_project_id"], mirror["remote_site"], mirror["remote_project_id"]) == (
        site_b.project_id,
        "site-a",
        site_a.project_id,
    )
    assert openstack("dr tenant-mapping list").rows[1][0] == result.fields["id"]
    assert openstack("dr tenant-mapping delete", result.fields["id"]).code == 0
    assert (site_a.tenant_mappings, site_b.tenant_mappings) == ([], [])


def test_tenant_mapping_is_taken_back(openstack: Openstack, site_a: FakeSite, site_b: FakeSite, web: Body) -> None:
    """When the other side refuses, this side's mapping goes too; a wrong site name is refused before."""
    site_b.refuse("POST", "/tenant-mappings", refusal(403, "forbidden", "Not an admin there"))
    line = "dr tenant-mapping create --local-project production --remote-project production --remote-site"
    assert openstack(line, "site-b").code == 1
    assert site_a.tenant_mappings == []
    result = openstack(line, "site-c")
    assert result.code == 1
    assert "is the site 'site-b', not 'site-c'" in result.err
    assert openstack("dr tenant-mapping create --local-project production").code == 1


def test_delegation(openstack: Openstack, site_a: FakeSite, site_b: FakeSite, web: Body) -> None:
    """It is shown, made and taken back on both sites."""
    assert [row[4] for row in openstack("dr delegation show").rows[1:]] == ["none", "none"]
    rows = openstack("dr delegation create").rows
    assert [row[2] for row in rows[1:]] == ["trust-site-a", "trust-site-b"]
    assert openstack("dr delegation delete").code == 0
    assert (site_a.delegation, site_b.delegation) == (None, None)


def test_wrong_password(openstack: Openstack, site_a: FakeSite, web: Body) -> None:
    """Refused credentials are exit code 1 and say which cloud refused them."""
    site_a.password = "another"
    result = openstack("dr protection-group list")
    assert result.code == 1
    assert "Authentication to cloud 'site-a' failed" in result.err


def test_no_credentials(openstack: Openstack) -> None:
    """Without any cloud the message names the options."""
    result = openstack("dr protection-group list", OS_CLOUD=None, OS_SECONDARY_CLOUD=None)
    assert result.code == 1
    assert "--os-cloud (or OS_CLOUD)" in result.err


def test_an_unknown_secondary_cloud(openstack: Openstack, web: Body) -> None:
    """A name that is not in clouds.yaml is exit code 1."""
    result = openstack("dr failover prod-web-app --secondary-cloud nowhere")
    assert result.code == 1
    assert "nowhere" in result.err


def test_credentials_from_the_environment(
    openstack: Openstack, site_a: FakeSite, web: Body, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without OS_CLOUD the OS_* variables are the primary cloud; the domains default to Default."""
    monkeypatch.setenv("OS_AUTH_URL", f"{site_a.url}/identity/v3")
    for name, value in {"USERNAME": "dr-admin", "PASSWORD": "s3cr3t", "PROJECT_NAME": "production"}.items():
        monkeypatch.setenv(f"OS_{name}", value)
    assert len(openstack("dr protection-group list", OS_CLOUD=None).rows) == 2
    scope = next(item for item in site_a.seen if item.path.endswith("/auth/tokens")).body["auth"]["scope"]
    assert scope["project"]["domain"] == {"name": "Default"}


def test_os_cloud_hides_the_environment(
    openstack: Openstack, site_a: FakeSite, web: Body, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With OS_CLOUD set, left-over OS_* credentials are ignored, as documented."""
    monkeypatch.setenv("OS_USERNAME", "somebody")
    monkeypatch.setenv("OS_PASSWORD", "else")
    monkeypatch.setenv("OS_PROJECT_NAME", "another")
    assert openstack("dr protection-group list").code == 0
    auth = next(item for item in site_a.seen if item.path.endswith("/auth/tokens")).body["auth"]
    assert auth["identity"]["password"]["user"]["name"] == "dr-admin"
    assert auth["scope"]["project"]["name"] == "production"


def test_a_catalog_without_protector(openstack: Openstack, tmp_path: pathlib.Path, site_a: FakeSite, web: Body) -> None:
    """A region that has no Protector says how it is registered; an endpoint override of clouds.yaml is used instead."""
    config = tmp_path / "clouds.yaml"
    elsewhere = site_a.cloud | {"region_name": "RegionTwo"}
    config.write_text(json.dumps({"clouds": {"site-a": elsewhere, "site-b": elsewhere}}))
    result = openstack("dr protection-group list")
    assert result.code == 1
    assert "has no service 'protector' in region RegionTwo" in result.err
    config.write_text(
        json.dumps({"clouds": {"site-a": elsewhere | {"protector_endpoint_override": f"{site_a.url}/dr/v1"}}})
    )
    assert openstack("dr protection-group list").code == 0


def test_other_commands_are_left_alone(openstack: Openstack) -> None:
    """The plugin neither breaks the start of `openstack` nor hides its commands."""
    result = openstack("dr operation --help")
    assert result.code == 0
    assert "dr operation list" in result.out
    assert "dr operation show" in result.out
    assert "--secondary-cloud" in openstack("--help").out


def test_timing(openstack: Openstack, web: Body) -> None:
    """--timing tells the calls to both sites."""
    result = openstack("--timing dr protection-group sync-status prod-web-app")
    assert result.code == 0
    assert result.err == ""
    assert result.out.count("/auth/tokens") == 2


def test_every_command_explains_itself(openstack: Openstack) -> None:
    """Both families have the same commands under their documented names, and each has help with its reason."""
    names = {point.name.replace("_", " ") for point in entry_points(group="openstack.protector.v1")}
    families = [
        {name.partition(" ")[2] for name in names if name.startswith(family)} for family in ("dr ", "protector ")
    ]
    moves = {"failover", "failback", "test-failover", "test-cleanup"}
    assert families[0] - moves == families[1] - {f"protection-group {move}" for move in moves}
    assert moves < families[0]
    for name in sorted(names):
        result = openstack("help", *name.split())
        assert result.code == 0
        assert f" {name} " in result.out.splitlines()[0]
        assert len(result.out.split("\n\n")[1]) > 20
