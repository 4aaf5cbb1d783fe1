"""Protection groups: create, restore from a snapshot, schedules and retention, rename, destroy, members."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from sandbox.array import names
from sandbox.array.errors import INVALID_COMBINATION, Refused, each
from sandbox.array.listing import Item, Query
from sandbox.array.model import Group
from sandbox.array.routes import Body, route
from sandbox.array.volumes import copy_onto

if TYPE_CHECKING:
    from sandbox.array.array import Array

_SHORTEST_MS, _LONGEST_MS = 300_000, 34_560_000_000
_SHORTEST_LOCAL_MS = 300_000
_SCHEDULES = {"replication_schedule": _SHORTEST_MS, "snapshot_schedule": _SHORTEST_LOCAL_MS}
_RETENTIONS = {"all_for_sec": 34_560_000, "per_day": 1440, "days": 4000}


def render(array: Array, group: Group) -> Item:
    """A group as the wire shows it; on a target the replica says where it comes from."""
    pod = names.pod_of(group.name)
    return {
        "id": group.id,
        "name": group.name,
        "is_local": group.is_local,
        "source": {"name": group.source_array or array.name},
        "pod": {"name": pod} if pod else {},
        "host_count": 0,
        "host_group_count": 0,
        "volume_count": len(group.members),
        "target_count": len(group.targets) if group.is_local else 1,
        "replication_schedule": group.replication_schedule,
        "snapshot_schedule": group.snapshot_schedule,
        "source_retention": group.source_retention,
        "target_retention": group.target_retention,
        "retention_lock": group.retention_lock,
        "destroyed": group.destroyed,
        "time_remaining": array.time_remaining(group),
        "space": {"snapshots": 0},
        "eradication_config": {"manual_eradication": "enabled"},
    }


@route("GET", "protection-groups")
def get(array: Array, query: Query, body: Body) -> list[Item]:
    """By names (absent is an error), by ids, or all; replicas of other arrays' groups are among them."""
    wanted, ids = query.items("names"), query.items("ids")
    if wanted is not None:
        return each(wanted, lambda name: render(array, array.groups.need(name)))
    chosen = array.groups if ids is None else [g for g in map(array.groups.by_id, ids) if g]
    return [render(array, group) for group in chosen]


@route("POST", "protection-groups", "names source_names source_ids overwrite")
def post(array: Array, query: Query, body: Body) -> list[Item]:
    """Create, empty, or as a copy of a group or group snapshot with all its volumes at that instant."""
    wanted, sources = query.required("names"), query.items("source_names")
    if sources is not None and len(sources) != len(wanted):
        raise Refused(None, INVALID_COMBINATION)

    def act(name: str) -> Item:
        if sources is not None:
            return _restore(array, name, sources[wanted.index(name)], query.flag("overwrite"))
        return render(array, _create(array, name))

    return each(wanted, act)


@route(
    "PATCH",
    "protection-groups",
    "names ids",
    "name destroyed replication_schedule snapshot_schedule source_retention target_retention retention_lock",
)
def patch(array: Array, query: Query, body: Body) -> list[Item]:
    """Schedules, retention, SafeMode, a new name, destroy or recover; nothing changes when any value is wrong."""
    if "name" in body and "destroyed" in body:
        raise Refused(None, INVALID_COMBINATION)

    def act(name: str) -> Item:
        group = array.groups.need(name)
        _change(array, group, body)
        return render(array, group)

    ids = query.items("ids")
    if ids is None:
        return each(query.required("names"), act)
    return each([g.name for g in map(array.groups.by_id, ids) if g], act)


@route("DELETE", "protection-groups", "names")
def delete(array: Array, query: Query, body: Body) -> list[Item]:
    """Eradicate what is destroyed, with its snapshots."""

    def act(name: str) -> Item:
        group = array.groups.need(name)
        array.check_eradicable(group, "Protection group", name, group.retention_lock == "ratcheted")
        array.groups.remove(group)
        return {}

    return each(query.required("names"), act)


