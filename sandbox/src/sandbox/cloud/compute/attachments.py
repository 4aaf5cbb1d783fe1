"""Volumes and ports of a server over HTTP: os-volume_attachments and os-interface."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sandbox.cloud.compute import views
from sandbox.cloud.compute.create import reserve
from sandbox.cloud.compute.model import BlockDevice, Nic, Server
from sandbox.cloud.compute.servers import check_lock, server_of
from sandbox.cloud.errors import BadRequest, Conflict, NotFound
from sandbox.cloud.wire import Call, Reply, Route

_ATTACHABLE = ("active", "paused", "stopped", "rescued")


def _disk(call: Call, item: Server) -> BlockDevice:
    volume_id = call.params["volume"]
    disk = item.disk_of(volume_id)
    if disk is None:
        if volume_id not in call.cloud.volume.volumes:
            raise NotFound(f"Volume {volume_id} could not be found.")
        raise NotFound(f"Instance {item.id} is not attached to volume {volume_id}")
    return disk


def index(call: Call) -> Reply:
    """All volumes, the boot volume first."""
    item = server_of(call)
    rows = [views.attachment(item, disk, call) for disk in item.disks if disk.volume_id]
    return Reply(200, {"volumeAttachments": rows})


def show(call: Call) -> Reply:
    """One of them."""
    item = server_of(call)
    return Reply(200, {"volumeAttachment": views.attachment(item, _disk(call, item), call)})


def create(call: Call) -> Reply:
    """200 at once; the volume is `reserved`, then `in-use`."""
    item, given = server_of(call), call.part("volumeAttachment")
    for key, minor in (("tag", 49), ("delete_on_termination", 79)):
        if key in given and call.minor < minor:
            raise BadRequest(f"Additional properties are not allowed ('{key}' was unexpected)")
    check_lock(call, item)
    _check_state(item, "attach_volume")
    volume = call.cloud.volume.volumes.get(str(given.get("volumeId")))
    if volume is None or not call.sees(volume.project_id):
        raise NotFound(f"Volume {given.get('volumeId')} could not be found.")
    reserve(call, volume.id)
    ends = bool(given.get("delete_on_termination", False))
    disk = call.cloud.life.attach(item, volume.id, device=given.get("device"), tag=given.get("tag"), ends=ends)
    body = {**views.attachment(item, disk, call), "id": volume.id}
    return Reply(200, {"volumeAttachment": body})


def update(call: Call) -> Reply:
    """`delete_on_termination` from 2.85; swapping a volume is not for tenants and not simulated."""
    item = server_of(call)
    disk, given = _disk(call, item), call.part("volumeAttachment")
    if call.minor < 85 or given.get("volumeId") != disk.volume_id:
        call.admin_only("os_compute_api:os-volumes-attachments:swap")
        raise BadRequest("Swapping volumes is not possible on this hypervisor.")
    check_lock(call, item)
    if "delete_on_termination" in given:
        ends = given["delete_on_termination"]
        if not isinstance(ends, bool):
            raise BadRequest("Invalid input for field/attribute delete_on_termination. It must be a boolean")
        changed = replace(disk, delete_on_termination=ends)
        item.disks = tuple(changed if entry.id == disk.id else entry for entry in item.disks)
    return Reply(202)


def delete(call: Call) -> Reply:
    """202; never the boot volume."""
    item = server_of(call)
    disk = _disk(call, item)
    if disk.boot_index == 0:
        raise BadRequest("Cannot detach a root device volume")
    check_lock(call, item)
    _check_state(item, "detach_volume")
    volume = call.cloud.volume.volumes[str(disk.volume_id)]
    if volume.status == "detaching":
        raise BadRequest(
            "Invalid volume: Invalid input received: Invalid volume: Unable to detach volume. "
            "Volume status must be 'in-use' and attach_status must be 'attached' to detach."
        )
    call.cloud.life.detach(item, disk)
    return Reply(202)


def _check_state(item: Server, action: str) -> None:
    if item.vm_state not in _ATTACHABLE:
        raise Conflict(f"Cannot '{action}' instance {item.id} while it is in vm_state {item.vm_state}")
    if item.task_state == "deleting":
        raise Conflict(f"Cannot '{action}' instance {item.id} while it is in task_state deleting")


def list_interfaces(call: Call) -> Reply:
    """The ports of a server."""
    item = server_of(call)
    return Reply(200, {"interfaceAttachments": [_interface(call, nic) for nic in item.nics]})


def show_interface(call: Call) -> Reply:
    """One of them."""
    item = server_of(call)
    return Reply(200, {"interfaceAttachment": _interface(call, _nic(item, call.params["port"]))})


def create_interface(call: Call) -> Reply:
    """A port that was given, or a new one on a network."""
    item, given = server_of(call), call.part("interfaceAttachment")
    check_lock(call, item)
    _check_state(item, "attach_interface")
    network = call.cloud.network
    if given.get("port_id"):
        network.check_free(str(given["port_id"]), call)
        network.bind(str(given["port_id"]), item.id)
        nic = Nic(str(given["port_id"]), owned=False)
    else:
        wanted = {"uuid": given.get("net_id")}
        network.check_usable(wanted, call)
        nic = Nic(network.port_for_server(item, wanted).id, owned=True)
    network.activate(nic.port_id, item.host)
    item.nics = (*item.nics, nic)
    return Reply(200, {"interfaceAttachment": _interface(call, nic)})


def delete_interface(call: Call) -> Reply:
    """202; the port is freed, or deleted if Nova made it."""
    item = server_of(call)
    nic = _nic(item, call.params["port"])
    check_lock(call, item)
    item.nics = tuple(entry for entry in item.nics if entry.port_id != nic.port_id)
    call.cloud.network.release(nic.port_id, owned=nic.owned)
    return Reply(202)


def _nic(item: Server, port_id: str) -> Nic:
    found = next((nic for nic in item.nics if nic.port_id == port_id), None)
    if found is None:
        raise NotFound(f"Interface {port_id} could not be found on instance {item.id}.")
    return found


def _interface(call: Call, nic: Nic) -> dict[str, Any]:
    port = call.cloud.network.ports[nic.port_id]
    return {
        "port_id": port.id,
        "net_id": port.network_id,
        "mac_addr": port.mac_address,
        "port_state": port.status,
        "fixed_ips": [{"subnet_id": entry.subnet_id, "ip_address": entry.address} for entry in port.fixed_ips],
    }


_VOLUMES = "/servers/{id}/os-volume_attachments"
_PORTS = "/servers/{id}/os-interface"
ROUTES = (
    Route("GET", _VOLUMES, index),
    Route("POST", _VOLUMES, create),
    Route("GET", _VOLUMES + "/{volume}", show),
    Route("PUT", _VOLUMES + "/{volume}", update),
    Route("DELETE", _VOLUMES + "/{volume}", delete),
    Route("GET", _PORTS, list_interfaces),
    Route("POST", _PORTS, create_interface),
    Route("GET", _PORTS + "/{port}", show_interface),
    Route("DELETE", _PORTS + "/{port}", delete_interface),
)
