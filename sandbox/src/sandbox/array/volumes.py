"""Volumes: create, copy, overwrite, rename, move, destroy, recover, eradicate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.array import names, volume_snapshots
from sandbox.array.errors import INVALID_COMBINATION, NO_SUCH_SOURCE, Refused, each
from sandbox.array.lifecycle import destroy_volume
from sandbox.array.listing import Item, Query
from sandbox.array.model import Snapshot, Tag, Volume
from sandbox.array.routes import Body, route

if TYPE_CHECKING:
    from sandbox.array.array import Array

_LARGEST = 4 << 50
_SECTOR = 512


def render(array: Array, volume: Volume) -> Item:
    """A volume as the wire shows it; every field that Cinder reads is always there."""
    pod, vgroup = names.pod_of(volume.name), names.volume_group_of(volume.name)
    used = int(volume.provisioned * array.settings.physical_share)
    return {
        "id": volume.id,
        "name": volume.name,
        "serial": volume.serial,
        "provisioned": volume.provisioned,
        "created": volume.created,
        "destroyed": volume.destroyed,
        "time_remaining": array.time_remaining(volume),
        "connection_count": len(volume.connections),
        "pod": {"name": pod} if pod else {},
        "volume_group": {"name": vgroup} if vgroup else {},
        "source": volume.source or {},
        "subtype": "regular",
        "promotion_status": "promoted",
        "requested_promotion_state": "promoted",
        "qos": volume.qos,
        "space": {
            "total_provisioned": volume.provisioned,
            "total_physical": used,
            "unique": used,
            "snapshots": 0,
            "virtual": used,
            "data_reduction": 4.0,
            "total_reduction": 8.0,
        },
    }


@route("GET", "volumes")
def get(array: Array, query: Query, body: Body) -> list[Item]:
    """By names (absent is an error), by ids, or all."""
    wanted, ids = query.items("names"), query.items("ids")
    if wanted is not None:
        return each(wanted, lambda name: render(array, array.volumes.need(name)))
    chosen = array.volumes if ids is None else [v for v in map(array.volumes.by_id, ids) if v]
    return [render(array, volume) for volume in chosen]


@route(
    "POST",
    "volumes",
    "names overwrite with_default_protection add_to_protection_group_names add_to_protection_group_ids",
    "provisioned source qos destroyed subtype priority_adjustment",
)
def post(array: Array, query: Query, body: Body) -> list[Item]:
    """Create, empty or as a copy; with overwrite the copy replaces the content of a volume that exists."""
    overwrite = query.flag("overwrite")
    protect = query.flag("with_default_protection", True)
    groups = [array.groups.alive(name) for name in query.items("add_to_protection_group_names") or []]

    def act(name: str) -> Item:
        volume = _write(array, name, body, overwrite)
        joined = groups + (_default_groups(array, name) if protect else [])
        for group in joined:
            if volume.id not in group.members:
                group.members.append(volume.id)
        return render(array, volume)

    return each(query.required("names"), act)


@route(
    "PATCH",
    "volumes",
    "names ids truncate add_to_protection_group_names remove_from_protection_group_names",
    "name destroyed provisioned pod volume_group qos requested_promotion_state priority_adjustment",
)
def patch(array: Array, query: Query, body: Body) -> list[Item]:
    """One kind of change a call, as on a real array: a new name together with destroyed is refused."""
    if "name" in body and ("destroyed" in body or len(query.items("names") or []) > 1):
        raise Refused(None, INVALID_COMBINATION)
    leave = [array.groups.alive(name) for name in query.items("remove_from_protection_group_names") or []]
    join = [array.groups.alive(name) for name in query.items("add_to_protection_group_names") or []]

    def act(name: str) -> Item:
        volume = array.volumes.need(name)
        _change(array, volume, body, query.flag("truncate"))
        for group in leave:
            if volume.id in group.members:
                group.members.remove(volume.id)
        for group in join:
            if volume.id not in group.members:
                group.members.append(volume.id)
        return render(array, volume)

    ids = query.items("ids")
    wanted = query.required("names") if ids is None else [_name_of(array, one) for one in ids]
    return each(wanted, act)


@route("DELETE", "volumes", "names")
def delete(array: Array, query: Query, body: Body) -> list[Item]:
    """Eradicate what is destroyed."""

    def act(name: str) -> Item:
        volume = array.volumes.need(name)
        locked = any(volume.id in group.members for group in array.groups if group.retention_lock == "ratcheted")
        array.check_eradicable(volume, "Volume", name, locked)
        array.volumes.remove(volume)
        return {}

    return each(query.required("names"), act)


def make(array: Array, name: str, provisioned: int) -> Volume:
    """A new, empty volume under a free and proper name."""
    names.check_volume(name)
    array.volumes.check_free(name)
    pod, vgroup = names.pod_of(name), names.volume_group_of(name)
    if pod:
        array.pods.alive(pod)
    if vgroup:
        array.volume_groups.alive(vgroup)
    if array.settings.filled >= array.settings.capacity:
        raise Refused(name, "There is not enough space on the array.")  # own wording
    volume = Volume(name, serial=array.new_serial(), provisioned=provisioned, created=array.now_ms())
    array.note("array_volume", "created", volume.id, name)
    return array.volumes.add(volume)


def copy_onto(array: Array, name: str, source: str, overwrite: bool) -> Volume:
    """Make `name` a copy of a volume or snapshot; an overwritten volume keeps its id, serial and tags."""
    origin, full_name = _source(array, source)
    existing = array.volumes.get(name)
    volume = array.volumes.alive(name) if existing is not None and overwrite else make(array, name, origin.provisioned)
    volume.provisioned, volume.generation = origin.provisioned, origin.generation
    volume.source = {"name": full_name, "id": origin.id}
    array.note("array_volume", "copied", volume.id, volume.name, source=full_name, content=origin.generation)
    if isinstance(origin, Volume) and volume is not existing:
        volume.tags = [Tag(t.namespace, t.key, t.value, True) for t in origin.tags if t.copyable]
    return volume


def _write(array: Array, name: str, body: Body, overwrite: bool) -> Volume:
    source, provisioned = body.get("source"), body.get("provisioned")
    if (source is None) == (provisioned is None):
        raise Refused(name, INVALID_COMBINATION)
    if source is not None:
        if not isinstance(source, dict) or not (source.get("name") or source.get("id")):
            raise Refused(name, NO_SUCH_SOURCE)
        volume = copy_onto(array, name, source.get("name") or _name_of(array, source["id"]), overwrite)
    else:
        volume = make(array, name, _size(name, provisioned))
    volume.qos = body.get("qos") or volume.qos
    return volume


def _source(array: Array, name: str) -> tuple[Volume | Snapshot, str]:
    """What to copy from, with its full name."""
    if "." in name:
        full_name, snapshot = volume_snapshots.find(array, name, usable=True)
        return snapshot, full_name
    volume = array.volumes.get(name)
    if volume is None:
        raise Refused(name, NO_SUCH_SOURCE)
    return array.volumes.alive(name), volume.name


def _name_of(array: Array, volume_id: str) -> str:
    volume = array.volumes.by_id(volume_id)
    if volume is None:
        raise Refused(volume_id, "Volume does not exist.")
    return volume.name


def _size(name: str, provisioned: Any) -> int:
    if isinstance(provisioned, bool) or not isinstance(provisioned, int) or not 1 << 20 <= provisioned <= _LARGEST:
        raise Refused(name, "Volume size must be between 1M and 4P.")  # own wording
    if provisioned % _SECTOR:
        raise Refused(name, "Volume size must be a multiple of 512 bytes.")  # own wording
    return provisioned


def _default_groups(array: Array, name: str) -> list[Any]:
    """The groups that SafeMode's default protection makes a new volume join."""
    pod = names.pod_of(name)
    listed = array.pods.alive(pod).default_protections if pod else array.default_protections
    return [group for group in map(array.groups.get, listed) if group and not group.destroyed]


