"""Queries in, envelopes out: what every list call has in common."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from sandbox.array.errors import Refused
from sandbox.array.filters import compile_filter

Item = dict[str, Any]
LIST_KEYS = frozenset(
    [
        "names",
        "ids",
        "filter",
        "sort",
        "limit",
        "offset",
        "continuation_token",
        "total_item_count",
        "total_only",
        "destroyed",
    ]
)


class Query:
    """The query string of one call; lists are comma separated."""

    def __init__(self, raw: Mapping[str, str]) -> None:
        self.raw = raw

    def items(self, key: str) -> list[str] | None:
        """The items, or None when the key is absent; an empty value is an empty list."""
        value = self.raw.get(key)
        return None if value is None else [item for item in value.split(",") if item]

    def required(self, key: str) -> list[str]:
        """The items; refuses (own wording) when the key is absent."""
        items = self.items(key)
        if items is None:
            raise Refused(None, f"Missing required parameter '{key}'.")
        return items

    def flag(self, key: str, default: bool = False) -> bool:
        """A boolean, written true or false; anything else is refused."""
        value = self.raw.get(key)
        if value is None:
            return default
        if value.lower() not in ("true", "false"):
            raise Refused(key, f"Parameter '{key}' must be true or false.")
        return value.lower() == "true"

    def number(self, key: str) -> int | None:
        """A whole number, 0 or more."""
        value = self.raw.get(key)
        if value is None:
            return None
        if not value.isdigit():
            raise Refused(key, f"Parameter '{key}' must be a whole number.")
        return int(value)

    def names_or_ids(self) -> None:
        """Refuse (own wording) both at once."""
        if "names" in self.raw and "ids" in self.raw:
            raise Refused(None, "Only one of 'names' and 'ids' can be specified.")


def envelope(items: Sequence[Item]) -> dict[str, Any]:
    """The answer of a change: everything it touched, on one page."""
    return {"items": list(items), "more_items_remaining": False, "continuation_token": None, "total_item_count": None}


def page(items: list[Item], query: Query, cap: int) -> dict[str, Any]:
    """Filter, sort and cut a list as the query says; `cap` is the most one page holds."""
    items = _select(items, query)
    total = len(items)
    start = _start(query)
    limit = query.number("limit")
    end = start + min(cap, cap if limit is None else limit)
    shown = [] if query.flag("total_only") else items[start:end]
    more = bool(shown) and end < total
    token = more and not query.raw.get("sort")  # a sorted list is paged by offset
    return {
        "items": shown,
        "more_items_remaining": more,
        "continuation_token": base64.urlsafe_b64encode(f"at:{end}".encode()).decode() if token else None,
        "total_item_count": total if query.flag("total_item_count") or limit == 0 else None,
    }


def _select(items: list[Item], query: Query) -> list[Item]:
    if "destroyed" in query.raw:
        wanted = query.flag("destroyed")
        items = [item for item in items if item.get("destroyed", False) == wanted]
    if query.raw.get("filter"):
        test = compile_filter(query.raw["filter"])
        items = [item for item in items if test(item)]
    for key in reversed(query.items("sort") or []):
        items = _sorted(items, key)
    return items


def _sorted(items: list[Item], key: str) -> list[Item]:
    """Absent values go last, whatever the direction."""
    parts = key.rstrip("-").split(".")

    def value(item: Item) -> Any:
        found: Any = item
        for part in parts:
            found = found.get(part) if isinstance(found, dict) else None
        return found.lower() if isinstance(found, str) else found

    present = [item for item in items if value(item) is not None]
    absent = [item for item in items if value(item) is None]
    return sorted(present, key=value, reverse=key.endswith("-")) + absent


def _start(query: Query) -> int:
    token = query.raw.get("continuation_token")
    if not token:
        return query.number("offset") or 0
    if query.raw.get("sort"):
        raise Refused(None, "A continuation token can only be used with the default sort order.")
    try:
        head, _, at = base64.urlsafe_b64decode(token).decode().partition(":")
        if head != "at":
            raise ValueError(head)
        return int(at)
    except ValueError as error:
        raise Refused(None, "Invalid continuation token.") from error
