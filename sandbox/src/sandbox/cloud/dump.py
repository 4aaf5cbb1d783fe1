"""A cloud as plain JSON, straight from its records: for a checker that trusts neither API nor product."""

from __future__ import annotations

from typing import Any

from sandbox.cloud.compute.model import Server
from sandbox.cloud.network.model import Port
from sandbox.cloud.site import Cloud
from sandbox.cloud.volume.model import Group, Volume


def cloud(item: Cloud) -> dict[str, Any]:
    """Everything a recovery could have left behind, with what only the backend knows."""
    directory = item.identity.directory
    return {
        "projects": {project.name: project.id for project in directory.projects.values()},
        "users": {user.name: user.id for user in directory.users.values()},
        "servers": [_server(item, server) for server in item.compute.servers.values()],
        "deleted_servers": [_server(item, server) for server in item.compute.deleted],
        "server_groups": [
            {"id": g.id, "name": g.name, "project_id": g.project_id} for g in item.compute.groups.values()
        ],
        "volumes": [_volume(volume, item) for volume in item.volume.volumes.values()],
        "groups": [_group(group) for group in item.volume.groups.values()],
        "snapshots": [
            {"id": s.id, "volume_id": s.volume_id, "status": s.status} for s in item.volume.snapshots.values()
        ],
        "ports": [_port(item, port) for port in item.network.ports.values()],
        "security_groups": [
            {"id": g.id, "name": g.name, "project_id": g.project_id} for g in item.network.groups.values()
        ],
        "trusts": [
            {"id": t.id, "trustor": t.trustor_id, "trustee": t.trustee_id, "project_id": t.project_id}
            for t in directory.trusts.values()
        ],
        "errors": dict(item.volume.last_errors),
    }


def _server(item: Cloud, server: Server) -> dict[str, Any]:
    guest = item.guests.guests.get(server.id)
    return {
        "id": server.id,
        "name": server.name,
        "project_id": server.project_id,
        "user_id": server.user_id,
        "status": server.status,
        "vm_state": server.vm_state,
        "task_state": server.task_state,
        "locked_by": server.locked_by,
        "lock_reason": server.lock_reason,
        "flavor": server.flavor.name,
        "metadata": dict(server.metadata),
        "tags": list(server.tags),
        "created_at": server.created_at,
        "launched_at": server.launched_at,
        "terminated_at": server.terminated_at,
        "fault": server.fault.message if server.fault else None,
        "disks": [
            {"volume_id": d.volume_id, "boot_index": d.boot_index, "delete_on_termination": d.delete_on_termination}
            for d in server.disks
        ],
        "ports": [nic.port_id for nic in server.nics],
        "guest": {
            "identity": guest.identity,
            "generation": guest.generation,
            "running": guest.running,
            "lost_writes": guest.lost_writes,
        }
        if guest
        else None,
    }


def _volume(volume: Volume, item: Cloud) -> dict[str, Any]:
    identity, generation = item.guests.held(volume.provider_id)
    return {
        "id": volume.id,
        "name": volume.name,
        "project_id": volume.project_id,
        "status": volume.status,
        "size": volume.size,
        "type": volume.type.name,
        "bootable": volume.bootable,
        "metadata": dict(volume.metadata),
        "image_metadata": dict(volume.image_metadata),
        "group_id": volume.group_id,
        "servers": [entry.server_id for entry in volume.attachments],
        "array_volume": volume.provider_id,
        "created_at": volume.created_at,
        "identity": identity,
        "generation": generation,
    }


def _group(group: Group) -> dict[str, Any]:
    return {
        "id": group.id,
        "name": group.name,
        "description": group.description,
        "project_id": group.project_id,
        "status": group.status,
        "type": group.type.name,
        "volume_types": [item.name for item in group.volume_types],
    }


def _port(item: Cloud, port: Port) -> dict[str, Any]:
    return {
        "id": port.id,
        "name": port.name,
        "project_id": port.project_id,
        "network": item.network.networks[port.network_id].name,
        "mac_address": port.mac_address,
        "addresses": [entry.address for entry in port.fixed_ips],
        "device_id": port.device_id,
        "description": port.description,
        "tags": list(port.tags),
    }
