"""What steps may ask of one OpenStack site, in plain values.

A `Cloud` is one site seen by one actor in one project: the *tenant* (the delegation's trust, least roles), or the *service* (Protector's
own user; an admin). That a moved server stays off rests on the difference: servers are locked and stopped by the service, and started only
by the tenant, whom the lock refuses.

Every call has a time limit. Errors are `domain.errors.CloudError` and its kinds, translated once in this package. Calls are of three
classes: *read* and *idempotent* ones are repeated by the session itself, *create* ones never: their step looks the thing up by its
`operation/step` key first. Lists are of the actor's project unless said otherwise. Sizes: GiB; times: seconds.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, Protocol

from siterecovery.protector.domain.member import Rebuild, Volume

KEY = "protector:key"
"""Metadata name on servers and volumes, and tag prefix on ports: the `operation/step` that created the thing."""
GROUP = "protector:group"
EPOCH = "protector:epoch"
TEST = "protector:test"


@dataclasses.dataclass(frozen=True)
class Server:
    """`status` is Nova's (ACTIVE, SHUTOFF, ERROR, BUILD, PAUSED, …), `task_state` None when nothing is going on. `placed` is False only when Nova
    says that no host ever had it: then its guest has not run and has written nothing."""

    id: str
    name: str
    status: str
    task_state: str | None = None
    locked: bool = False
    locked_reason: str | None = None
    metadata: Mapping[str, str] = dataclasses.field(default_factory=dict)
    volume_ids: tuple[str, ...] = ()
    fault: str | None = None
    project_id: str = ""
    placed: bool = True


@dataclasses.dataclass(frozen=True)
class Disk:
    """One entry of a new server's block device mapping."""

    volume_id: str
    boot_index: int | None
    disk_bus: str | None = None
    device: str | None = None
    delete_on_termination: bool = False


@dataclasses.dataclass(frozen=True)
class ServerSpec:
    """A server to create; `port_ids` in order; `key` becomes its metadata `protector:key`."""

    name: str
    flavor_id: str
    disks: tuple[Disk, ...]
    port_ids: tuple[str, ...]
    rebuild: Rebuild
    metadata: Mapping[str, str]
    key: str
    security_groups: tuple[str, ...] = ()
    server_group_id: str | None = None


class Compute(Protocol):
    def server(self, server_id: str) -> Server | None: ...

    def servers(
        self, *, server_ids: Iterable[str] | None = None, metadata: Mapping[str, str] | None = None
    ) -> list[Server]:
        """Servers of the project: all, or those with these ids (a few gets when they are few, else one paged list), filtered by metadata."""
        ...

    def describe(self, server_id: str) -> tuple[Rebuild, list[Volume]]:
        """What a rebuild needs, ports included, and the attached volumes in boot order (ids, devices, boot index, bus,
        delete_on_termination, image metadata, Cinder metadata; id, group_id and member_id empty). Needs the service actor: a member cannot read
        keypairs and extra specs of others."""
        ...

    def create(self, spec: ServerSpec) -> str: ...

    def lock(self, server_id: str, reason: str) -> None: ...

    def unlock(self, server_id: str) -> None: ...

    def stop(self, server_id: str) -> None:
        """A clean shutdown (Nova powers off hard after its own shutdown timeout). No error when it is stopped, paused or suspended already."""
        ...

    def start(self, server_id: str) -> None: ...

    def reset_state(self, server_id: str) -> None:
        """For an administrator: Nova takes the server for an active one with which nothing is under way."""
        ...

    def pause(self, server_id: str) -> None: ...

    def unpause(self, server_id: str) -> None: ...

    def delete(self, server_id: str, *, force: bool = False) -> None:
        """No error when it is gone."""
        ...

    def detach(self, server_id: str, volume_id: str) -> None: ...

    def keep_volume(self, server_id: str, volume_id: str) -> None:
        """Sets delete_on_termination of an attached volume to false and reads it back."""
        ...

    def console_output(self, server_id: str, lines: int = 200) -> str: ...

    def flavor(self, name_or_id: str) -> str | None:
        """The id of the only flavor with this id or name."""
        ...

    def ensure_keypair(self, name: str, public_key: str | None) -> bool:
        """True when the actor has a keypair of this name afterwards (created when the public key is known)."""
        ...

    def ensure_server_group(self, name: str, policy: str) -> str: ...


@dataclasses.dataclass(frozen=True)
class CinderVolume:
    """`attachments` are server ids. `array_name` and `array_volume_name` come from the driver's metadata (a tenant can edit them: hints only)."""

    id: str
    name: str
    status: str
    size: int
    bootable: bool = False
    volume_type: str | None = None
    metadata: Mapping[str, str] = dataclasses.field(default_factory=dict)
    attachments: tuple[str, ...] = ()
    group_id: str | None = None
    array_volume_name: str | None = None
    image_metadata: Mapping[str, str] = dataclasses.field(default_factory=dict)
    availability_zone: str | None = None
    project_id: str = ""


