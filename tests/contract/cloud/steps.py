"""What every test of a cloud does on the way: make volumes and servers, and wait for them by looking."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from openstack import exceptions

TYPE = "replicated-ssd"
NETWORK = "net-primary-web"
_SECONDS = 90.0


def until(what: str, look: Callable[[], Any]) -> Any:
    """Look until there is something; AssertionError after a minute and a half."""
    end, pause = time.monotonic() + _SECONDS, 0.01
    while time.monotonic() < end:
        found = look()
        if found:
            return found
        time.sleep(pause)
        pause = min(pause * 1.5, 0.5)
    raise AssertionError(f"waited {_SECONDS:.0f} s for {what}")


def state(get: Callable[[str], Any], identifier: str, status: str) -> Any:
    """Wait until a resource says so; an error ends the wait."""

    def look() -> Any:
        found = get(identifier)
        assert status.lower().startswith("error") or not found.status.lower().startswith("error"), found
        return found if found.status == status else None

    return until(f"{identifier} to be {status}", look)


def gone(get: Callable[[str], Any], identifier: str) -> None:
    """Wait until a resource is not there."""

    def look() -> bool:
        try:
            get(identifier)
        except exceptions.NotFoundException:
            return True
        return False

    until(f"{identifier} to be gone", look)


def volume(cloud: Any, name: str, *, bootable: bool = False, size: int = 1, **more: Any) -> Any:
    """A blank volume of the replicated type, ready."""
    made = cloud.block_storage.create_volume(name=name, size=size, volume_type=more.pop("volume_type", TYPE), **more)
    state(cloud.block_storage.get_volume, made.id, "available")
    if bootable:
        cloud.block_storage.set_volume_bootable_status(made, True)
    return cloud.block_storage.get_volume(made.id)


def disks(*volumes: Any, ends: bool = False) -> list[dict[str, Any]]:
    """Block devices that boot from the first volume."""
    return [
        {
            "uuid": item.id,
            "source_type": "volume",
            "destination_type": "volume",
            "boot_index": -1 if index else 0,
            "delete_on_termination": ends,
        }
        for index, item in enumerate(volumes)
    ]


def server(cloud: Any, name: str, *volumes: Any, ends: bool = False, **more: Any) -> Any:
    """A server booted from the first volume, running."""
    networks = more.pop("networks", None) or [{"uuid": cloud.network.find_network(NETWORK, ignore_missing=False).id}]
    flavor = cloud.compute.find_flavor("m1.small", ignore_missing=False)
    made = cloud.compute.create_server(
        name=name, flavor_id=flavor.id, networks=networks, block_device_mapping=disks(*volumes, ends=ends), **more
    )
    return state(cloud.compute.get_server, made.id, "ACTIVE")


def drop_server(cloud: Any, identifier: str) -> None:
    """Delete a server and wait until it is gone."""
    cloud.compute.delete_server(identifier)
    gone(cloud.compute.get_server, identifier)


def drop_volume(cloud: Any, identifier: str) -> None:
    """Delete a volume that is or becomes free, and wait until it is gone."""
    state(cloud.block_storage.get_volume, identifier, "available")
    cloud.block_storage.delete_volume(identifier)
    gone(cloud.block_storage.get_volume, identifier)
