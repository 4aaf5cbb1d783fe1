"""Volume groups: names in front of volumes, with a common QoS."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from sandbox.array import names
from sandbox.array.errors import Refused, each
from sandbox.array.listing import Item, Query
from sandbox.array.model import VolumeGroup
from sandbox.array.routes import Body, route

if TYPE_CHECKING:
    from sandbox.array.array import Array


def _render(array: Array, vgroup: VolumeGroup) -> Item:
    return {
        "id": vgroup.id,
        "name": vgroup.name,
        "destroyed": vgroup.destroyed,
        "time_remaining": array.time_remaining(vgroup),
        "qos": vgroup.qos,
        "volume_count": sum(1 for v in array.volumes if names.volume_group_of(v.name) == vgroup.name),
    }


@route("GET", "volume-groups")
def get(array: Array, query: Query, body: Body) -> list[Item]:
    """By names (absent is an error), or all."""
    wanted = query.items("names")
    chosen = array.volume_groups if wanted is None else each(wanted, array.volume_groups.need)
    return [_render(array, vgroup) for vgroup in chosen]


@route("POST", "volume-groups", "names", "qos priority_adjustment")
def post(array: Array, query: Query, body: Body) -> list[Item]:
    """Create, empty."""

    def act(name: str) -> Item:
        names.check_simple(name, "volume group")
        return _render(array, array.volume_groups.add(VolumeGroup(name, qos=body.get("qos") or {})))

    return each(query.required("names"), act)


@route("PATCH", "volume-groups", "names", "name destroyed qos priority_adjustment")
def patch(array: Array, query: Query, body: Body) -> list[Item]:
    """Destroy, recover or set QoS; renaming would rename its volumes and is refused here."""
    if "name" in body:
        raise Refused(None, "The simulated array does not rename volume groups.")

    def act(name: str) -> Item:
        vgroup = array.volume_groups.need(name)
        if body.get("destroyed") is True:
            if _render(array, vgroup)["volume_count"]:
                raise Refused(name, "Volume group is not empty.")  # own wording
            array.destroy(vgroup, partial(array.volume_groups.remove, vgroup))
        elif body.get("destroyed") is False:
            array.recover(vgroup, "Volume group")
        vgroup.qos = body.get("qos") or vgroup.qos
        return _render(array, vgroup)

    return each(query.required("names"), act)


@route("DELETE", "volume-groups", "names")
def delete(array: Array, query: Query, body: Body) -> list[Item]:
    """Eradicate what is destroyed."""

    def act(name: str) -> Item:
        vgroup = array.volume_groups.need(name)
        array.check_eradicable(vgroup, "Volume group", name)
        array.volume_groups.remove(vgroup)
        return {}

    return each(query.required("names"), act)
