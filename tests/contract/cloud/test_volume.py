"""Cinder as a recovery uses it: volumes, metadata, groups, snapshots, manage and unmanage."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from openstack import exceptions

from contract.cloud.steps import TYPE, drop_volume, gone, state, until, volume


def raw(cloud: Any, method: str, path: str, version: str = "3.38", **more: Any) -> Any:
    """One call at a chosen microversion, whatever comes back."""
    return getattr(cloud.block_storage, method)(path, headers={"OpenStack-API-Version": f"volume {version}"}, **more)


@pytest.fixture
def blank(member: Any, unique: str) -> Iterator[Any]:
    """A volume of the member's; removed afterwards if it is still there."""
    item = volume(member, unique)
    yield item
    if raw(member, "get", f"/volumes/{item.id}").status_code == 200:
        drop_volume(member, item.id)


def test_volume_says_where_it_is(blank: Any) -> None:
    """The driver writes the array and the volume's name there into the metadata."""
    assert blank.metadata["array_volume_name"] == f"volume-{blank.id}-cinder"
    assert blank.metadata["array_name"]
    assert (blank.size, blank.is_bootable, blank.volume_type) == (1, False, TYPE)


def test_bootable_flag_and_image_metadata(member: Any, blank: Any) -> None:
    """A blank volume becomes bootable, and takes image metadata."""
    member.block_storage.set_volume_bootable_status(blank, True)
    body = {"os-set_image_metadata": {"metadata": {"hw_firmware_type": "uefi"}}}
    assert raw(member, "post", f"/volumes/{blank.id}/action", json=body).status_code == 200
    seen = raw(member, "get", f"/volumes/{blank.id}").json()["volume"]
    assert seen["bootable"] == "true"
    assert seen["volume_image_metadata"]["hw_firmware_type"] == "uefi"


def test_metadata_is_merged_replaced_and_removed(member: Any, blank: Any) -> None:
    """POST adds metadata, DELETE takes one key away."""
    raw(member, "post", f"/volumes/{blank.id}/metadata", json={"metadata": {"a": "1"}}).raise_for_status()
    merged = raw(member, "post", f"/volumes/{blank.id}/metadata", json={"metadata": {"b": "2"}}).json()["metadata"]
    assert (merged["a"], merged["b"]) == ("1", "2")
    assert raw(member, "delete", f"/volumes/{blank.id}/metadata/a").status_code == 200
    assert "a" not in raw(member, "get", f"/volumes/{blank.id}/metadata").json()["metadata"]
    assert raw(member, "get", f"/volumes/{blank.id}/metadata/a").status_code == 404


def test_volumes_are_filtered(member: Any, stranger: Any, blank: Any) -> None:
    """A volume is found by name, status and metadata; other projects do not see it."""
    raw(member, "post", f"/volumes/{blank.id}/metadata", json={"metadata": {"mark": blank.name}}).raise_for_status()

    def found(**query: str) -> list[str]:
        rows = raw(member, "get", "/volumes/detail", params=query).json()["volumes"]
        return [row["id"] for row in rows]

    assert found(name=blank.name) == [blank.id]
    assert blank.id in found(status="available")
    assert found(metadata=str({"mark": blank.name})) == [blank.id]
    assert blank.id not in found(bootable="true")
    assert len(found(limit="1")) == 1
    assert raw(stranger, "get", f"/volumes/{blank.id}").status_code == 404
    assert raw(stranger, "delete", f"/volumes/{blank.id}").status_code == 404


def test_host_is_for_administrators(admin: Any, member: Any, blank: Any) -> None:
    """Only an administrator reads where a volume's backend is."""
    assert "os-vol-host-attr:host" not in raw(member, "get", f"/volumes/{blank.id}").json()["volume"]
    assert "@" in raw(admin, "get", f"/volumes/{blank.id}").json()["volume"]["os-vol-host-attr:host"]


