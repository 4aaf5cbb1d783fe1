"""Snapshots of single volumes, and the members of group snapshots, which are listed with them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from sandbox.array import names
from sandbox.array.errors import INVALID_COMBINATION, NO_SUCH_SOURCE, SNAPSHOT_DESTROYED, Refused, each
from sandbox.array.lifecycle import destroy_snapshot, forget_snapshot
from sandbox.array.listing import Item, Query
from sandbox.array.model import Group, GroupSnapshot, Snapshot, Volume
from sandbox.array.routes import Body, route

if TYPE_CHECKING:
    from sandbox.array.array import Array

# The usual question, "the members of this group snapshot", need not render every snapshot of the array.
_MEMBERS_ONLY = re.compile(r"""\s*name\s*=\s*(['"])([^'"*]+)\.\*\1\s*""")


def take(array: Array, volume: Volume, name: str, created: int) -> Snapshot:
    """The volume as it is now, under a suffix or, in a group snapshot, under its own name."""
    return Snapshot(
        name,
        volume_id=volume.id,
        volume_name=volume.name,
        serial=array.new_serial(),
        provisioned=volume.provisioned,
        created=created,
        generation=volume.generation,
    )


def find(array: Array, name: str, usable: bool = False) -> tuple[str, Snapshot]:
    """The snapshot called `vol.sfx` or `pg.sfx.vol`; with `usable` also refuses destroyed and half-arrived ones."""
    parts = name.split(".")
    found: tuple[str, Snapshot, bool, bool] | None = None
    if len(parts) == 2:
        volume = array.volumes.get(parts[0])
        snapshot = volume.snapshots.get(parts[1].lower()) if volume else None
        if volume and snapshot:
            found = (f"{volume.name}.{snapshot.name}", snapshot, snapshot.destroyed, True)
    elif len(parts) == 3:
        group = array.groups.get(parts[0])
        taken = group.snapshots.get(parts[1].lower()) if group else None
        member = taken.members.get(parts[2].lower()) if taken else None
        if group and taken and member:
            found = (f"{group.name}.{taken.name}.{member.name}", member, taken.destroyed, taken.arrived)
    if found is None:
        raise Refused(name, NO_SUCH_SOURCE)
    full_name, snapshot, destroyed, arrived = found
    if usable and destroyed:
        raise Refused(name, SNAPSHOT_DESTROYED)
    if usable and not arrived:
        raise Refused(name, "Volume snapshot has not been fully replicated.")  # own wording
    return full_name, snapshot


def render(array: Array, name: str, snapshot: Snapshot, owner: GroupSnapshot | None, source: str) -> Item:
    """A snapshot as the wire shows it; a member pends and ends with its group snapshot."""
    pending = owner or snapshot
    return {
        "id": snapshot.id,
        "name": name,
        "suffix": owner.name if owner else snapshot.name,
        "serial": snapshot.serial,
        "provisioned": snapshot.provisioned,
        "created": snapshot.created,
        "destroyed": pending.destroyed,
        "time_remaining": array.time_remaining(pending),
        "source": {"name": source, "id": snapshot.volume_id},
        "volume_group": {},
        "pod": {"name": names.pod_of(name)} if "::" in name else {},
        "space": {"snapshots": 0, "total_provisioned": snapshot.provisioned, "unique": 0},
    }


@route("GET", "volume-snapshots", "source_names source_ids")
def get(array: Array, query: Query, body: Body) -> list[Item]:
    """By names (absent is an error), or all; members still in transfer are hidden unless a setting shows them."""
    wanted, sources = query.items("names"), query.items("source_names")
    if wanted is not None:
        return each(wanted, lambda name: _one(array, name))
    narrow = _MEMBERS_ONLY.fullmatch(query.raw.get("filter", ""))
    items = list(_members_of(array, narrow[2])) if narrow and narrow[2].count(".") == 1 else list(_all(array))
    if sources is None:
        return items
    lower = {source.lower() for source in sources}
    return [item for item in items if item["source"]["name"].lower() in lower]


@route("POST", "volume-snapshots", "source_names source_ids on", "suffix destroyed")
def post(array: Array, query: Query, body: Body) -> list[Item]:
    """Snapshot single volumes; `on` (another array or offload target) is not simulated."""
    if "on" in query.raw:
        raise Refused(query.raw["on"], "The simulated array sends only protection group snapshots.")
    created = array.now_ms()

    def act(name: str) -> Item:
        volume = array.volumes.alive(name)
        suffix = body.get("suffix")
        if suffix is None:
            suffix = str(1 + sum(1 for existing in volume.snapshots.values() if existing.name.isdigit()))
        else:
            names.check_suffix(str(suffix), name)
        if suffix.lower() in volume.snapshots:
            raise Refused(f"{volume.name}.{suffix}", "Volume snapshot already exists.")
        snapshot = volume.snapshots[suffix.lower()] = take(array, volume, suffix, created)
        return render(array, f"{volume.name}.{suffix}", snapshot, None, volume.name)

    return each(query.required("source_names"), act)


@route("PATCH", "volume-snapshots", "names", "name destroyed")
def patch(array: Array, query: Query, body: Body) -> list[Item]:
    """Destroy, recover, or give a new suffix; members of a group snapshot follow their group snapshot only."""
    if "name" in body and "destroyed" in body:
        raise Refused(None, INVALID_COMBINATION)

    def act(name: str) -> Item:
        volume, snapshot = _own(array, name)
        if body.get("destroyed") is True:
            if snapshot.destroyed:
                raise Refused(name, SNAPSHOT_DESTROYED)
            destroy_snapshot(array, volume, snapshot)
        elif body.get("destroyed") is False:
            array.recover(snapshot, "Volume snapshot")
        if "name" in body:
            _rename(volume, snapshot, str(body["name"]))
        return render(array, f"{volume.name}.{snapshot.name}", snapshot, None, volume.name)

    return each(query.required("names"), act)


@route("DELETE", "volume-snapshots", "names")
def delete(array: Array, query: Query, body: Body) -> list[Item]:
    """Eradicate what is destroyed."""

    def act(name: str) -> Item:
        volume, snapshot = _own(array, name)
        array.check_eradicable(snapshot, "Volume snapshot", name)
        forget_snapshot(volume, snapshot)
        return {}

    return each(query.required("names"), act)


def _rename(volume: Volume, snapshot: Snapshot, name: str) -> None:
    """The wire gives the new suffix only; Cinder sends the whole new name, which real arrays take as well."""
    suffix = name.rpartition(".")[2]
    names.check_suffix(suffix, name)
    if suffix.lower() in volume.snapshots:
        raise Refused(f"{volume.name}.{suffix}", "Volume snapshot already exists.")
    del volume.snapshots[snapshot.name.lower()]
    snapshot.name = suffix
    volume.snapshots[suffix.lower()] = snapshot


def _own(array: Array, name: str) -> tuple[Volume, Snapshot]:
    volume_name, _, suffix = name.partition(".")
    volume = array.volumes.get(volume_name)
    snapshot = volume.snapshots.get(suffix.lower()) if volume else None
    if volume is None or snapshot is None:
        raise Refused(name, "Volume snapshot does not exist.")
    return volume, snapshot


def _one(array: Array, name: str) -> Item:
    full_name, snapshot = find(array, name)
    group = array.groups.get(name.partition(".")[0]) if name.count(".") == 2 else None
    if group is None:
        return render(array, full_name, snapshot, None, snapshot.volume_name)
    owner = group.snapshots[name.split(".")[1].lower()]
    return render(array, full_name, snapshot, owner, source_name(group, snapshot))


def _all(array: Array) -> Iterator[Item]:
    for volume in array.volumes:
        for snapshot in volume.snapshots.values():
            yield render(array, f"{volume.name}.{snapshot.name}", snapshot, None, volume.name)
    for group in array.groups:
        for taken in group.snapshots.values():
            yield from _members(array, group, taken)


def _members_of(array: Array, name: str) -> Iterator[Item]:
    group_name, _, suffix = name.partition(".")
    group = array.groups.get(group_name)
    taken = group.snapshots.get(suffix.lower()) if group else None
    if group and taken:
        yield from _members(array, group, taken)


def _members(array: Array, group: Group, taken: GroupSnapshot) -> Iterator[Item]:
    if taken.arrived or array.settings.partial_members_visible:
        for member in taken.members.values():
            name = f"{group.name}.{taken.name}.{member.name}"
            yield render(array, name, member, taken, source_name(group, member))


def source_name(group: Group, member: Snapshot) -> str:
    """Where a member came from; on a target with the source array in front."""
    return member.volume_name if group.source_array is None else f"{group.source_array}:{member.volume_name}"


@route("GET", "volume-snapshots/transfer", "source_names")
def get_transfer(array: Array, query: Query, body: Body) -> list[Item]:
    """How far each member has come: members of one group snapshot arrive together."""
    items: list[dict[str, Any]] = []
    now = array.clock.now()
    for group in array.groups:
        for taken in group.snapshots.values():
            if taken.transfer is None:
                continue
            share = taken.transfer.sent(now) / max(1, taken.transfer.total)
            items += [
                {
                    "name": f"{group.name}.{taken.name}.{member.name}",
                    "id": member.id,
                    "started": int(taken.transfer.started * 1000),
                    "completed": None if taken.transfer.completed is None else int(taken.transfer.completed * 1000),
                    "progress": share,
                    "data_transferred": int(taken.transfer.sent(now) / max(1, len(taken.members))),
                    "physical_bytes_written": int(taken.transfer.sent(now) / max(1, len(taken.members)) / 2),
                    "destroyed": taken.destroyed,
                }
                for member in taken.members.values()
            ]
    wanted = query.items("names")
    return items if wanted is None else [item for item in items if item["name"] in wanted]
