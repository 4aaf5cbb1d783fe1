"""Filtering, sorting and paging of collections, as Nova, Cinder and Neutron share them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import urlencode

from sandbox.cloud.errors import BadRequest

Item = TypeVar("Item")


def whole(query: Mapping[str, str], key: str) -> int | None:
    """A non-negative number of the query; 400 for anything else."""
    text = query.get(key)
    if text is None or text == "":
        return None
    if not text.isdigit():
        raise BadRequest(f"{key} param must be an integer")
    return int(text)


def page(
    items: Sequence[Item], query: Mapping[str, str], key: Callable[[Item], str], most: int = 1000
) -> tuple[Sequence[Item], bool]:
    """One page after `marker` of at most `limit` items, and whether there are more; an unknown marker is a 400."""
    start = 0
    marker = query.get("marker")
    if marker:
        start = _after(items, marker, key)
    limit = whole(query, "limit")
    size = most if limit is None else min(limit, most)
    chosen = items[start : start + size]
    return chosen, start + size < len(items)


def _after(items: Sequence[Item], marker: str, key: Callable[[Item], str]) -> int:
    for index, item in enumerate(items):
        if key(item) == marker:
            return index + 1
    raise BadRequest(f"marker [{marker}] not found")


def next_link(base: str, query: Mapping[str, str], marker: str) -> list[dict[str, str]]:
    """The link list that points to the page after `marker`."""
    parameters = [(name, value) for name, value in query.items() if name != "marker"]
    return [{"rel": "next", "href": f"{base}?{urlencode([*parameters, ('marker', marker)])}"}]


def ordered(items: Iterable[Item], query: Mapping[str, str], fields: Mapping[str, Callable[[Item], Any]]) -> list[Item]:
    """Sort by `sort_key`/`sort_dir` or `sort=key:dir,…`; newest first without either; unknown keys are a 400."""
    wanted = _sorting(query)
    result = list(items)
    for name, direction in reversed(wanted):
        if name not in fields:
            raise BadRequest(f"Sort key {name} is not allowed")
        result.sort(key=fields[name], reverse=direction == "desc")
    if not wanted:
        result.reverse()
    return result


def _sorting(query: Mapping[str, str]) -> list[tuple[str, str]]:
    if "sort" in query:
        pairs = [part.partition(":") for part in query["sort"].split(",") if part]
        return [(name, direction or "desc") for name, _, direction in pairs]
    return [(query["sort_key"], query.get("sort_dir", "desc"))] if "sort_key" in query else []