@dataclasses.dataclass(frozen=True)
class VolumeType:
    """`replication_type` is "async", "sync" or None; `backend` is the `volume_backend_name`."""

    id: str
    name: str
    replication_enabled: bool
    replication_type: str | None
    backend: str | None


@dataclasses.dataclass(frozen=True)
class ManageSpec:
    """An array volume to take under Cinder's management as `volume_type` on service host `host`."""

    array_volume_name: str
    host: str
    name: str
    volume_type: str
    bootable: bool
    metadata: Mapping[str, str]
    availability_zone: str | None = None
    description: str = ""


class Volumes(Protocol):
    def volume(self, volume_id: str) -> CinderVolume | None: ...

    def volumes(
        self, *, volume_ids: Iterable[str] | None = None, metadata: Mapping[str, str] | None = None
    ) -> list[CinderVolume]: ...

    def manage(self, spec: ManageSpec) -> str:
        """The new volume's id; it is `managing` until it is `available` or `error_managing`."""
        ...

    def unmanage(self, volume_id: str) -> None: ...

    def delete(self, volume_id: str) -> None:
        """No error when it is gone."""
        ...

    def set_bootable(self, volume_id: str, bootable: bool) -> None: ...

    def set_image_metadata(self, volume_id: str, metadata: Mapping[str, str]) -> None: ...

    def set_metadata(self, volume_id: str, metadata: Mapping[str, str]) -> None: ...

    def volume_type(self, name_or_id: str) -> VolumeType | None:
        """With extra specs: the service actor."""
        ...

    def volume_types(self) -> list[VolumeType]: ...

    def service_host(self, volume_type: str) -> str:
        """The cinder-volume host (`host@backend#pool`) that serves the type. CloudRefused with the documented sentence when there is none."""
        ...

    def create_group(self, name: str, volume_type: str, key: str) -> str:
        """A generic volume group of a type with consistent_group_snapshot_enabled; `key` goes into its description."""
        ...

    def group_status(self, group_id: str) -> str | None: ...

    def find_group(self, key: str) -> str | None:
        """The id of the group whose description carries `key`."""
        ...

    def group_volumes(self, group_id: str) -> list[str]: ...

    def update_group(self, group_id: str, *, add: Sequence[str] = (), remove: Sequence[str] = ()) -> int:
        """How many volumes it changes: those that are in (or out) already are left alone. Then the group is `updating` until it is `available`."""
        ...

    def delete_group(self, group_id: str) -> None:
        """Only ever an empty group: never together with its volumes."""
        ...

    def quota_left(self, volume_type: str) -> tuple[int, int]:
        """(volumes, gigabytes) that may still be created; -1 is unlimited."""
        ...


@dataclasses.dataclass(frozen=True)
class NetworkPort:
    id: str
    network_id: str
    device_id: str = ""
    name: str = ""
    fixed_ips: tuple[str, ...] = ()
    mac_address: str = ""
    tags: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class PortSpec:
    """A port in `project_id`; `fixed_ips` addresses only; an empty tuple or mac None lets Neutron choose."""

    name: str
    network_id: str
    project_id: str
    key: str
    fixed_ips: tuple[str, ...] = ()
    mac_address: str | None = None
    security_group_ids: tuple[str, ...] | None = None
    port_security_enabled: bool = True
    allowed_address_pairs: tuple[dict[str, str], ...] = ()
    vnic_type: str = "normal"


class Networks(Protocol):
    def networks(self, name_or_id: str) -> list[tuple[str, str]]:
        """(id, name) of the networks the project can use that have this id or name."""
        ...

    def ports(self, *, key: str | None = None, device_id: str | None = None) -> list[NetworkPort]: ...

    def create_port(self, spec: PortSpec) -> NetworkPort: ...

    def delete_port(self, port_id: str) -> None: ...

    def ensure_security_group(self, name: str, project_id: str) -> str: ...

    def address_free(self, network_id: str, address: str) -> bool:
        """The address belongs to one of the network's subnets and nobody has it."""
        ...


class Identity(Protocol):
    def check(self, age: float = 0.0) -> None:
        """A token can be had (for the tenant: the trust works), now or at most `age` seconds ago."""
        ...


Health = Literal["keystone", "nova", "cinder", "neutron"]


class Cloud(Protocol):
    """One site, one actor, one project."""

    site_id: str
    project_id: str
    compute: Compute
    volumes: Volumes
    networks: Networks
    identity: Identity

    def probe(self) -> dict[Health, str]:
        """One cheap read per service: "ok", or the sentence of what is wrong."""
        ...


class Clouds(Protocol):
    """Hands out clouds; sessions and pollers are shared between operations."""

    def tenant(self, site_id: str, project_id: str) -> Cloud:
        """Raises TokenRejected when the project has no delegation on that site or it is broken."""
        ...

    def service(self, site_id: str, project_id: str) -> Cloud:
        """The service user, acting in (or on) the tenant's project."""
        ...

    def reachable(self, site_id: str) -> bool:
        """Its Keystone answers within the short connect time limit."""
        ...


Extra = dict[str, Any]
