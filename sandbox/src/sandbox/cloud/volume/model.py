"""What Cinder knows: volumes, snapshots, groups, types; records that forget their rendered form when they change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

GIB = 1024**3
_BOOKKEEPING = frozenset({"cache", "updated_at"})


@dataclass(eq=False)
class VolumeType:
    """A type with its extra specs; only administrators see all of them."""

    id: str
    name: str
    extra_specs: dict[str, str] = field(default_factory=dict)
    is_public: bool = True
    description: str | None = None

    @property
    def replicated(self) -> bool:
        """Whether the driver puts volumes of this type into its replicated protection group."""
        return self.extra_specs.get("replication_enabled") == "<is> True"


@dataclass(eq=False)
class GroupType:
    """A type of generic volume group."""

    id: str
    name: str
    group_specs: dict[str, str] = field(default_factory=dict)
    is_public: bool = True
    description: str | None = None

    @property
    def consistent(self) -> bool:
        """Whether its groups are protection groups on the array."""
        return self.group_specs.get("consistent_group_snapshot_enabled") == "<is> True"


@dataclass(frozen=True)
class Attachment:
    """One server using one volume."""

    id: str
    server_id: str
    device: str
    host: str
    attached_at: float


@dataclass(eq=False)
class Volume:
    """One volume. Containers are replaced, never changed in place, so that assigning clears `cache`.

    `provider_id` is the array volume's name; None until the backend has it.
    """

    id: str
    project_id: str
    user_id: str
    name: str | None
    description: str | None
    size: int
    type: VolumeType
    host: str
    zone: str
    created_at: float
    status: str = "creating"
    bootable: bool = False
    metadata: Mapping[str, str] = field(default_factory=dict)
    image_metadata: Mapping[str, str] = field(default_factory=dict)
    attachments: tuple[Attachment, ...] = ()
    group_id: str | None = None
    snapshot_id: str | None = None
    source_volid: str | None = None
    multiattach: bool = False
    replication_status: str | None = None
    provider_id: str | None = None
    updated_at: float | None = None
    cache: dict[tuple[Any, ...], bytes] = field(default_factory=dict, repr=False)

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name not in _BOOKKEEPING and "cache" in self.__dict__:
            self.cache.clear()

    @property
    def visible_status(self) -> str:
        """What the API says: Cinder shows the managing states as the plain ones."""
        return _SHOWN_AS.get(self.status, self.status)


_SHOWN_AS = {"managing": "creating", "error_managing": "error", "error_managing_deleting": "deleting"}


@dataclass(eq=False)
class Snapshot:
    """A volume snapshot; `provider_id` is its full name on the array."""

    id: str
    project_id: str
    user_id: str
    volume_id: str
    name: str | None
    description: str | None
    size: int
    created_at: float
    status: str = "creating"
    metadata: Mapping[str, str] = field(default_factory=dict)
    group_snapshot_id: str | None = None
    provider_id: str | None = None


@dataclass(eq=False)
class Group:
    """A generic volume group; on the array a protection group if its type is consistent."""

    id: str
    project_id: str
    user_id: str
    name: str | None
    description: str | None
    type: GroupType
    volume_types: tuple[VolumeType, ...]
    zone: str
    host: str
    created_at: float
    status: str = "creating"
    group_snapshot_id: str | None = None
    source_group_id: str | None = None


@dataclass(eq=False)
class GroupSnapshot:
    """One instant of all volumes of a group."""

    id: str
    group_id: str
    project_id: str
    user_id: str
    name: str | None
    description: str | None
    type: GroupType
    created_at: float
    status: str = "creating"
