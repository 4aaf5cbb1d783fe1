"""POST /servers: everything is checked before anything is taken."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sandbox.cloud.compute import views
from sandbox.cloud.compute.model import BlockDevice, Flavor, Nic, Server
from sandbox.cloud.compute.store import ZONE
from sandbox.cloud.errors import ApiError, BadRequest, Conflict
from sandbox.cloud.ids import new_hex, new_id
from sandbox.cloud.wire import Call, Reply

# Keys of a server request and the minor microversion that brought each.
_KEYS: Mapping[str, int] = {
    "name": 1,
    "imageRef": 1,
    "flavorRef": 1,
    "adminPass": 1,
    "metadata": 1,
    "networks": 1,
    "personality": 1,
    "OS-DCF:diskConfig": 1,
    "accessIPv4": 1,
    "accessIPv6": 1,
    "block_device_mapping": 1,
    "block_device_mapping_v2": 1,
    "config_drive": 1,
    "min_count": 1,
    "max_count": 1,
    "return_reservation_id": 1,
    "key_name": 1,
    "security_groups": 1,
    "user_data": 1,
    "availability_zone": 1,
    "os:scheduler_hints": 1,
    "description": 19,
    "tags": 52,
    "trusted_image_certificates": 63,
    "host": 74,
    "hypervisor_hostname": 74,
    "hostname": 90,
}
_DISK_KEYS = frozenset(
    [
        "boot_index",
        "uuid",
        "source_type",
        "destination_type",
        "delete_on_termination",
        "volume_size",
        "device_name",
        "disk_bus",
        "device_type",
        "guest_format",
        "tag",
        "volume_type",
        "no_device",
        "image_id",
        "snapshot_id",
        "volume_id",
    ]
)


def create(call: Call) -> Reply:
    """202; nothing is reserved unless the whole request can be met."""
    given = call.part("server")
    _check_keys(call, given)
    flavor = call.cloud.compute.flavor(str(given.get("flavorRef")))
    count = max(int(given.get("min_count") or 1), int(given.get("max_count") or given.get("min_count") or 1))
    call.cloud.compute.check_quota(call.project_id, flavor, count)
    hints = {**(call.body.get("os:scheduler_hints") or {}), **(call.body.get("OS-SCH-HNT:scheduler_hints") or {})}
    _check_references(call, given, hints)
    servers = [_make(call, given, flavor, hints, "" if count == 1 else f"-{index + 1}") for index in range(count)]
    first = servers[0]
    body = {
        "id": first.id,
        "links": views.server_links(first, call.cloud),
        "OS-DCF:diskConfig": "MANUAL",
        "security_groups": [{"name": name} for name in first.security_groups],
        "adminPass": str(given.get("adminPass") or new_hex()[:12]),
    }
    location = {"Location": f"{call.cloud.url_of('compute')}/servers/{first.id}"}
    return Reply(202, {"server": body}, location)


def _check_keys(call: Call, given: Mapping[str, Any]) -> None:
    if not isinstance(given.get("name"), str) or not given["name"].strip() or len(given["name"]) > 255:
        raise BadRequest("Invalid input for field/attribute name. It must be a string of 1 to 255 characters")
    for key in given:
        if call.minor < _KEYS.get(key, 10_000):
            raise BadRequest(
                "Invalid input for field/attribute server. "
                f"Additional properties are not allowed ('{key}' was unexpected)"
            )
    if call.minor >= 37 and "networks" not in given:
        raise BadRequest("Invalid input for field/attribute server. 'networks' is a required property")
    if call.minor >= 57 and "personality" in given:
        raise BadRequest("Additional properties are not allowed ('personality' was unexpected)")


def _check_references(call: Call, given: Mapping[str, Any], hints: Mapping[str, Any]) -> None:
    """Key, zone, image, user data and server group must make sense."""
    key = given.get("key_name")
    if key is not None and (call.who.user_id, key) not in call.cloud.compute.keypairs:
        raise BadRequest("Invalid key_name provided.")
    zone = given.get("availability_zone")
    if zone is not None and str(zone).split(":")[0] != ZONE:
        raise BadRequest("The requested availability zone is not available")
    image = given.get("imageRef")
    if image and image not in call.cloud.image.images:
        raise BadRequest(f"Image {image} could not be found.")
    _check_user_data(given.get("user_data"))
    group = hints.get("group")
    if group is not None and group not in call.cloud.compute.groups:
        raise BadRequest(f"Instance group {group} could not be found.")


def _check_user_data(text: Any) -> None:
    if text is None:
        return
    try:
        base64.b64decode(str(text), validate=False)
    except binascii.Error as error:
        raise BadRequest("Invalid input for field/attribute user_data. It must be base64") from error
    if len(str(text)) > 65535:
        raise BadRequest("Invalid input for field/attribute user_data. It is too long")


def _make(call: Call, given: Mapping[str, Any], flavor: Flavor, hints: Mapping[str, Any], suffix: str) -> Server:
    """One server: its record, its reserved volumes, its ports, and a place in the queue."""
    server = Server(
        id=new_id(),
        name=given["name"] + suffix,
        project_id=call.project_id,
        user_id=call.who.user_id,
        flavor=flavor,
        created_at=call.cloud.clock.now(),
        zone=ZONE,
    )
    _describe(server, given, hints)
    server.disks = _disks(call, given)
    server.requested_networks, ports = _networks(call, given)
    server.security_groups = _security_groups(call, given)
    _take(call, server, ports)
    call.cloud.compute.servers[server.id] = server
    told = {"metadata": dict(server.metadata), "volumes": server.volume_ids, "user": server.user_id}
    call.cloud.compute.note("server", "created", server.id, server.name, **told)
    if "group" in hints:
        group = call.cloud.compute.groups[hints["group"]]
        group.members = (*group.members, server.id)
    call.cloud.life.build(server)
    return server


def _describe(server: Server, given: Mapping[str, Any], hints: Mapping[str, Any]) -> None:
    server.updated_at = server.created_at
    server.description = given.get("description")
    server.image_id = str(given.get("imageRef") or "")
    server.metadata = {str(key): str(value) for key, value in (given.get("metadata") or {}).items()}
    server.tags = tuple(sorted(given.get("tags") or ()))
    server.user_data, server.key_name = given.get("user_data"), given.get("key_name")
    server.config_drive = "True" if str(given.get("config_drive", "")).lower() in ("true", "1") else ""
    server.pinned_zone, server.hints = given.get("availability_zone"), hints


def _disks(call: Call, given: Mapping[str, Any]) -> tuple[BlockDevice, ...]:
    """Block devices in the order given; boot indexes must start at 0 without a gap."""
    wanted = given.get("block_device_mapping_v2") or []
    if not wanted:
        if not given.get("imageRef"):
            raise BadRequest("Invalid imageRef provided.")
        return ()
    indexes = sorted(int(entry["boot_index"]) for entry in wanted if _boots(entry))
    if indexes != list(range(len(indexes))) or (not indexes and not given.get("imageRef")):
        raise BadRequest(
            "Block Device Mapping is Invalid: Boot sequence for the instance and image/block device mapping combination is not valid."
        )
    letters = iter("abcdefghijklmnopqrstuvwxyz"[1 if given.get("imageRef") and not indexes else 0 :])
    return tuple(_disk(call, entry, f"/dev/vd{next(letters)}") for entry in wanted)


def _boots(entry: Mapping[str, Any]) -> bool:
    index = entry.get("boot_index")
    return index is not None and int(index) >= 0


def _disk(call: Call, entry: Mapping[str, Any], device: str) -> BlockDevice:
    unknown = set(entry) - _DISK_KEYS
    if unknown:
        raise BadRequest(f"Additional properties are not allowed ({', '.join(sorted(unknown))} unexpected)")
    if "tag" in entry and call.minor < 42:
        raise BadRequest("Additional properties are not allowed ('tag' was unexpected)")
    kind, identifier = entry.get("source_type", "volume"), entry.get("uuid") or entry.get("volume_id")
    boot_index = int(entry["boot_index"]) if entry.get("boot_index") is not None else None
    ends = bool(entry.get("delete_on_termination", False))
    size = int(entry.get("volume_size") or 0)
    blank = BlockDevice(
        new_id(), None, str(entry.get("device_name") or device), boot_index, ends, entry.get("tag"), size
    )
    if kind == "volume":
        _check_volume(call, str(identifier), boots=boot_index == 0)
        return replace(blank, volume_id=str(identifier))
    if entry.get("destination_type") != "volume":
        return blank
    if kind != "snapshot" and size < 1:
        raise BadRequest("Block Device Mapping is Invalid: new volumes need to have a non-zero size specified")
    return replace(blank, source={"kind": kind, "id": identifier, "volume_type": entry.get("volume_type")})


def _check_volume(call: Call, volume_id: str, *, boots: bool) -> None:
    volume = call.cloud.volume.volumes.get(volume_id)
    if volume is None or not call.sees(volume.project_id):
        raise BadRequest(f"Block Device Mapping is Invalid: failed to get volume {volume_id}.")
    if boots and not volume.bootable:
        raise BadRequest(f"Block Device {volume_id} is not bootable.")


def _networks(call: Call, given: Mapping[str, Any]) -> tuple[tuple[Mapping[str, Any], ...], list[str]]:
    """Networks to make ports on, and ports that were given; all of them looked up."""
    wanted = given.get("networks")
    if wanted == "none":
        return (), []
    if wanted is None or wanted == "auto" or wanted == []:
        return _only_network(call), []
    networks: list[Mapping[str, Any]] = []
    ports: list[str] = []
    for entry in wanted:
        if "port" in entry:
            call.cloud.network.check_free(str(entry["port"]), call)
            ports.append(str(entry["port"]))
        else:
            call.cloud.network.check_usable(entry, call)
            networks.append({**entry, "security_groups": _security_groups(call, given)})
    if len(set(ports)) != len(ports):
        raise Conflict(f"Duplicate ports specified: {', '.join(ports)}")
    return tuple(networks), ports


def _only_network(call: Call) -> tuple[Mapping[str, Any], ...]:
    usable = call.cloud.network.usable(call.project_id)
    if len(usable) > 1:
        raise Conflict("Multiple possible networks found, use a Network ID to be more specific.")
    return tuple({"uuid": item.id} for item in usable)


def _security_groups(call: Call, given: Mapping[str, Any]) -> tuple[str, ...]:
    names = tuple(str(entry.get("name")) for entry in given.get("security_groups") or ())
    for name in names:
        if call.cloud.network.security_group(name, call.project_id) is None:
            raise BadRequest(f"Unable to find security_group with name or id '{name}'")
    return names or ("default",)


def _take(call: Call, server: Server, ports: list[str]) -> None:
    """Reserve the volumes and the ports; whatever was taken is given back when one of them is not to be had."""
    taken = []
    try:
        for volume_id in server.volume_ids:
            volume = call.cloud.volume.volumes[volume_id]
            reserve(call, volume_id)
            taken.append(volume)
    except ApiError:
        for volume in taken:
            call.cloud.volume.unreserve(volume)
        raise
    for port_id in ports:
        call.cloud.network.bind(port_id, server.id)
        server.nics = (*server.nics, Nic(port_id, owned=False))


def reserve(call: Call, volume_id: str) -> None:
    """Nova wraps what Cinder refuses."""
    try:
        call.cloud.volume.reserve(call.cloud.volume.volumes[volume_id])
    except BadRequest as error:
        text = error.message.removeprefix("Invalid volume: ")
        raise BadRequest(f"Invalid volume: Invalid input received: Invalid volume: {text}") from error