@route("GET", "protection-groups/volumes", "group_names member_names")
@route("GET", "volumes/protection-groups", "group_names member_names")
def get_members(array: Array, query: Query, body: Body) -> list[Item]:
    """Which volume is in which group; a named group must exist, a volume in no group gives an empty list."""
    groups, members = query.items("group_names"), query.items("member_names")
    chosen = list(array.groups) if groups is None else each(groups, array.groups.need)
    if members is None:
        pairs = [(g, v) for g in chosen for v in map(array.volumes.by_id, g.members) if v]
    else:
        wanted = each(members, array.volumes.need)
        pairs = [(group, volume) for group in chosen for volume in wanted if volume.id in group.members]
    return [
        {"group": {"name": group.name, "id": group.id}, "member": {"name": volume.name, "id": volume.id}}
        for group, volume in pairs
    ]


@route("POST", "protection-groups/volumes", "group_names member_names")
@route("POST", "volumes/protection-groups", "group_names member_names")
def post_members(array: Array, query: Query, body: Body) -> list[Item]:
    """Add volumes; those of a pod only to a group of that pod."""

    def act(group: Group, name: str) -> Item:
        volume = array.volumes.alive(name)
        if volume.id in group.members:
            raise Refused(name, f"Volume already belongs to {group.name}.")
        if names.pod_of(volume.name) != names.pod_of(group.name):
            raise Refused(name, "Volume and protection group must be in the same pod.")  # own wording
        group.members.append(volume.id)
        return {"group": {"name": group.name}, "member": {"name": volume.name}}

    return _on_members(array, query, act)


@route("DELETE", "protection-groups/volumes", "group_names member_names")
@route("DELETE", "volumes/protection-groups", "group_names member_names")
def delete_members(array: Array, query: Query, body: Body) -> list[Item]:
    """Remove volumes; snapshots taken before keep them, and SafeMode keeps them in."""

    def act(group: Group, name: str) -> Item:
        volume = array.volumes.need(name)
        if volume.id not in group.members:
            raise Refused(name, "Protection group member could not be found.")
        if group.retention_lock == "ratcheted":
            raise Refused(name, "Protection group is ratcheted; members cannot be removed.")  # own wording
        group.members.remove(volume.id)
        return {}

    return _on_members(array, query, act)


def local(array: Array, name: str) -> Group:
    """A living group of this array; replicas are ruled by their source (own wording)."""
    group = array.groups.alive(name)
    if not group.is_local:
        raise Refused(name, "Operation is only allowed on the source array of the protection group.")
    return group


def _on_members(array: Array, query: Query, act: Any) -> list[Item]:
    groups = [local(array, name) for name in query.required("group_names")]
    members = query.required("member_names")
    return [item for group in groups for item in each(members, partial(act, group))]


def _create(array: Array, name: str) -> Group:
    names.check_simple(names.base(name), "protection group")
    pod = names.pod_of(name)
    if pod:
        array.pods.alive(pod)
    group = array.groups.add(Group(name))
    array.note("array_group", "created", group.id, name)
    return group


def _restore(array: Array, name: str, source: str, overwrite: bool) -> Item:
    """All volumes of a group snapshot under their own names; one that exists refuses, unless overwriting."""
    group_name, _, suffix = source.partition(".")
    origin = array.groups.alive(group_name)
    if not suffix:
        members = [(v.name, v.name) for v in filter(None, map(array.volumes.by_id, origin.members))]
    else:
        taken = origin.snapshots.get(suffix.lower())
        if taken is None:
            raise Refused(source, "Protection group snapshot does not exist.")
        if taken.destroyed:
            raise Refused(source, "Protection group snapshot has been destroyed.")
        if not taken.arrived:
            raise Refused(source, "Protection group snapshot has not been fully replicated.")  # own wording
        members = [(m.name, f"{origin.name}.{taken.name}.{m.name}") for m in taken.members.values()]
    if not overwrite:
        for volume_name, _ in members:
            array.volumes.check_free(volume_name)
    existing = array.groups.get(name) if overwrite else None
    group = array.groups.alive(name) if existing else _create(array, name)
    for volume_name, copy_from in members:
        volume = copy_onto(array, volume_name, copy_from, overwrite)
        if volume.id not in group.members:
            group.members.append(volume.id)
    return render(array, group)


