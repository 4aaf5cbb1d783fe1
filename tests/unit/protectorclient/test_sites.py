"""`openstack dr site …`."""

from unit.protectorclient.fake_site import Body, FakeSite, refusal
from unit.protectorclient.harness import Openstack, register

CREATE = "dr site create --name site-a --site-type primary --auth-url http://site-a:5000/v3 --region-name RegionOne --os-cloud site-a"


def test_create_writes_both_protectors(openstack: Openstack, site_a: FakeSite, site_b: FakeSite) -> None:
    """Both Protectors get the site under the same id with its own keys, and the documented fields are printed."""
    result = openstack(CREATE, "--description", "Primary datacenter - Boston")
    assert (result.code, result.err) == (0, "")
    assert [row[0] for row in result.rows] == ["Field", "id", "name", "site_type", "auth_url", "region_name", "status"]
    assert result.fields["status"] == "active"
    assert {key: value for key, value in site_a.sites[0].items() if key != "is_local"} == {
        key: value for key, value in site_b.sites[0].items() if key != "is_local"
    }
    assert site_a.sites[0]["id"] == result.fields["id"]
    assert (site_a.sites[0]["signing_key"], site_a.sites[0]["sealing_key"]) == ("sign-site-a", "seal-site-a")


def test_create_of_the_other_site_takes_its_keys(openstack: Openstack, site_a: FakeSite, site_b: FakeSite) -> None:
    """The second site is registered through the same clouds, with the keys of the Protector of that name."""
    line = "dr site create --name site-b --site-type secondary --auth-url http://site-b:5000/v3"
    assert openstack(line).code == 0
    assert [site.sites[0]["signing_key"] for site in (site_a, site_b)] == ["sign-site-b", "sign-site-b"]


def test_create_is_taken_back(openstack: Openstack, site_a: FakeSite, site_b: FakeSite) -> None:
    """When the second Protector refuses, the first holds nothing either."""
    site_b.refuse(
        "POST", "/admin/sites", refusal(409, "site.exists", "A site of this name exists", remedy="Use another name")
    )
    result = openstack(CREATE)
    assert result.code == 4
    assert "A site of this name exists" in result.err
    assert "Use another name" in result.err
    assert (site_a.sites, site_b.sites) == ([], [])


def test_create_needs_both_clouds(openstack: Openstack, site_a: FakeSite) -> None:
    """Without the secondary cloud nothing is written and the message names the flag."""
    result = openstack(CREATE, OS_SECONDARY_CLOUD=None)
    assert result.code == 1
    assert "--secondary-cloud" in result.err
    assert site_a.seen == []


def test_create_with_a_dead_secondary(openstack: Openstack, site_a: FakeSite, site_b: FakeSite) -> None:
    """An unreachable site is exit code 3 and nothing was changed on the other."""
    site_b.stop()
    result = openstack(CREATE)
    assert result.code == 3
    assert "cloud 'site-b' cannot be reached" in result.err
    assert site_a.sites == []


def test_create_with_a_name_nobody_has(openstack: Openstack, site_a: FakeSite) -> None:
    """A name that no Protector calls itself is refused, saying what they call themselves."""
    result = openstack("dr site create --name boston --site-type primary --auth-url http://x")
    assert result.code == 1
    assert "'site-a' and 'site-b'" in result.err
    assert site_a.sites == []


def test_missing_and_bad_values_are_exit_code_1(openstack: Openstack) -> None:
    """Missing required flags and bad values are 1, not argparse's 2."""
    result = openstack("dr site create --name site-a")
    assert result.code == 1
    assert "--site-type, --auth-url" in result.err
    result = openstack("dr site create --name site-a --site-type third --auth-url http://x")
    assert result.code == 1
    assert "primary, secondary" in result.err


def test_list_and_show(openstack: Openstack, site_a: FakeSite, web: Body) -> None:
    """The list has the documented columns; a site is shown by its name with what it is capable of."""
    assert openstack("dr site list").rows == [
        ["ID", "Name", "Site Type", "Status"],
        ["id-site-a", "site-a", "primary", "active"],
        ["id-site-b", "site-b", "secondary", "active"],
    ]
    site_a.sites[1].update(reachability="All services answer.", capabilities={"replication_types": ["async"]})
    shown = openstack("dr site show site-b -f json").json
    assert (shown["reachability"], shown["capabilities"]) == ("All services answer.", {"replication_types": ["async"]})


def test_a_tenant_may_list(openstack: Openstack, site_a: FakeSite, web: Body) -> None:
    """Who is no admin gets what a tenant may know."""
    site_a.admin = False
    assert [row[1] for row in openstack("protector site list").rows[1:]] == ["site-a", "site-b"]


def test_validate(openstack: Openstack, site_a: FakeSite, web: Body) -> None:
    """Each service is a row, and a failing one makes the exit code 1."""
    result = openstack("dr site validate site-b")
    assert result.code == 0
    assert [row[0] for row in result.rows] == ["Check", "keystone", "nova", "cinder", "neutron", "capabilities"]
    site_a.sites[1]["status"] = "unreachable"
    assert openstack("protector site validate site-b").code == 1


def test_volume_types(openstack: Openstack, web: Body) -> None:
    """The volume types say whether they are replicated."""
    rows = openstack("dr site list-volume-types site-a").rows
    assert rows[0] == ["ID", "Name", "Replication Enabled", "Replication Type"]
    assert rows[1] == ["t1", "replicated-ssd", "True", "async"]


def test_delete_removes_from_both(openstack: Openstack, site_a: FakeSite, site_b: FakeSite) -> None:
    """Deleting by name removes it from both Protectors; an unknown one is an error."""
    register(site_a, site_b)
    assert openstack("dr site delete site-b").code == 0
    assert [[item["name"] for item in site.sites] for site in (site_a, site_b)] == [["site-a"], ["site-a"]]
    result = openstack("protector site delete site-b")
    assert result.code == 1
    assert "No site with a name or id of 'site-b' exists" in result.err


def test_delete_with_a_dead_secondary(openstack: Openstack, site_a: FakeSite, site_b: FakeSite) -> None:
    """Both Protectors are asked before either is changed."""
    register(site_a, site_b)
    site_b.stop()
    assert openstack("dr site delete site-b").code == 3
    assert len(site_a.sites) == 2
