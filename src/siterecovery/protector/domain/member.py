"""A member: one VM of a group, its volumes, and what a rebuild needs."""

import dataclasses
from typing import Any

from siterecovery.protector.domain.states import MemberStatus


@dataclasses.dataclass(frozen=True)
class Port:
    """A network port as it is rebuilt. Fixed IPs as `{"ip_address", "subnet_id"?}`."""

    network_id: str
    network_name: str
    fixed_ips: tuple[dict[str, str], ...] = ()
    mac_address: str | None = None
    security_groups: tuple[str, ...] = ()
    """Names: ids differ between clouds."""
    port_security_enabled: bool = True
    allowed_address_pairs: tuple[dict[str, str], ...] = ()
    vnic_type: str = "normal"


@dataclasses.dataclass(frozen=True)
class Rebuild:
    """What a rebuild needs of a VM, read while it lives and refreshed. Flavor sizes: vcpus, ram MiB, disk GiB."""

    flavor_id: str
    flavor_name: str
    flavor: dict[str, Any] = dataclasses.field(default_factory=dict)
    ports: tuple[Port, ...] = ()
    key_name: str | None = None
    key_public: str | None = None
    user_data: str | None = None
    metadata: dict[str, str] = dataclasses.field(default_factory=dict)
    tags: tuple[str, ...] = ()
    server_group: dict[str, Any] | None = None
    """`{"name", "policy"}`."""
    availability_zone: str | None = None
    config_drive: bool = False
    description: str | None = None
    powered_on: bool = True


@dataclasses.dataclass(frozen=True)
class Member:
    """`instance_id` is the server on the site where the group is active; `index` keeps members in the order they were added."""

    id: str
    group_id: str
    instance_id: str
    instance_name: str
    status: MemberStatus = MemberStatus.ADDING
    rebuild: Rebuild | None = None
    error_message: str | None = None
    index: int = 0
    created_at: str = ""


@dataclasses.dataclass(frozen=True)
class Volume:
    """One disk of a member. `id` is ours and outlives every move; the other ids are those on the site where the group is active.

    `array_volume_name` is the volume's name on that site's array, `array_volume_id` its id there, which a rename does not change.
    """

    id: str
    group_id: str
    member_id: str
    volume_id: str
    name: str
    size: int
    boot_index: int | None = None
    device: str | None = None
    bootable: bool = False
    disk_bus: str | None = None
    delete_on_termination: bool = False
    image_metadata: dict[str, str] = dataclasses.field(default_factory=dict)
    metadata: dict[str, str] = dataclasses.field(default_factory=dict)
    availability_zone: str | None = None
    array_volume_name: str | None = None
    array_volume_id: str | None = None


class CopyState:
    """What a volume left behind on a site is."""

    STALE = "stale"
    """An old primary's volume whose loss was accepted: only a person's cleanup deletes it."""
    RETAINED = "retained"
    """Kept by configuration, or until the new direction has a recovery point on that site."""
    SNAPSHOT = "snapshot"
    """An unconnected array copy of a move's final snapshot."""
    QUARANTINED = "quarantined"
    """A volume of an operation that was undone, from which a server has run."""


@dataclasses.dataclass(frozen=True)
class VolumeCopy:
    """A volume that an epoch left on a site. `volume_id` is Cinder's (None: known to the array only)."""

    id: str
    group_id: str
    lineage_volume_id: str
    site_id: str
    epoch: int
    state: str
    operation_id: str
    volume_id: str | None = None
    array_volume_name: str | None = None
    array_volume_id: str | None = None
    created_at: str = ""
