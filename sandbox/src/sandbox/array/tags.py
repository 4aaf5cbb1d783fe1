"""Labels on volumes: how Cinder marks its own, and how orphans are found after a crash."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.array.errors import Refused, each
from sandbox.array.listing import Item, Query
from sandbox.array.model import Tag, Volume
from sandbox.array.routes import Body, route

if TYPE_CHECKING:
    from sandbox.array.array import Array

_KEY_LENGTH, _VALUE_LENGTH, _BATCH = 64, 256, 30
_DEFAULT_NAMESPACE = "default"


@route("GET", "volumes/tags", "resource_names resource_ids namespaces")
def get(array: Array, query: Query, body: Body) -> list[Item]:
    """All tags of the asked volumes (all volumes when none is named) in the asked namespaces."""
    wanted, ids, spaces = query.items("resource_names"), query.items("resource_ids"), query.items("namespaces")
    if wanted is not None:
        volumes = each(wanted, array.volumes.need)
    else:
        volumes = list(array.volumes) if ids is None else [v for v in map(array.volumes.by_id, ids) if v]
    return [
        _render(volume, tag) for volume in volumes for tag in volume.tags if spaces is None or tag.namespace in spaces
    ]


@route("PUT", "volumes/tags/batch", "resource_names resource_ids", None)
def put(array: Array, query: Query, body: Any) -> list[Item]:
    """Set tags, the same ones on every volume; a key that is there gets the new value."""
    if not isinstance(body, list) or not all(isinstance(entry, dict) and entry.get("key") for entry in body):
        raise Refused(None, "The body must be a list of tags.")  # own wording
    if len(body) > _BATCH:
        raise Refused(None, f"At most {_BATCH} tags can be set in one call.")  # own wording
    tags = [_parse(entry) for entry in body]

    def act(name: str) -> list[Item]:
        volume = array.volumes.need(name)
        for tag in tags:
            _remove(volume, {tag.namespace}, {tag.key})
            volume.tags.append(Tag(tag.namespace, tag.key, tag.value, tag.copyable))
        return [_render(volume, tag) for tag in tags]

    return [item for items in each(query.required("resource_names"), act) for item in items]


@route("DELETE", "volumes/tags", "resource_names resource_ids namespaces keys")
def delete(array: Array, query: Query, body: Body) -> list[Item]:
    """Remove tags by namespace (default namespace when none is given) and key (all when none is given)."""
    spaces = set(query.items("namespaces") or [_DEFAULT_NAMESPACE])
    keys = query.items("keys")

    def act(name: str) -> Item:
        _remove(array.volumes.need(name), spaces, None if keys is None else set(keys))
        return {}

    return each(query.required("resource_names"), act)


def _parse(entry: dict[str, Any]) -> Tag:
    key, value = str(entry["key"]), str(entry.get("value") or "")
    if len(key) > _KEY_LENGTH or len(value) > _VALUE_LENGTH:
        # Own wording; the limits are Pure's.
        raise Refused(key, f"A tag has at most {_KEY_LENGTH} characters in its key and {_VALUE_LENGTH} in its value.")
    copyable = entry.get("copyable")
    return Tag(str(entry.get("namespace") or _DEFAULT_NAMESPACE), key, value, copyable is None or bool(copyable))


def _remove(volume: Volume, spaces: set[str], keys: set[str] | None) -> None:
    volume.tags = [t for t in volume.tags if t.namespace not in spaces or (keys is not None and t.key not in keys)]


def _render(volume: Volume, tag: Tag) -> Item:
    return {
        "resource": {"name": volume.name, "id": volume.id},
        "namespace": tag.namespace,
        "key": tag.key,
        "value": tag.value,
        "copyable": tag.copyable,
    }
