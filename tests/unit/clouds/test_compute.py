"""Bodies and descriptions of servers where a sandbox cannot easily go: odd disks, old clouds, unreachable cells."""

from typing import Any

import pytest

from siterecovery.protector.clouds.base import KEY, Disk, ServerSpec
from siterecovery.protector.clouds.compute import creation_body, key_tag, server_of
from siterecovery.protector.domain.errors import CloudConflict, CloudRefused, TokenRejected
from siterecovery.protector.domain.member import Rebuild
from unit.clouds import fake_cloud
from unit.clouds.fake_cloud import HOST, PROJECT, FakeCloud, clouds_on

REBUILD = Rebuild(
    "f1",
    "m1.small",
    key_name="ops",
    user_data="IyEvYmluL3No",
    metadata={"tier": "web"},
    tags=("one",),
    availability_zone="az1",
    config_drive=True,
    description="shop",
)
DISKS = (Disk("v1", 0, disk_bus="scsi", device="/dev/sda"), Disk("v2", None, delete_on_termination=True))


def test_a_whole_server_is_asked_for() -> None:
    """Disks in order, ports in order, and everything else that was kept for the rebuild."""
    spec = ServerSpec("web", "f2", DISKS, ("p1", "p2"), REBUILD, {"protector:group": "g"}, "op/step", (), "sg-1")
    body = creation_body(spec)
    server = body["server"]
    assert body["os:scheduler_hints"] == {"group": "sg-1"}
    assert server["networks"] == [{"port": "p1"}, {"port": "p2"}]
    first, second = server["block_device_mapping_v2"]
    assert (first["uuid"], first["boot_index"], first["disk_bus"], first["device_name"]) == (
        "v1",
        0,
        "scsi",
        "/dev/sda",
    )
    assert (second["uuid"], second["boot_index"], second["delete_on_termination"]) == ("v2", -1, True)
    assert "disk_bus" not in second
    assert server["metadata"] == {"tier": "web", "protector:group": "g", KEY: "op/step"}
    assert server["tags"] == ["one", key_tag("op/step")]
    assert (server["key_name"], server["user_data"], server["description"]) == ("ops", "IyEvYmluL3No", "shop")
    assert (server["availability_zone"], server["config_drive"], server["flavorRef"]) == ("az1", True, "f2")


@pytest.mark.parametrize(
    ("seen", "placed"),
    [
        ({"OS-EXT-SRV-ATTR:host": None, "OS-SRV-USG:launched_at": None}, False),
        ({"OS-EXT-SRV-ATTR:host": "compute-1", "OS-SRV-USG:launched_at": None}, True),
        ({"OS-EXT-SRV-ATTR:host": None, "OS-SRV-USG:launched_at": "2026-01-02T03:04:05.000000"}, True),
        ({}, True),
    ],
)
def test_only_a_server_that_no_host_ever_had_has_written_nothing(seen: dict[str, Any], placed: bool) -> None:
    """What Nova does not say may have run."""
    assert server_of({"id": "s1", "status": "ERROR", **seen}).placed is placed


def test_a_server_without_ports_gets_no_network() -> None:
    """Nova would otherwise pick one by itself."""
    assert creation_body(ServerSpec("x", "f", (), (), Rebuild("f", "m"), {}, "k"))["server"]["networks"] == "none"


def test_the_key_always_has_room_among_the_tags() -> None:
    """Of fifty tags the last gives way; an old key's tag is not carried over; each fits Nova's sixty characters."""
    tags = (*(f"t{number}" for number in range(50)), key_tag("older"))
    made = creation_body(ServerSpec("x", "f", (), (), Rebuild("f", "m", tags=tags), {}, "k" * 300))["server"]
    assert len(made["tags"]) == 50
    assert made["tags"][-1] == key_tag("k" * 255)
    assert len(made["metadata"][KEY]) == 255
    assert max(map(len, made["tags"])) <= 60


def test_a_server_in_an_unreachable_cell_is_still_there() -> None:
    """Nova knows little more than its id: it is unknown, not gone."""
    found = server_of({"id": "i1", "status": "UNKNOWN", "tenant_id": PROJECT})
    assert (found.id, found.status, found.name) == ("i1", "UNKNOWN", "")


def test_an_old_cloud_is_locked_without_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    """Below 2.73 the lock is set all the same."""
    old = {"id": "v2.1", "status": "CURRENT", "version": "2.60", "min_version": "2.1"}
    document = {"versions": [{**old, "links": [{"rel": "self", "href": f"{HOST}/nova"}]}]}
    monkeypatch.setitem(fake_cloud.VERSIONS, "/nova", document)
    fake = FakeCloud({"POST /nova/servers/i1/action": (202, None)})
    clouds_on(fake).service("s1", PROJECT).compute.lock("i1", "why")
    assert fake.seen[-1].body == {"lock": None}
    assert fake.seen[-1].headers["OpenStack-API-Version"] == "compute 2.60"