def test_extra_specs_are_for_administrators(admin: Any, member: Any) -> None:
    """A member sees whether a type is replicated, not how."""
    kind = member.block_storage.find_type(TYPE)
    assert "volume_backend_name" not in kind.extra_specs
    assert "replication_type" not in kind.extra_specs
    specs = admin.block_storage.find_type(TYPE).extra_specs
    assert (specs["replication_enabled"], specs["replication_type"]) == ("<is> True", "<in> async")


def test_copies_of_snapshots_and_volumes(member: Any, blank: Any, unique: str) -> None:
    """A volume is made from a snapshot and from another volume; one with snapshots is not deleted."""
    snapshot = member.block_storage.create_snapshot(volume_id=blank.id, name=unique)
    state(member.block_storage.get_snapshot, snapshot.id, "available")
    with pytest.raises(exceptions.BadRequestException, match="have snapshots"):
        member.block_storage.delete_volume(blank.id)
    one = volume(member, f"{unique}-1", snapshot_id=snapshot.id)
    other = volume(member, f"{unique}-2", source_volid=blank.id)
    assert (one.snapshot_id, other.source_volume_id) == (snapshot.id, blank.id)
    for item in (one, other):
        drop_volume(member, item.id)
    member.block_storage.delete_snapshot(snapshot.id)
    gone(member.block_storage.get_snapshot, snapshot.id)


def test_volume_grows(member: Any, blank: Any) -> None:
    """A volume is extended; it never shrinks."""
    member.block_storage.extend_volume(blank, 2)
    until("the volume to grow", lambda: member.block_storage.get_volume(blank.id).size == 2)
    state(member.block_storage.get_volume, blank.id, "available")
    with pytest.raises(exceptions.BadRequestException):
        member.block_storage.extend_volume(blank, 1)


def test_microversions_are_negotiated(member: Any) -> None:
    """Groups do not exist below 3.13; an unknown microversion is a 406; the answer says which it was."""
    assert raw(member, "get", "/groups", "3.12").status_code == 404
    assert raw(member, "get", "/groups", "3.13").status_code == 200
    assert raw(member, "get", "/volumes", "3.999").status_code == 406
    assert raw(member, "get", "/volumes", "3.38").headers["OpenStack-API-Version"] == "volume 3.38"


def test_another_projects_url_is_refused(member: Any) -> None:
    """The project in the path must be the token's."""
    endpoint = member.block_storage.get_endpoint()
    if member.current_project_id not in endpoint:
        endpoint = f"{endpoint}/{member.current_project_id}"
    wrong = endpoint.replace(member.current_project_id, uuid.uuid4().hex)
    answer = member.session.get(f"{wrong}/volumes", raise_exc=False)
    assert answer.status_code == 400
    assert "Malformed request url" in answer.text


def group_with(cloud: Any, name: str, *volumes: Any) -> Any:
    """A consistent group with these volumes in it."""
    storage = cloud.block_storage
    kind, volume_type = storage.find_group_type("consistent"), storage.find_type(TYPE)
    made = storage.create_group(name=name, group_type=kind.id, volume_types=[volume_type.id])
    state(storage.get_group, made.id, "available")
    if volumes:
        change(cloud, made.id, add_volumes=",".join(item.id for item in volumes))
    return storage.get_group(made.id)


def change(cloud: Any, group: str, **body: str) -> None:
    """Update a group and wait until it is done."""
    answer = raw(cloud, "put", f"/groups/{group}", json={"group": body})
    assert answer.status_code == 202, answer.text
    state(cloud.block_storage.get_group, group, "available")


def drop_group(cloud: Any, group: str) -> None:
    """Delete a group that is empty."""
    cloud.block_storage.delete_group(group)
    gone(cloud.block_storage.get_group, group)


def test_volumes_join_and_leave_a_group(member: Any, blank: Any, unique: str) -> None:
    """A volume in a group shows it, is not deleted or given up, keeps the group from being deleted, and leaves again."""
    group = group_with(member, unique, blank)
    assert raw(member, "get", f"/volumes/{blank.id}").json()["volume"]["group_id"] == group.id
    rows = raw(member, "get", "/volumes/detail", params={"group_id": group.id}).json()["volumes"]
    assert [row["id"] for row in rows] == [blank.id]
    with pytest.raises(exceptions.BadRequestException, match="belong to a group"):
        member.block_storage.delete_volume(blank.id)
    assert raw(member, "post", f"/volumes/{blank.id}/action", json={"os-unmanage": {}}).status_code == 400
    with pytest.raises(exceptions.BadRequestException, match="still contains volumes"):
        member.block_storage.delete_group(group.id)
    change(member, group.id, remove_volumes=blank.id)
    assert raw(member, "get", f"/volumes/{blank.id}").json()["volume"]["group_id"] is None
    drop_group(member, group.id)


