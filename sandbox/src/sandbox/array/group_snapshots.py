"""Snapshots of whole groups: take, send, list, watch the transfer, destroy, recover, eradicate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.array import names
from sandbox.array.errors import INVALID_COMBINATION, Refused, each
from sandbox.array.groups import local
from sandbox.array.lifecycle import destroy_group_snapshot, forget_group_snapshot
from sandbox.array.listing import Item, Query
from sandbox.array.model import Group, GroupSnapshot, Target
from sandbox.array.routes import Body, route

if TYPE_CHECKING:
    from sandbox.array.array import Array

_FOR_REPLICATION_SECONDS = 3600.0
_PARAMETERS = "source_names source_ids replicate_now replicate apply_retention for_replication allow_throttle"


def render(array: Array, group: Group, taken: GroupSnapshot) -> Item:
    """A group snapshot as the wire shows it."""
    pod = names.pod_of(group.name)
    return {
        "id": taken.id,
        "name": f"{group.name}.{taken.name}",
        "suffix": taken.name,
        "created": taken.created,
        "source": {"name": group.name, "id": group.id},
        "destroyed": taken.destroyed,
        "time_remaining": array.time_remaining(taken),
        "pod": {"name": pod} if pod else {},
        "space": {"snapshots": 0},
        "eradication_config": {"manual_eradication": "enabled"},
    }


@route("GET", "protection-group-snapshots", "source_names source_ids")
def get(array: Array, query: Query, body: Body) -> list[Item]:
    """By names (absent is an error), by group, or all."""
    wanted, sources = query.items("names"), query.items("source_names")
    if wanted is not None:
        return each(wanted, lambda name: render(array, *need(array, name)))
    chosen = list(array.groups) if sources is None else each(sources, array.groups.need)
    return [render(array, group, taken) for group in chosen for taken in group.snapshots.values()]


@route("POST", "protection-group-snapshots", _PARAMETERS, "suffix")
def post(array: Array, query: Query, body: Body) -> list[Item]:
    """Take one instant of all members of all named groups, and send it when asked to."""
    groups = _checked(array, query, body)
    created = array.now_ms()
    done = []
    for group in groups:
        engine = array.fabric.replication
        taken = engine.snapshot(array, group, body.get("suffix"), query.flag("apply_retention"), created)
        if query.flag("replicate") or query.flag("replicate_now"):
            for target in group.targets.values():
                engine.send(array, group, taken, target, urgent=query.flag("replicate_now"))
        if query.flag("for_replication"):
            destroy_group_snapshot(array, group, taken, _FOR_REPLICATION_SECONDS)
        done.append(render(array, group, taken))
    return done


@route("POST", "protection-group-snapshots/test", _PARAMETERS, "suffix")
def post_test(array: Array, query: Query, body: Body) -> list[Item]:
    """Only say whether the snapshot could be taken."""
    suffix = body.get("suffix") or "next"
    return [{"name": f"{g.name}.{suffix}", "suffix": suffix} for g in _checked(array, query, body)]


@route("POST", "protection-group-snapshots/replica", "names on convert_source_to_baseline")
def post_replica(array: Array, query: Query, body: Body) -> list[Item]:
    """Send an existing snapshot to one target, once more or for the first time."""

    def act(name: str) -> Item:
        group, taken = need(array, name)
        if taken.destroyed:
            raise Refused(name, "Protection group snapshot has been destroyed.")
        target: Target | None = group.targets.get(query.raw.get("on", "").lower())
        if target is None:
            raise Refused(query.raw.get("on"), "Target could not be found in the protection group.")
        array.fabric.replication.send(array, group, taken, target, urgent=True)
        return render(array, group, taken)

    return each(query.required("names"), act)


@route("PATCH", "protection-group-snapshots", "names", "name destroyed")
def patch(array: Array, query: Query, body: Body) -> list[Item]:
    """Destroy, recover, or give a new suffix."""
    if "name" in body and "destroyed" in body:
        raise Refused(None, INVALID_COMBINATION)

    def act(name: str) -> Item:
        group, taken = need(array, name)
        if body.get("destroyed") is True:
            if taken.destroyed:
                raise Refused(name, "Protection group snapshot has been destroyed.")
            if group.retention_lock == "ratcheted":
                raise Refused(name, "Protection group is ratcheted; snapshots cannot be destroyed.")  # own wording
            destroy_group_snapshot(array, group, taken)
        elif body.get("destroyed") is False:
            array.recover(taken, "Protection group snapshot")
        if "name" in body:
            _rename(group, taken, str(body["name"]).rpartition(".")[2])
        return render(array, group, taken)

    return each(query.required("names"), act)


@route("DELETE", "protection-group-snapshots", "names")
def delete(array: Array, query: Query, body: Body) -> list[Item]:
    """Eradicate what is destroyed."""

    def act(name: str) -> Item:
        group, taken = need(array, name)
        array.check_eradicable(taken, "Protection group snapshot", name, group.retention_lock == "ratcheted")
        forget_group_snapshot(group, taken)
        return {}

    return each(query.required("names"), act)


@route("GET", "protection-group-snapshots/transfer", "source_names source_ids")
def get_transfer(array: Array, query: Query, body: Body) -> list[Item]:
    """How far what comes in has come, by group or snapshot names; ask the target, the source shows nothing."""
    wanted = query.items("names") or query.items("source_names")
    chosen = {name.lower() for name in wanted or []}
    for name in wanted or []:
        if "." in name:
            need(array, name)
        else:
            array.groups.need(name)
    return [
        _transfer(array, group, taken)
        for group in array.groups
        for taken in group.snapshots.values()
        if taken.transfer is not None
        and (wanted is None or group.name.lower() in chosen or f"{group.name}.{taken.name}".lower() in chosen)
    ]


@route("GET", "protection-groups/performance/replication", "start_time end_time resolution")
def get_rate(array: Array, query: Query, body: Body) -> list[Item]:
    """Bytes per second that come in now, per group."""
    wanted = query.items("names")
    chosen = list(array.groups) if wanted is None else each(wanted, array.groups.need)
    return [
        {
            "name": group.name,
            "time": array.now_ms(),
            "bytes_per_sec": int(
                sum(taken.transfer.rate for taken in group.snapshots.values() if taken.transfer and not taken.arrived)
            ),
        }
        for group in chosen
    ]


def need(array: Array, name: str) -> tuple[Group, GroupSnapshot]:
    """The group snapshot `pg.sfx`, destroyed or not."""
    group_name, _, suffix = name.partition(".")
    group = array.groups.get(group_name)
    taken = group.snapshots.get(suffix.lower()) if group else None
    if group is None or taken is None:
        raise Refused(name, "Protection group snapshot does not exist.")
    return group, taken


def _checked(array: Array, query: Query, body: Body) -> list[Group]:
    if query.flag("replicate") and query.flag("replicate_now"):
        raise Refused(None, INVALID_COMBINATION)
    groups = [local(array, name) for name in query.required("source_names")]
    suffix = body.get("suffix")
    if suffix is None:
        return groups
    for group in groups:
        names.check_suffix(str(suffix), group.name)
        if str(suffix).lower() in group.snapshots:
            raise Refused(f"{group.name}.{suffix}", "Protection group snapshot already exists.")
    return groups


def _rename(group: Group, taken: GroupSnapshot, suffix: str) -> None:
    names.check_suffix(suffix, group.name)
    if suffix.lower() in group.snapshots:
        raise Refused(f"{group.name}.{suffix}", "Protection group snapshot already exists.")
    del group.snapshots[taken.name.lower()]
    taken.name = suffix
    group.snapshots[suffix.lower()] = taken


def _transfer(array: Array, group: Group, taken: GroupSnapshot) -> Item:
    transfer = taken.transfer
    if transfer is None:
        raise AssertionError("only what came in has a transfer")
    sent = transfer.sent(array.clock.now())
    return {
        "id": taken.id,
        "name": f"{group.name}.{taken.name}",
        "started": int(transfer.started * 1000),
        "completed": None if transfer.completed is None else int(transfer.completed * 1000),
        "progress": sent / transfer.total,
        "data_transferred": int(sent),
        "physical_bytes_written": int(sent / 2),
        "destroyed": taken.destroyed,
    }
