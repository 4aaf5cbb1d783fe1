"""Cinder's side of the array: names, refusals, and what is left after something failed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
import pytest

from sandbox.cloud.errors import BadRequest, Forbidden
from sandbox.cloud.volume import actions, admin, groups, manage, volumes

if TYPE_CHECKING:
    from unit.sandbox.cloud.conftest import Site

HOST = "cinder-site-a@pure#pure"


def ask_to_manage(site: Site, name: str, **more: Any) -> str:
    """Manage an array volume by name; returns the Cinder id."""
    body = {"volume": {"host": HOST, "ref": {"source-name": name, "name": name}, "volume_type": "replicated-ssd"}}
    reply: Any = site.ask(manage.manage, body, minor=38, path="/v3/os-volume-manage", **more)
    return str(orjson.loads(orjson.dumps(reply.body))["volume"]["id"])


def on_array(site: Site, method: str, path: str, body: Any = None, **query: str) -> Any:
    """One call of the array."""
    return site.fabric.arrays["array-a"].call(method, path, query, body)


def test_manage_renames_and_joins_the_replicated_group(site: Site) -> None:
    """A managed volume of a replicated type is called as Cinder calls it and is in cinder-group."""
    on_array(site, "POST", "/protection-groups", names="cinder-group")
    on_array(
        site, "POST", "/volumes", {"provisioned": 3 * 2**30 - 1024}, names="dr-copy", with_default_protection="false"
    )
    made = ask_to_manage(site, "dr-copy")
    record = site.cloud.volume.volumes[made]
    assert (record.status, record.visible_status) == ("managing", "creating")
    site.clock.advance(2)
    assert (record.status, record.size, record.provider_id) == ("available", 3, f"volume-{made}-cinder")
    members = on_array(site, "GET", "/protection-groups/volumes", group_names="cinder-group")[1]["items"]
    assert [item["member"]["name"] for item in members] == [f"volume-{made}-cinder"]


@pytest.mark.parametrize("reason", ["missing", "connected", "array lost"])
def test_refused_manage_is_an_error_without_a_name(site: Site, reason: str) -> None:
    """What the driver refuses ends in error_managing, shown as error, and its delete touches nothing on the array."""
    if reason != "missing":
        on_array(site, "POST", "/volumes", {"provisioned": 2**30}, names="dr-copy")
    if reason == "connected":
        on_array(site, "POST", "/hosts", {"iqns": ["iqn.2004-10.org.example:x"]}, names="other-host")
        on_array(site, "POST", "/connections", {}, host_names="other-host", volume_names="dr-copy")
    if reason == "array lost":
        site.faults.lose("array-a")
    made = ask_to_manage(site, "dr-copy")
    site.clock.advance(2)
    record = site.cloud.volume.volumes[made]
    assert (record.status, record.visible_status, record.provider_id) == ("error_managing", "error", None)
    assert site.cloud.volume.last_errors[made]
    site.faults.restore("array-a")
    site.ask(volumes.delete, id=made)
    site.clock.advance(2)
    assert made not in site.cloud.volume.volumes
    if reason != "missing":
        assert on_array(site, "GET", "/volumes", names="dr-copy")[1]["items"][0]["destroyed"] is False


def test_unmanage_leaves_the_array_volume(site: Site) -> None:
    """Giving a volume up renames it on the array and forgets it in Cinder."""
    volume = site.volume("mine")
    site.ask(actions.act, {"os-unmanage": {}}, id=volume)
    site.clock.advance(2)
    assert volume not in site.cloud.volume.volumes
    assert on_array(site, "GET", "/volumes", names=f"volume-{volume}-cinder-unmanaged")[0] == 200


def test_tight_policy_refuses_members(site: Site) -> None:
    """With Cinder's own defaults a member may neither manage nor unmanage, and the refusal names the rule."""
    rules = ("volume_extension:volume_manage", "volume_extension:volume_unmanage")
    site.cloud.policy.change(dict.fromkeys(rules, "rule:admin_api"))
    volume = site.volume("mine")
    with pytest.raises(Forbidden, match=f"^Policy doesn't allow {rules[0]} to be performed.$"):
        ask_to_manage(site, "anything", user="operator")
    with pytest.raises(Forbidden, match=f"^Policy doesn't allow {rules[1]} to be performed.$"):
        site.ask(actions.act, {"os-unmanage": {}}, user="operator", id=volume)


def test_dead_volume_service_refuses_to_manage(site: Site) -> None:
    """A dead or disabled service is a 400, and os-services shows it."""
    site.cloud.services_down.add("cinder-volume")
    with pytest.raises(BadRequest, match="Service is unavailable at this time"):
        ask_to_manage(site, "dr-copy")
    body: Any = site.ask(admin.services, query={"binary": "cinder-volume"}).body
    assert [row["state"] for row in body["services"]] == ["down"]


def test_volume_without_its_array_is_an_error(site: Site) -> None:
    """A create while the array is lost ends in error with the reason remembered."""
    site.faults.lose("array-a")
    site.ask(volumes.create, {"volume": {"name": "v", "size": 1}})
    site.clock.advance(2)
    (record,) = site.cloud.volume.volumes.values()
    assert record.status == "error"
    assert "does not answer" in site.cloud.volume.last_errors[record.id]


def test_stuck_delete_stays_until_freed(site: Site) -> None:
    """A volume whose delete is stuck stays `deleting`."""
    site.cloud.volume.stuck_deletes.add("mine")
    volume = site.volume("mine")
    site.ask(volumes.delete, id=volume)
    site.clock.advance(3600)
    assert site.cloud.volume.volumes[volume].status == "deleting"


def test_group_without_its_array_is_an_error_and_changes_no_member(site: Site) -> None:
    """Adding a volume while the array is lost puts the group in error; the volume is in no group."""
    kinds = [kind.id for kind in site.cloud.volume.types.values()]
    (group_type,) = site.cloud.volume.group_types
    body = {"group": {"name": "g", "group_type": group_type, "volume_types": kinds}}
    reply: Any = site.ask(groups.create, body, minor=38)
    group = reply.body["group"]["id"]
    site.clock.advance(2)
    volume = site.volume("mine")
    site.faults.lose("array-a")
    site.ask(groups.update, {"group": {"add_volumes": volume}}, minor=38, id=group)
    site.clock.advance(2)
    assert site.cloud.volume.groups[group].status == "error"
    assert site.cloud.volume.volumes[volume].group_id is None
