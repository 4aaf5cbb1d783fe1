"""Pods on one array only.

They can be made, filled, emptied and destroyed, and everything that Cinder's start-up reads about them is there.
Stretching them over two arrays and linking them are refused in plain words: a pretended one would lie to its users.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from sandbox.array import names
from sandbox.array.errors import Refused, each
from sandbox.array.listing import Item, Query
from sandbox.array.model import Pod
from sandbox.array.routes import Body, route

if TYPE_CHECKING:
    from sandbox.array.array import Array

_NO_STRETCH = "Stretched pods (ActiveCluster) are not available on this simulated array."
_NO_LINK = "Pod replica links (ActiveDR) are not available on this simulated array."


def _render(array: Array, pod: Pod) -> Item:
    member = {
        "id": array.id,
        "name": array.name,
        "status": "online",
        "progress": None,
        "frozen_at": None,
        "mediator_status": "online",
        "pre_elected": False,
    }
    return {
        "id": pod.id,
        "name": pod.name,
        "array_count": 1,
        "arrays": [member],
        "failover_preferences": [],
        "mediator": "purestorage",
        "mediator_version": "1",
        "promotion_status": "promoted",
        "requested_promotion_state": "promoted",
        "link_source_count": 0,
        "link_target_count": 0,
        "quota_limit": None,
        "source": {},
        "footprint": 0,
        "destroyed": pod.destroyed,
        "time_remaining": array.time_remaining(pod),
    }


@route("GET", "pods")
def get(array: Array, query: Query, body: Body) -> list[Item]:
    """By names (absent is an error), or all."""
    wanted = query.items("names")
    chosen = array.pods if wanted is None else each(wanted, array.pods.need)
    return [_render(array, pod) for pod in chosen]


@route("POST", "pods", "names", "failover_preferences quota_limit")
def post(array: Array, query: Query, body: Body) -> list[Item]:
    """Create, empty and on this array alone."""

    def act(name: str) -> Item:
        names.check_simple(name, "pod")
        return _render(array, array.pods.add(Pod(name)))

    return each(query.required("names"), act)


@route("PATCH", "pods", "names destroy_contents", "name destroyed failover_preferences mediator quota_limit")
def patch(array: Array, query: Query, body: Body) -> list[Item]:
    """Destroy (an empty one) or recover."""
    if "name" in body:
        raise Refused(None, "The simulated array does not rename pods.")

    def act(name: str) -> Item:
        pod = array.pods.need(name)
        if body.get("destroyed") is True:
            if any(names.pod_of(thing.name) == pod.name for thing in (*array.volumes, *array.groups)):
                raise Refused(name, "Pod is not empty.")  # own wording
            array.destroy(pod, partial(array.pods.remove, pod))
        elif body.get("destroyed") is False:
            array.recover(pod, "Pod")
        return _render(array, pod)

    return each(query.required("names"), act)


@route("DELETE", "pods", "names eradicate_contents")
def delete(array: Array, query: Query, body: Body) -> list[Item]:
    """Eradicate what is destroyed."""

    def act(name: str) -> Item:
        pod = array.pods.need(name)
        array.check_eradicable(pod, "Pod", name)
        array.pods.remove(pod)
        return {}

    return each(query.required("names"), act)


@route("GET", "pods/arrays", "group_names member_names")
def get_arrays(array: Array, query: Query, body: Body) -> list[Item]:
    """Every pod stands on this array."""
    wanted = query.items("group_names")
    chosen = array.pods if wanted is None else each(wanted, array.pods.need)
    return [{"group": {"name": pod.name, "id": pod.id}, "member": {"name": array.name}} for pod in chosen]


@route("POST", "pods/arrays", "group_names member_names")
@route("DELETE", "pods/arrays", "group_names member_names with_unknown")
def refuse_stretch(array: Array, query: Query, body: Body) -> list[Item]:
    """Say plainly that pods stay on one array."""
    raise Refused(query.raw.get("group_names"), _NO_STRETCH)


@route("GET", "pod-replica-links", "local_pod_names remote_pod_names remote_names")
@route("GET", "pod-replica-links/lag", "local_pod_names remote_pod_names remote_names")
def get_links(array: Array, query: Query, body: Body) -> list[Item]:
    """There are none."""
    return []


@route("POST", "pod-replica-links", "local_pod_names remote_pod_names remote_names", None)
def refuse_link(array: Array, query: Query, body: Body) -> list[Item]:
    """Say plainly that pods cannot be linked."""
    raise Refused(query.raw.get("local_pod_names"), _NO_LINK)


@route("GET", "container-default-protections")
def get_default_protections(array: Array, query: Query, body: Body) -> list[Item]:
    """The groups that SafeMode makes new volumes join, of the array (its name, or empty) and of pods."""
    wanted = query.items("names")
    if wanted is None:
        wanted = [array.name, *(pod.name for pod in array.pods)]
    return each(wanted or [array.name], lambda name: _protections(array, name))


@route("PATCH", "container-default-protections", "names", "default_protections")
def patch_default_protections(array: Array, query: Query, body: Body) -> list[Item]:
    """Choose those groups; they must exist."""
    chosen = each([entry["name"] for entry in body.get("default_protections") or []], array.groups.alive)

    def act(name: str) -> Item:
        if name.lower() == array.name.lower():
            array.default_protections = [group.name for group in chosen]
        else:
            array.pods.alive(name).default_protections = [group.name for group in chosen]
        return _protections(array, name)

    return each(query.items("names") or [array.name], act)


def _protections(array: Array, name: str) -> Item:
    own = name.lower() == array.name.lower()
    listed = array.default_protections if own else array.pods.need(name).default_protections
    groups = [{"name": group, "type": "protection_group"} for group in listed]
    return {"name": name, "type": "" if own else "pod", "default_protections": groups}