@pytest.mark.parametrize(
    ("status", "task", "error"), [("SHUTOFF", None, False), ("ACTIVE", None, True), ("SHUTOFF", "powering-on", True)]
)
def test_a_refused_stop_is_fine_only_when_it_is_off(status: str, task: str | None, error: bool) -> None:
    """409 for a server that rests stopped is success; for any other it is the conflict that Nova told."""
    server = {"id": "i1", "status": status, "tenant_id": PROJECT, "OS-EXT-STS:task_state": task}
    fake = FakeCloud(
        {
            "POST /nova/servers/i1/action": (409, {"conflictingRequest": {"message": "Cannot 'stop'"}}),
            "GET /nova/servers/i1": {"server": server},
        }
    )
    compute = clouds_on(fake).service("s1", PROJECT).compute
    if error:
        with pytest.raises(CloudConflict, match="Cannot 'stop'"):
            compute.stop("i1")
    else:
        compute.stop("i1")


def test_a_volume_that_cannot_be_kept_is_told() -> None:
    """Nova accepted the change and still says that the volume goes with the server: the deletion must not follow."""
    path = "/nova/servers/i1/os-volume_attachments/v1"
    attached = {"volumeAttachment": {"volumeId": "v1", "delete_on_termination": True}}
    fake = FakeCloud({f"GET {path}": attached, f"PUT {path}": (202, None)})
    with pytest.raises(CloudRefused, match="would still be deleted"):
        clouds_on(fake).service("s1", PROJECT).compute.keep_volume("i1", "v1")


def test_two_flavors_of_one_name_are_none() -> None:
    """A name that is not unique decides nothing."""
    flavors = [{"id": "f1", "name": "twin"}, {"id": "f2", "name": "twin"}]
    fake = FakeCloud({"GET /nova/flavors": {"flavors": flavors}})
    assert clouds_on(fake).tenant("s1", PROJECT).compute.flavor("twin") is None


def disks_of(devices: dict[str, str | None], **metadata: Any) -> list[tuple[str, int | None, str | None]]:
    """(volume, boot index, bus) of a described server whose root device is /dev/vda."""
    server = {
        "id": "i1",
        "status": "ACTIVE",
        "tenant_id": PROJECT,
        "flavor": {"id": "f1"},
        "OS-EXT-SRV-ATTR:root_device_name": "/dev/vda",
    }
    attachments = [{"volumeId": volume, "device": device} for volume, device in devices.items()]
    fake = FakeCloud(
        {
            "GET /nova/servers/i1": {"server": server},
            "GET /nova/flavors/f1": {"flavor": {"id": "f1", "name": "m1"}},
            "GET /nova/servers/i1/os-volume_attachments": {"volumeAttachments": attachments},
            "GET /neutron/v2.0/ports": {"ports": []},
            "GET /neutron/ports": {"ports": []},
        }
    )
    for volume in devices:
        body = {"id": volume, "status": "in-use", "size": 1, "os-vol-tenant-attr:tenant_id": PROJECT}
        fake.answers[f"GET /cinder/volumes/{volume}"] = {"volume": {**body, "volume_image_metadata": metadata}}
    _, disks = clouds_on(fake).service("s1", PROJECT).compute.describe("i1")
    return [(disk.volume_id, disk.boot_index, disk.disk_bus) for disk in disks]


def test_disks_come_in_boot_order() -> None:
    """The root device first, then by device; the bus follows from the device's name where that is certain."""
    found = disks_of({"v3": "/dev/vdb", "v1": "/dev/vda", "v2": "/dev/sda"})
    assert found == [("v1", 0, "virtio"), ("v2", None, None), ("v3", None, "virtio")]


def test_image_metadata_decides_the_bus() -> None:
    """What the image asked for wins over what the device's name suggests."""
    assert disks_of({"v1": "/dev/vda"}, hw_disk_bus="scsi") == [("v1", 0, "scsi")]


def test_an_administrators_role_is_no_tenant() -> None:
    """Without a trust a role of the service user in the project will do, but not one that the lock lets through."""
    fake = FakeCloud()
    fake.roles = ["member"]
    assert clouds_on(fake, trust=None).tenant("s1", PROJECT).project_id == PROJECT
    fake.roles = ["admin", "member"]
    with pytest.raises(TokenRejected, match="administrator"):
        clouds_on(fake, trust=None).tenant("s1", PROJECT)
