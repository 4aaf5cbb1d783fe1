"""Nova as a recovery uses it: boot from volumes, stop, lock, attach, delete."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from openstack import exceptions

from contract.cloud.steps import disks, drop_server, drop_volume, gone, server, state, until, volume


@pytest.fixture
def machine(member: Any, unique: str) -> Iterator[tuple[Any, Any, Any]]:
    """A running server of the member's with its boot and its data volume; removed afterwards, even when locked."""
    boot, data = volume(member, f"{unique}-boot", bootable=True), volume(member, f"{unique}-data")
    item = server(member, unique, boot, data, metadata={"made": "here"})
    yield item, boot, data
    if member.compute.find_server(item.id, ignore_missing=True) is not None:
        drop_server(member, item.id)
    for entry in (boot, data):
        drop_volume(member, entry.id)


def raw(cloud: Any, path: str, version: str = "2.1", method: str = "get", **more: Any) -> Any:
    """One call at a chosen microversion, whatever comes back."""
    call = getattr(cloud.compute, method)
    return call(path, headers={"OpenStack-API-Version": f"compute {version}"}, **more)


def test_boots_from_volumes(member: Any, machine: tuple[Any, Any, Any]) -> None:
    """A server boots from the first volume with the second attached, both in use by it, with an address on the network."""
    item, boot, data = machine
    attached = [
        entry["id"]
        for entry in raw(member, f"/servers/{item.id}").json()["server"]["os-extended-volumes:volumes_attached"]
    ]
    assert set(attached) == {boot.id, data.id}
    for entry in (boot, data):
        found = member.block_storage.get_volume(entry.id)
        assert found.status == "in-use"
        assert [part["server_id"] for part in found.attachments] == [item.id]
    assert [address["OS-EXT-IPS:type"] for part in item.addresses.values() for address in part] == ["fixed"]
    port = next(iter(member.network.ports(device_id=item.id)))
    assert (port.device_owner.split(":")[0], port.status) == ("compute", "ACTIVE")
    assert item.power_state == 1


def test_flavor_is_named_only_below_2_47(member: Any, machine: tuple[Any, Any, Any]) -> None:
    """Up to 2.46 a server refers to its flavor by id; later it holds the sizes and the original name."""
    path = f"/servers/{machine[0].id}"
    flavor = member.compute.find_flavor("m1.small")
    assert raw(member, path, "2.46").json()["server"]["flavor"]["id"] == flavor.id
    late = raw(member, path, "2.47").json()["server"]["flavor"]
    assert late["original_name"] == "m1.small"
    assert late["ram"] == flavor.ram
    assert "id" not in late


def test_microversions_are_negotiated(member: Any) -> None:
    """An unknown microversion is a 406; the answer to a known one says which it was."""
    assert raw(member, "/servers", "2.999").status_code == 406
    answer = raw(member, "/servers", "2.60")
    assert answer.headers["OpenStack-API-Version"] == "compute 2.60"
    assert "OpenStack-API-Version" in answer.headers["Vary"]
    assert answer.headers["X-Openstack-Request-Id"].startswith("req-")


def test_stop_and_start(member: Any, machine: tuple[Any, Any, Any]) -> None:
    """A server stops and starts; a second stop and a second start are conflicts."""
    item = machine[0]
    member.compute.stop_server(item.id)
    stopped = state(member.compute.get_server, item.id, "SHUTOFF")
    assert (stopped.vm_state, stopped.power_state, stopped.task_state) == ("stopped", 4, None)
    with pytest.raises(exceptions.ConflictException, match="vm_state stopped"):
        member.compute.stop_server(item.id)
    member.compute.start_server(item.id)
    state(member.compute.get_server, item.id, "ACTIVE")
    with pytest.raises(exceptions.ConflictException, match="vm_state active"):
        member.compute.start_server(item.id)


def test_outsiders_lock_holds_the_member_off(member: Any, service: Any, machine: tuple[Any, Any, Any]) -> None:
    """A lock by an administrator of another project: the member cannot stop, start, delete or unlock, an administrator can."""
    item = machine[0]
    service.compute.lock_server(item.id, locked_reason="recovering")
    seen = raw(member, f"/servers/{item.id}", "2.73").json()["server"]
    assert (seen["locked"], seen["locked_reason"]) == (True, "recovering")
    with pytest.raises(exceptions.ConflictException, match="is locked"):
        member.compute.stop_server(item.id)
    with pytest.raises(exceptions.ConflictException, match="is locked"):
        member.compute.delete_server(item.id)
    service.compute.stop_server(item.id)
    state(service.compute.get_server, item.id, "SHUTOFF")
    with pytest.raises(exceptions.ConflictException, match="is locked"):
        member.compute.start_server(item.id)
    with pytest.raises(exceptions.ForbiddenException, match="unlock_override"):
        member.compute.unlock_server(item.id)
    service.compute.unlock_server(item.id)
    member.compute.start_server(item.id)
    state(member.compute.get_server, item.id, "ACTIVE")