def _change(array: Array, volume: Volume, body: Body, truncate: bool) -> None:
    if "destroyed" in body:
        _set_destroyed(array, volume, body["destroyed"])
    if volume.destroyed and body.keys() - {"destroyed"}:
        raise Refused(volume.name, "Volume has been destroyed.")
    if "provisioned" in body:
        size = _size(volume.name, body["provisioned"])
        if size < volume.provisioned and not truncate:
            raise Refused(volume.name, "Volume size cannot be reduced without truncation.")  # own wording
        volume.provisioned = size
    if "qos" in body:
        volume.qos = {key: value for key, value in (body["qos"] or {}).items() if value is not None}
    if "name" in body:
        _rename(array, volume, str(body["name"]))
    if "pod" in body:
        _move_pod(array, volume, (body["pod"] or {}).get("name") or "")
    if "volume_group" in body:
        _move_group(array, volume, (body["volume_group"] or {}).get("name") or "")


def _set_destroyed(array: Array, volume: Volume, wanted: bool) -> None:
    if not wanted:
        array.recover(volume, "Volume")
        return
    if volume.destroyed:
        raise Refused(volume.name, "Volume has been destroyed.")
    if volume.connections:
        # Own wording around the substring Cinder looks for.
        raise Refused(volume.name, "Volume cannot be deleted due to existing connections.")
    destroy_volume(array, volume)


def _rename(array: Array, volume: Volume, name: str) -> None:
    """A rename stays in its pod or volume group; a bare name keeps the prefix."""
    prefix = volume.name[: -len(names.base(volume.name))]
    new = name if name.startswith(prefix) else prefix + name
    names.check_volume(new)
    if new[: -len(names.base(new))] != prefix:
        raise Refused(volume.name, "A rename cannot move a volume.")  # own wording
    array.volumes.rename(volume, new)


def _move_pod(array: Array, volume: Volume, pod: str) -> None:
    if pod:
        array.pods.alive(pod)
    if names.volume_group_of(volume.name):
        raise Refused(volume.name, "A volume in a volume group cannot be moved into a pod.")  # own wording
    if any(volume.id in group.members for group in array.groups):
        raise Refused(volume.name, "A volume in a protection group cannot be moved.")  # own wording
    array.volumes.rename(volume, f"{pod}::{names.base(volume.name)}" if pod else names.base(volume.name))


def _move_group(array: Array, volume: Volume, vgroup: str) -> None:
    if vgroup:
        array.volume_groups.alive(vgroup)
    if names.pod_of(volume.name):
        raise Refused(volume.name, "A volume in a pod cannot be moved into a volume group.")  # own wording
    array.volumes.rename(volume, f"{vgroup}/{names.base(volume.name)}" if vgroup else names.base(volume.name))
