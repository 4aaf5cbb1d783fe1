"""Which arrays a group replicates to, and on the target whether it may."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from sandbox.array.errors import Refused, each
from sandbox.array.groups import local
from sandbox.array.listing import Item, Query
from sandbox.array.model import Group, Target
from sandbox.array.routes import Body, route

if TYPE_CHECKING:
    from sandbox.array.array import Array

_MOST_TARGETS = 4


@route("GET", "protection-groups/targets", "group_names member_names")
def get(array: Array, query: Query, body: Body) -> list[Item]:
    """At the source what it knows, on the target what was decided there."""
    groups, members = query.items("group_names"), query.items("member_names")
    chosen = list(array.groups) if groups is None else each(groups, array.groups.need)
    items = [item for group in chosen for item in _items(array, group)]
    if members is None:
        return items
    return [item for item in items if item["member"]["name"].lower() in {name.lower() for name in members}]


@route("POST", "protection-groups/targets", "group_names member_names")
def post(array: Array, query: Query, body: Body) -> list[Item]:
    """Add a target; it must be a connected array, and allows nothing yet."""

    def act(group: Group, name: str) -> Item:
        other = array.fabric.arrays.get(name.lower())
        if other is None or other not in array.fabric.peers(array) or not array.fabric.connected(array, other):
            raise Refused(name, f"Array {name} is not connected.")
        if other.name.lower() in group.targets:
            raise Refused(name, f"Protection group {group.name} already includes {name}.")
        if len(group.targets) >= _MOST_TARGETS:
            raise Refused(name, "Target limit reached.")
        target = group.targets[other.name.lower()] = Target(other.name)
        array.fabric.replication.targeted(array, group, target)
        return _item(group, target.array, target.allowed)

    groups = [local(array, name) for name in query.required("group_names")]
    members = query.required("member_names")
    return [item for group in groups for item in each(members, partial(act, group))]


@route("PATCH", "protection-groups/targets", "group_names member_names", "allowed")
def patch(array: Array, query: Query, body: Body) -> list[Item]:
    """Allow or disallow what comes in; only the target array may, for the replica `source:group`."""
    allowed = body.get("allowed")
    if not isinstance(allowed, bool):
        raise Refused(None, "Give 'allowed' as true or false.")  # own wording

    def act(name: str) -> Item:
        group = array.groups.alive(name)
        if group.is_local:
            raise Refused(name, "Replication can only be allowed or disallowed on the target array.")  # own wording
        if allowed and group.allowed:
            raise Refused(name, f"Protection group {name} is already allowed on {array.name}.")
        group.allowed = allowed
        array.fabric.replication.judged(array, group)
        return _item(group, array.name, allowed)

    return each(query.required("group_names"), act)


@route("DELETE", "protection-groups/targets", "group_names member_names")
def delete(array: Array, query: Query, body: Body) -> list[Item]:
    """Stop replicating; the target keeps the replica as long as it has snapshots."""

    def act(group: Group, name: str) -> Item:
        target = group.targets.get(name.lower())
        if target is None:
            raise Refused(name, f"Target {name} could not be found in protection group {group.name}.")
        if group.retention_lock == "ratcheted":
            raise Refused(name, "Protection group is ratcheted; targets cannot be removed.")  # own wording
        del group.targets[name.lower()]
        array.fabric.replication.untargeted(array, group, target)
        return {}

    groups = [local(array, name) for name in query.required("group_names")]
    members = query.required("member_names")
    return [item for group in groups for item in each(members, partial(act, group))]


def _items(array: Array, group: Group) -> list[Item]:
    if not group.is_local:
        return [_item(group, array.name, group.allowed)]
    return [_item(group, target.array, target.allowed) for target in group.targets.values()]


def _item(group: Group, member: str, allowed: bool) -> Item:
    return {"group": {"name": group.name, "id": group.id}, "member": {"name": member}, "allowed": allowed}