def test_lock_from_inside_the_project_is_its_own(admin: Any, member: Any, machine: tuple[Any, Any, Any]) -> None:
    """An administrator's lock made with a token of the server's project is lifted by any member of it."""
    item = machine[0]
    admin.compute.lock_server(item.id)
    with pytest.raises(exceptions.ConflictException, match="is locked"):
        member.compute.stop_server(item.id)
    member.compute.unlock_server(item.id)
    assert not member.compute.get_server(item.id).is_locked


def test_delete_keeps_volumes_unless_told(member: Any, unique: str) -> None:
    """Deleting a server frees its volumes, and deletes those with delete_on_termination; 2.85 changes that while it runs."""
    boot, kept, lost = (
        volume(member, f"{unique}-{part}", bootable=part == "boot") for part in ("boot", "kept", "lost")
    )
    item = server(member, unique, boot, kept, lost, ends=True)
    for entry in (boot, kept):
        body = {"volumeAttachment": {"volumeId": entry.id, "delete_on_termination": False}}
        path = f"/servers/{item.id}/os-volume_attachments/{entry.id}"
        assert raw(member, path, "2.85", "put", json=body).status_code == 202
    drop_server(member, item.id)
    for entry in (boot, kept):
        drop_volume(member, entry.id)
    gone(member.block_storage.get_volume, lost.id)
    assert list(member.network.ports(device_id=item.id)) == []


def test_a_volume_boots_one_server_at_a_time(member: Any, machine: tuple[Any, Any, Any], unique: str) -> None:
    """A boot volume in use, and one that is not bootable, are refused with 400 and nothing is made."""
    item, boot, _ = machine
    flavor, network = member.compute.find_flavor("m1.small"), member.network.find_network("net-primary-web")
    blank = volume(member, f"{unique}-blank")
    for entry, text in ((boot, "status must be available"), (blank, "is not bootable")):
        with pytest.raises(exceptions.BadRequestException, match=text):
            member.compute.create_server(
                name=f"{unique}-second",
                flavor_id=flavor.id,
                networks=[{"uuid": network.id}],
                block_device_mapping=disks(entry),
            )
    assert member.compute.find_server(f"{unique}-second") is None
    assert member.block_storage.get_volume(boot.id).attachments[0]["server_id"] == item.id
    drop_volume(member, blank.id)


def test_data_volumes_come_and_go(member: Any, machine: tuple[Any, Any, Any], unique: str) -> None:
    """A volume attaches to a running server and detaches again; the boot volume does not."""
    item, boot, _ = machine
    more = volume(member, f"{unique}-more")
    member.compute.create_volume_attachment(item.id, volume_id=more.id)
    state(member.block_storage.get_volume, more.id, "in-use")
    assert more.id in [entry.volume_id for entry in member.compute.volume_attachments(item.id)]
    with pytest.raises(exceptions.BadRequestException, match="root device"):
        member.compute.delete_volume_attachment(item.id, boot.id)
    member.compute.delete_volume_attachment(item.id, more.id)
    drop_volume(member, more.id)


def test_given_ports_survive_their_server(admin: Any, member: Any, unique: str) -> None:
    """A port given by id keeps its address and is free again after the server; one in use cannot be given twice."""
    boot = volume(member, f"{unique}-boot", bootable=True)
    network = member.network.find_network("net-primary-web")
    port = member.network.create_port(network_id=network.id, name=unique)
    item = server(member, unique, boot, networks=[{"port": port.id}])
    address = port.fixed_ips[0]["ip_address"]
    assert [entry["addr"] for part in item.addresses.values() for entry in part] == [address]
    other = volume(member, f"{unique}-other", bootable=True)
    with pytest.raises(exceptions.ConflictException, match="still in use"):
        server(member, f"{unique}-2", other, networks=[{"port": port.id}])
    drop_server(member, item.id)
    left = until("the port to be free", lambda: _free(member, port.id))
    assert left.fixed_ips[0]["ip_address"] == address
    member.network.delete_port(port.id)
    for entry in (boot, other):
        drop_volume(member, entry.id)


def _free(cloud: Any, port_id: str) -> Any:
    port = cloud.network.get_port(port_id)
    return None if port.device_id else port


def test_what_was_asked_for_is_kept(admin: Any, unique: str) -> None:
    """Metadata, tags, user data, key, config drive and description come back as they were given."""
    boot = volume(admin, f"{unique}-boot", bootable=True)
    data = base64.b64encode(b"#cloud-config\n").decode()
    item = server(
        admin,
        unique,
        boot,
        metadata={"a": "1"},
        tags=["dr", "web"],
        user_data=data,
        key_name="ops",
        config_drive=True,
        description="kept",
    )
    seen = raw(admin, f"/servers/{item.id}", "2.90").json()["server"]
    assert (seen["metadata"], sorted(seen["tags"]), seen["description"]) == ({"a": "1"}, ["dr", "web"], "kept")
    assert (seen["key_name"], seen["config_drive"]) == ("ops", "True")
    assert seen["OS-EXT-SRV-ATTR:user_data"] == data
    drop_server(admin, item.id)
    drop_volume(admin, boot.id)