def test_a_group_takes_only_its_types(member: Any, unique: str) -> None:
    """A volume of another type, one in another group, and one that does not exist are refused, with the reason."""
    other = volume(member, f"{unique}-std", volume_type="standard")
    mine = volume(member, f"{unique}-rep")
    group, second = group_with(member, unique), group_with(member, f"{unique}-2", mine)
    for identifier, text in (
        (other.id, "is not supported by the group"),
        (mine.id, "already in group"),
        (str(uuid.uuid4()), "cannot be found"),
    ):
        answer = raw(member, "put", f"/groups/{group.id}", json={"group": {"add_volumes": identifier}})
        assert (answer.status_code, text in answer.text) == (400, True)
    change(member, second.id, remove_volumes=mine.id)
    for entry in (group, second):
        drop_group(member, entry.id)
    for item in (other, mine):
        drop_volume(member, item.id)


def test_group_snapshot_covers_every_member(member: Any, blank: Any, unique: str) -> None:
    """A group snapshot has one snapshot of every member; an empty group has none."""
    group = group_with(member, unique, blank)
    answer = raw(member, "post", "/group_snapshots", json={"group_snapshot": {"group_id": group.id, "name": unique}})
    assert answer.status_code == 202
    taken = answer.json()["group_snapshot"]["id"]

    def look() -> Any:
        found = raw(member, "get", f"/group_snapshots/{taken}")
        return found.status_code == 200 and found.json()["group_snapshot"]["status"] == "available"

    until("the group snapshot", look)
    parts = raw(member, "get", "/snapshots/detail", params={"volume_id": blank.id}).json()["snapshots"]
    assert [part["group_snapshot_id"] for part in parts] == [taken]
    assert raw(member, "delete", f"/group_snapshots/{taken}").status_code == 202
    until("it to be gone", lambda: raw(member, "get", f"/group_snapshots/{taken}").status_code == 404)
    change(member, group.id, remove_volumes=blank.id)
    empty = raw(member, "post", "/group_snapshots", json={"group_snapshot": {"group_id": group.id, "name": unique}})
    assert empty.status_code == 400
    drop_group(member, group.id)


def manage(cloud: Any, host: str, reference: dict[str, str], **more: Any) -> Any:
    """Ask Cinder to take an array volume over."""
    body = {"host": host, "ref": reference, "volume_type": TYPE, **more}
    return raw(cloud, "post", "/os-volume-manage", json={"volume": body})


def give_up(cloud: Any, identifier: str) -> str:
    """Unmanage a volume; returns what the array calls it then."""
    answer = raw(cloud, "post", f"/volumes/{identifier}/action", json={"os-unmanage": {}})
    assert answer.status_code == 202
    gone(cloud.block_storage.get_volume, identifier)
    return f"volume-{identifier}-cinder-unmanaged"


def test_unmanage_and_manage(admin: Any, blank: Any, unique: str) -> None:
    """A volume given up is taken over under a new id, bootable, and the driver's metadata replaces what was asked for."""
    host = raw(admin, "get", f"/volumes/{blank.id}").json()["volume"]["os-vol-host-attr:host"]
    name = give_up(admin, blank.id)
    reference = {"source-name": name, "name": name}
    answer = manage(admin, host, reference, name=unique, bootable=True, metadata={"dr": "1"})
    assert answer.status_code == 202
    made = answer.json()["volume"]
    assert (made["status"], made["size"]) == ("creating", 0)
    seen = state(admin.block_storage.get_volume, made["id"], "available")
    assert (seen.is_bootable, seen.size, seen.name) == (True, 1, unique)
    assert set(seen.metadata) == {"array_volume_name", "array_name"}
    assert seen.metadata["array_volume_name"] == f"volume-{made['id']}-cinder"
    drop_volume(admin, made["id"])