def _change(array: Array, group: Group, body: Body) -> None:
    schedules = {key: _schedule(group, key, body[key]) for key in _SCHEDULES if body.get(key) is not None}
    retentions = {
        key: _retention(group, key, body[key])
        for key in ("source_retention", "target_retention")
        if body.get(key) is not None
    }
    if "destroyed" in body:
        _set_destroyed(array, group, bool(body["destroyed"]))
    if (schedules or retentions or "name" in body or "retention_lock" in body) and group.destroyed:
        raise Refused(group.name, "Protection group has been destroyed.")
    if (schedules or retentions or "name" in body) and not group.is_local:
        local(array, group.name)
    if "name" in body:
        _rename(array, group, str(body["name"]))
    if "retention_lock" in body:
        _lock(group, body["retention_lock"])
    for key, value in {**schedules, **retentions}.items():
        setattr(group, key, value)
    array.fabric.replication.configured(array, group, set(schedules))


def _schedule(group: Group, key: str, change: Body) -> dict[str, Any]:
    merged = {**getattr(group, key), **{k: v for k, v in change.items() if v != ""}}
    if change.get("blackout") == "":
        merged["blackout"] = None
    if merged.keys() - {"enabled", "frequency", "at", "blackout"}:
        raise Refused(group.name, f"Unknown field in {key}.")
    frequency = merged["frequency"]
    if not isinstance(frequency, int) or not _SCHEDULES[key] <= frequency <= _LONGEST_MS:
        # Own wording; the limits are Pure's.
        raise Refused(group.name, f"The frequency must be between {_SCHEDULES[key]} and {_LONGEST_MS} milliseconds.")
    if merged["at"] is not None and frequency % 86_400_000:
        raise Refused(group.name, "'at' needs a frequency of whole days.")  # own wording
    return merged


def _retention(group: Group, key: str, change: Body) -> dict[str, int]:
    merged = {**getattr(group, key), **change}
    for field, value in merged.items():
        limit = _RETENTIONS.get(field)
        if limit is None or not isinstance(value, int) or not 0 <= value <= limit:
            raise Refused(group.name, f"Invalid {field} in {key}.")  # own wording
    return merged


def _rename(array: Array, group: Group, name: str) -> None:
    names.check_simple(names.base(name), "protection group")
    if group.retention_lock == "ratcheted":
        raise Refused(group.name, "Protection group is ratcheted; it cannot be renamed.")  # own wording
    array.groups.rename(group, name)


def _lock(group: Group, lock: Any) -> None:
    """SafeMode only tightens: once ratcheted, always ratcheted (own wording)."""
    if lock not in ("ratcheted", "unlocked") or (group.retention_lock == "ratcheted" and lock != "ratcheted"):
        raise Refused(group.name, "Invalid retention_lock: it can only be set to ratcheted.")
    group.retention_lock = lock


def _set_destroyed(array: Array, group: Group, wanted: bool) -> None:
    if not wanted:
        array.recover(group, "Protection group")
        return
    if group.destroyed:
        raise Refused(group.name, "Protection group has been destroyed.")
    if group.retention_lock == "ratcheted":
        raise Refused(group.name, "Protection group is ratcheted; it cannot be destroyed.")  # own wording
    array.fabric.replication.abandoned(array, group)
    array.note("array_group", "destroyed", group.id, group.name)
    array.destroy(group, partial(array.groups.remove, group))