def test_lists_are_filtered_and_paged(member: Any, stranger: Any, service: Any, machine: tuple[Any, Any, Any]) -> None:
    """Servers are found by name and status, page by page, in all projects by administrators only."""
    item = machine[0]
    assert [entry.id for entry in member.compute.servers(name=f"^{item.name}$")] == [item.id]
    assert item.id not in [entry.id for entry in member.compute.servers(status="SHUTOFF")]
    assert item.id in [entry.id for entry in member.compute.servers(limit=1)]
    assert item.id in [entry.id for entry in service.compute.servers(all_projects=True)]
    with pytest.raises(exceptions.ForbiddenException):
        list(member.compute.servers(all_projects=True))
    assert item.id not in [entry.id for entry in stranger.compute.servers()]


def test_strangers_do_not_know_it_exists(stranger: Any, machine: tuple[Any, Any, Any]) -> None:
    """Another project's server is a 404 to read, stop and delete."""
    for act in (stranger.compute.get_server, stranger.compute.stop_server):
        with pytest.raises(exceptions.NotFoundException):
            act(machine[0].id)
    with pytest.raises(exceptions.NotFoundException):
        stranger.compute.delete_server(machine[0].id, ignore_missing=False)


def test_metadata_and_tags_change(member: Any, machine: tuple[Any, Any, Any]) -> None:
    """Metadata is merged by POST; tags are put one by one and taken away."""
    item = machine[0]
    member.compute.set_server_metadata(item.id, epoch="7")
    assert member.compute.get_server(item.id).metadata == {"made": "here", "epoch": "7"}
    path = f"/servers/{item.id}/tags"
    assert raw(member, f"{path}/dr", "2.26", "put").status_code == 201
    assert raw(member, f"{path}/dr", "2.26", "put").status_code == 204
    assert raw(member, path, "2.26").json()["tags"] == ["dr"]
    assert raw(member, f"{path}/dr", "2.26", "delete").status_code == 204
    assert raw(member, path, "2.25").status_code == 404


def test_pause_and_reboot(member: Any, admin: Any, machine: tuple[Any, Any, Any]) -> None:
    """A server pauses, goes on, and reboots; a paused one does not stop."""
    item = machine[0]
    admin.compute.pause_server(item.id)
    state(member.compute.get_server, item.id, "PAUSED")
    with pytest.raises(exceptions.ConflictException, match="paused"):
        member.compute.stop_server(item.id)
    admin.compute.unpause_server(item.id)
    state(member.compute.get_server, item.id, "ACTIVE")
    member.compute.reboot_server(item.id, "HARD")
    until("the reboot", lambda: member.compute.get_server(item.id).task_state is None)
    assert member.compute.get_server(item.id).status == "ACTIVE"


def test_server_groups_keep_members(member: Any, unique: str) -> None:
    """A server created with a hint is a member of that group."""
    group = member.compute.create_server_group(name=unique, policy="soft-anti-affinity")
    boot = volume(member, f"{unique}-boot", bootable=True)
    item = server(member, unique, boot, scheduler_hints={"group": group.id})
    assert member.compute.get_server_group(group.id).member_ids == [item.id]
    drop_server(member, item.id)
    member.compute.delete_server_group(group.id)
    drop_volume(member, boot.id)


def test_keypairs_are_their_users(member: Any, admin: Any, service: Any) -> None:
    """A key belongs to a user: colleagues do not see it, an administrator may ask for it by user."""
    assert admin.compute.find_keypair("ops") is not None
    assert member.compute.find_keypair("ops") is None
    answer = raw(service, f"/os-keypairs/ops?user_id={admin.current_user_id}", "2.10")
    assert answer.json()["keypair"]["user_id"] == admin.current_user_id
    assert raw(member, f"/os-keypairs/ops?user_id={admin.current_user_id}", "2.10").status_code == 403


def test_quota_is_kept(service: Any, stranger: Any, unique: str) -> None:
    """A project without room is refused with 403 that names the quota."""
    project = stranger.current_project_id
    service.compute.put(f"/os-quota-sets/{project}", json={"quota_set": {"instances": 0}}).raise_for_status()
    network = stranger.network.create_network(name=unique)
    stranger.network.create_subnet(network_id=network.id, ip_version=4, cidr="192.168.77.0/24")
    boot = volume(stranger, unique, bootable=True)
    with pytest.raises(exceptions.ForbiddenException, match="Quota exceeded for instances"):
        server(stranger, unique, boot, networks=[{"uuid": network.id}])
    service.compute.delete(f"/os-quota-sets/{project}")
    drop_volume(stranger, boot.id)
    stranger.network.delete_network(network.id)


def test_unknown_things_are_404(member: Any) -> None:
    """A server that never was is an itemNotFound that names it."""
    missing = str(uuid.uuid4())
    answer = raw(member, f"/servers/{missing}")
    assert answer.status_code == 404
    assert missing in answer.json()["itemNotFound"]["message"]
