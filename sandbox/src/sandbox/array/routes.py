"""The table of an array's calls: which method and path, which parameters it takes, who answers.

A parameter or body key that a call does not know is refused (own wording): a client's typing error must not pass here
and fail on a real array.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.array.errors import Refused
from sandbox.array.listing import LIST_KEYS, Item, Query

if TYPE_CHECKING:
    from sandbox.array.array import Array

Body = dict[str, Any]
Handler = Callable[["Array", Query, Any], list[Item]]
ROUTES: dict[tuple[str, str], Route] = {}
_EVERYWHERE = frozenset({"allow_errors", "context_names"})


@dataclass(frozen=True)
class Route:
    """`body` None means that any body will do (lists, free forms)."""

    handler: Handler
    query: frozenset[str]
    body: frozenset[str] | None

    def check(self, query: Query, body: Any) -> None:
        """Refuse what this call does not know."""
        unknown = query.raw.keys() - self.query - _EVERYWHERE
        if unknown:
            raise Refused(None, f"Unknown query parameter '{min(unknown)}'.")
        query.names_or_ids()
        if self.body is None or body is None:
            return
        if not isinstance(body, dict):
            raise Refused(None, "The body must be a JSON object.")
        if body.keys() - self.body:
            raise Refused(None, f"Unknown body parameter '{min(body.keys() - self.body)}'.")


def route(method: str, path: str, query: str = "", body: str | None = "") -> Callable[[Handler], Handler]:
    """Register a handler; GET calls take the common list parameters as well."""

    def register(handler: Handler) -> Handler:
        keys = frozenset(query.split()) | (LIST_KEYS if method == "GET" else frozenset())
        ROUTES[method, path] = Route(handler, keys, None if body is None else frozenset(body.split()))
        return handler

    return register