def test_what_is_not_there_cannot_be_managed(admin: Any, blank: Any, unique: str) -> None:
    """An array volume nobody has ends in error; the row is deleted like any other."""
    host = raw(admin, "get", f"/volumes/{blank.id}").json()["volume"]["os-vol-host-attr:host"]
    made = manage(admin, host, {"source-name": unique, "name": unique}).json()["volume"]
    state(admin.block_storage.get_volume, made["id"], "error")
    admin.block_storage.delete_volume(made["id"])
    gone(admin.block_storage.get_volume, made["id"])


def test_managed_twice_is_refused(admin: Any, blank: Any) -> None:
    """A volume Cinder has already is a 400, and so is a host that does not exist."""
    host = raw(admin, "get", f"/volumes/{blank.id}").json()["volume"]["os-vol-host-attr:host"]
    name = f"volume-{blank.id}"
    twice = manage(admin, host, {"source-name": name, "name": name})
    assert (twice.status_code, "already managed" in twice.text) == (400, True)
    nowhere = manage(admin, "nowhere@pure#pure", {"source-name": "x", "name": "x"})
    assert (nowhere.status_code, "not found" in nowhere.text) == (400, True)


def test_the_arrays_own_name_of_a_managed_volume_is_not_recognised(admin: Any, blank: Any) -> None:
    """Cinder does not know the ending that the driver gives its names: asked by that name it takes a volume over once more,
    and the first one has nothing on the array any more. Whoever manages must look for himself."""
    host = raw(admin, "get", f"/volumes/{blank.id}").json()["volume"]["os-vol-host-attr:host"]
    name = f"volume-{blank.id}-cinder"
    again = manage(admin, host, {"source-name": name, "name": name})
    assert again.status_code == 202
    made = again.json()["volume"]["id"]
    seen = state(admin.block_storage.get_volume, made, "available")
    assert seen.metadata["array_volume_name"] == f"volume-{made}-cinder"
    drop_volume(admin, made)


def test_members_manage_under_the_relaxed_policy(admin: Any, member: Any, blank: Any) -> None:
    """With the policy the installation guide asks for, a member manages and unmanages; services stay for administrators."""
    host = raw(admin, "get", f"/volumes/{blank.id}").json()["volume"]["os-vol-host-attr:host"]
    name = give_up(member, blank.id)
    made = manage(member, host, {"source-name": name, "name": name}).json()["volume"]
    state(member.block_storage.get_volume, made["id"], "available")
    drop_volume(member, made["id"])
    assert raw(member, "get", "/os-services").status_code == 403
    rows = raw(admin, "get", "/os-services", params={"binary": "cinder-volume"}).json()["services"]
    assert {(row["host"], row["state"], row["status"]) for row in rows} == {(host.split("#")[0], "up", "enabled")}


def test_pools_tell_capacity_and_replication(admin: Any, member: Any) -> None:
    """An administrator sees the pool with its capacity and that it replicates; a member does not."""
    answer = raw(admin, "get", "/scheduler-stats/get_pools", params={"detail": "true"}).json()["pools"]
    capabilities = answer[0]["capabilities"]
    assert float(capabilities["free_capacity_gb"]) > 0
    assert capabilities["replication_enabled"] in (True, "True")
    assert raw(member, "get", "/scheduler-stats/get_pools").status_code == 403


def test_quota_is_kept(service: Any, stranger: Any, unique: str) -> None:
    """A project without room is refused with 413 that names the quota."""
    project = stranger.current_project_id
    path = f"/os-quota-sets/{project}"
    raw(service, "put", path, json={"quota_set": {"volumes": 0}}).raise_for_status()
    answer = raw(stranger, "post", "/volumes", json={"volume": {"name": unique, "size": 1}})
    assert (answer.status_code, "VolumeLimitExceeded" in answer.text) == (413, True)
    raw(service, "delete", path)
