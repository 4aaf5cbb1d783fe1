"""What a rebuild needs of a server, read from three services by the service user.

Sources (Nova): server at 2.46 (flavor id, user data, tags, root device), its server group at 2.71, attachments with delete_on_termination
at 2.79; flavor; keypair of the owner. Cinder: volumes with image metadata. Neutron: ports, names of networks and security groups.
Nova tells neither boot index nor bus of a disk: the disk on the root device boots, the others follow in the order of their devices; the
bus is what the image metadata says, or what the device's name shows.
"""

import dataclasses
from collections.abc import Iterable
from typing import Any

from siterecovery.protector.clouds.base import CinderVolume, Volumes
from siterecovery.protector.clouds.identity import Version
from siterecovery.protector.clouds.rest import Service, segment
from siterecovery.protector.domain.errors import CloudNotFound, CloudRefused
from siterecovery.protector.domain.member import Port, Rebuild, Volume

FLAVOR_ID: Version = (2, 46)
GROUPS_SHOWN: Version = (2, 71)
ATTACHMENTS: Version = (2, 79)
KEYPAIR_OF_USER: Version = (2, 10)
OURS = "protector:"
KEY_TAG_PREFIX = "protector-key-"
"""Server tags that find a server by its key; they are not the user's."""
_DRIVER_KEYS = frozenset({"array_name", "array_volume_name"})
_BUS_OF_DEVICE = {"vd": "virtio", "xvd": "xen", "hd": "ide"}
"""A name such as sda is left out: it may be scsi, sata or usb, which the image metadata tells."""


@dataclasses.dataclass(frozen=True)
class Describer:
    """Reads with the service user's token."""

    nova: Service
    neutron: Service
    volumes: Volumes

    def describe(self, server_id: str, project_id: str) -> tuple[Rebuild, list[Volume]]:
        """CloudNotFound when the project has no such server."""
        path = f"/servers/{segment(server_id)}"
        server = self.nova.get(path, version=self.nova.version(FLAVOR_ID))["server"]
        if server.get("tenant_id") != project_id:
            raise CloudNotFound(f"{self.nova.name}: Instance {server_id} could not be found.", service=self.nova.name)
        rebuild = self._rebuild(path, server)
        return rebuild, self._disks(path, server.get("OS-EXT-SRV-ATTR:root_device_name"))

    def _rebuild(self, path: str, server: dict[str, Any]) -> Rebuild:
        flavor = self.nova.get(f"/flavors/{server['flavor']['id']}")["flavor"]
        key_name = server.get("key_name")
        return Rebuild(
            flavor_id=flavor["id"],
            flavor_name=flavor["name"],
            flavor={size: flavor[size] for size in ("vcpus", "ram", "disk") if size in flavor},
            ports=tuple(self._ports(server["id"])),
            key_name=key_name,
            key_public=self._public_key(key_name, server.get("user_id", "")) if key_name else None,
            user_data=server.get("OS-EXT-SRV-ATTR:user_data"),
            metadata={k: v for k, v in server.get("metadata", {}).items() if not k.startswith(OURS)},
            tags=tuple(tag for tag in server.get("tags", ()) if not tag.startswith(KEY_TAG_PREFIX)),
            server_group=self._server_group(path, server["id"]),
            availability_zone=server.get("OS-EXT-AZ:availability_zone") or None,
            config_drive=str(server.get("config_drive") or "").lower() == "true",
            description=server.get("description"),
            powered_on=server.get("status") not in ("SHUTOFF", "SHELVED", "SHELVED_OFFLOADED"),
        )

    def _public_key(self, name: str, user_id: str) -> str | None:
        version = self.nova.version(KEYPAIR_OF_USER)
        found = self.nova.find(f"/os-keypairs/{segment(name)}", {"user_id": user_id}, version=version)
        return str(found["keypair"]["public_key"]) if found else None

    def _server_group(self, path: str, server_id: str) -> dict[str, Any] | None:
        version = self.nova.version(GROUPS_SHOWN)
        groups = self.nova.get(path, version=version)["server"].get("server_groups") or ()
        for group_id in groups:
            found = self.nova.find(f"/os-server-groups/{group_id}", version=version)
            if found:
                group = found["server_group"]
                return {"name": group["name"], "policy": group.get("policy") or (group.get("policies") or [""])[0]}
        return None

    def _disks(self, path: str, root_device: str | None) -> list[Volume]:
        version = self.nova.version(ATTACHMENTS)
        attached = self.nova.get(f"{path}/os-volume_attachments", version=version)["volumeAttachments"]
        known = {v.id: v for v in self.volumes.volumes(volume_ids=[item["volumeId"] for item in attached])}
        missing = [item["volumeId"] for item in attached if item["volumeId"] not in known]
        if missing:
            raise CloudRefused(f"Volume {missing[0]} is attached, but Cinder does not know it.", service=self.nova.name)
        disks = [_disk(known[item["volumeId"]], item, root_device) for item in attached]
        return sorted(disks, key=lambda disk: (disk.boot_index is None, _device_order(disk.device)))

    def _ports(self, server_id: str) -> list[Port]:
        found = self.neutron.items("/ports", "ports", {"device_id": server_id})
        networks = self._names("networks", {port["network_id"] for port in found})
        groups = self._names("security-groups", {g for port in found for g in port.get("security_groups", ())})
        return [_port(port, networks, groups) for port in found]

    def _names(self, noun: str, ids: Iterable[str]) -> dict[str, str]:
        key = noun.replace("-", "_")
        return {
            identity: self.neutron.get(f"/{noun}/{identity}")[key.removesuffix("s")]["name"] for identity in sorted(ids)
        }


def _disk(volume: CinderVolume, attachment: dict[str, Any], root_device: str | None) -> Volume:
    device = attachment.get("device")
    boots = device is not None and device == root_device
    return Volume(
        id="",
        group_id="",
        member_id="",
        volume_id=volume.id,
        name=volume.name,
        size=volume.size,
        boot_index=0 if boots else None,
        device=device,
        bootable=volume.bootable,
        disk_bus=volume.image_metadata.get("hw_disk_bus") or _bus(device),
        delete_on_termination=bool(attachment.get("delete_on_termination")),
        image_metadata=dict(volume.image_metadata),
        metadata={k: v for k, v in volume.metadata.items() if k not in _DRIVER_KEYS and not k.startswith(OURS)},
        availability_zone=volume.availability_zone,
        array_volume_name=volume.array_volume_name,
    )


def _bus(device: str | None) -> str | None:
    name = (device or "").removeprefix("/dev/")
    return next((bus for prefix, bus in _BUS_OF_DEVICE.items() if name.startswith(prefix)), None)


def _device_order(device: str | None) -> tuple[int, str]:
    """/dev/vdz comes before /dev/vdaa."""
    return (len(device or ""), device or "")


def _port(port: dict[str, Any], networks: dict[str, str], groups: dict[str, str]) -> Port:
    return Port(
        network_id=port["network_id"],
        network_name=networks[port["network_id"]],
        fixed_ips=tuple(
            {name: ip[name] for name in ("ip_address", "subnet_id") if ip.get(name)} for ip in port["fixed_ips"]
        ),
        mac_address=port.get("mac_address"),
        security_groups=tuple(groups[group] for group in port.get("security_groups", ())),
        port_security_enabled=port.get("port_security_enabled", True),
        allowed_address_pairs=tuple(dict(pair) for pair in port.get("allowed_address_pairs") or ()),
        vnic_type=port.get("binding:vnic_type", "normal"),
    )
