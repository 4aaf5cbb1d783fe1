"""What Nova knows: flavors, keys, server groups and servers; a server forgets its rendered form when it changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_BOOKKEEPING = frozenset({"cache", "updated_at"})


@dataclass(frozen=True)
class Flavor:
    """A size; `ram` in MiB, `disk` and `ephemeral` in GiB, `swap` in MiB."""

    id: str
    name: str
    vcpus: int
    ram: int
    disk: int
    ephemeral: int = 0
    swap: int = 0
    is_public: bool = True
    description: str | None = None
    extra_specs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class KeyPair:
    """A public key of one user."""

    name: str
    user_id: str
    public_key: str
    fingerprint: str
    created_at: float
    type: str = "ssh"


@dataclass(eq=False)
class ServerGroup:
    """Servers to keep together or apart."""

    id: str
    name: str
    project_id: str
    user_id: str
    policy: str
    rules: Mapping[str, Any] = field(default_factory=dict)
    members: tuple[str, ...] = ()


@dataclass(frozen=True)
class BlockDevice:
    """One disk of a server. `volume_id` is None for what lives on the host."""

    id: str
    volume_id: str | None
    device: str
    boot_index: int | None
    delete_on_termination: bool = False
    tag: str | None = None
    size: int = 0
    source: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Nic:
    """One port of a server; `owned` ports were made by Nova and go with the server."""

    port_id: str
    owned: bool


@dataclass(frozen=True)
class Fault:
    """Why a server is in ERROR; `details` is for administrators."""

    code: int
    message: str
    created_at: float
    details: str = ""


@dataclass(eq=False)
class Server:
    """One server. Containers are replaced, never changed in place, so that assigning clears `cache`."""

    id: str
    name: str
    project_id: str
    user_id: str
    flavor: Flavor
    created_at: float
    zone: str
    host: str = ""
    description: str | None = None
    image_id: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    user_data: str | None = None
    key_name: str | None = None
    config_drive: str = ""
    hints: Mapping[str, Any] = field(default_factory=dict)
    security_groups: tuple[str, ...] = ("default",)
    requested_networks: tuple[Mapping[str, Any], ...] = ()
    pinned_zone: str | None = None
    disks: tuple[BlockDevice, ...] = ()
    nics: tuple[Nic, ...] = ()
    vm_state: str = "building"
    task_state: str | None = "scheduling"
    power_state: int = 0
    locked_by: str | None = None
    lock_reason: str | None = None
    fault: Fault | None = None
    launched_at: float | None = None
    terminated_at: float | None = None
    updated_at: float = 0.0
    console: str | None = None
    cache: dict[tuple[Any, ...], bytes] = field(default_factory=dict, repr=False)

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name not in _BOOKKEEPING and "cache" in self.__dict__:
            self.cache.clear()

    @property
    def status(self) -> str:
        """What users read: the state of the machine, but for a reboot under way."""
        if self.vm_state == "active" and self.task_state in ("rebooting", "reboot_started"):
            return "REBOOT"
        if self.task_state == "rebooting_hard":
            return "HARD_REBOOT"
        return _STATUS[self.vm_state]

    @property
    def volume_ids(self) -> list[str]:
        """Its volumes, the boot volume first."""
        order = sorted(
            self.disks, key=lambda disk: (disk.boot_index is None or disk.boot_index < 0, disk.boot_index or 0)
        )
        return [disk.volume_id for disk in order if disk.volume_id is not None]

    def disk_of(self, volume_id: str) -> BlockDevice | None:
        """The disk that is this volume."""
        return next((disk for disk in self.disks if disk.volume_id == volume_id), None)


_STATUS = {
    "building": "BUILD",
    "active": "ACTIVE",
    "stopped": "SHUTOFF",
    "paused": "PAUSED",
    "error": "ERROR",
    "deleted": "DELETED",
}
