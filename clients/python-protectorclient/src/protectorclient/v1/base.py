"""What the managers of all nouns share: paths, and finding a thing by its name or id."""

import uuid
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from protectorclient import exceptions
from protectorclient.v1.transport import Transport


class Resource(dict[str, Any]):
    """A record as the API answered it; its keys can be read as attributes too. A key it lacks reads as None.

    An older server leaves out what came later, which is no reason for a caller to fail.
    """

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self.get(name)


Resources = list[Resource]
"""Said once: inside a manager the word `list` is its own method."""


class Manager:
    """One noun of the API."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def _project_path(self, *parts: str) -> str:
        return _path("v1", self._transport.project_id, *parts)

    def _get(self, path: str, key: str, params: Mapping[str, Any] | None = None) -> Resource:
        return _one(self._transport.request("GET", path, params=params), key)

    def _list(self, path: str, key: str, params: Mapping[str, Any] | None = None) -> list[Resource]:
        """All of them, however many pages the server makes of it; with a `limit` just that many."""
        query = dict(params or {})
        records: list[Resource] = []
        while True:
            answer = self._transport.request("GET", path, params=query)
            found = answer.get(key) if isinstance(answer, dict) else None
            if not isinstance(found, list):
                raise exceptions.ServerError(200, [exceptions.ErrorEntry("", f"The answer has no list '{key}'")])
            records += [Resource(item) for item in found]
            more = any(link.get("rel") == "next" for link in answer.get(f"{key}_links") or [])
            if not (more and found) or "limit" in query:
                return records
            query["marker"] = found[-1]["id"]

    def _send(
        self, method: str, path: str, body: Mapping[str, Any], key: str, *, secrets: tuple[str, ...] = ()
    ) -> Resource:
        return _one(self._transport.request(method, path, body=body, secrets=secrets), key)

    def _delete(self, path: str) -> None:
        self._transport.request("DELETE", path)


def quoted(text: str) -> str:
    return quote(text, safe="")


def _path(*parts: str) -> str:
    return "".join(f"/{quoted(part)}" for part in parts)


def _one(answer: Any, key: str) -> Resource:
    found = answer.get(key) if isinstance(answer, dict) else None
    if not isinstance(found, dict):
        raise exceptions.ServerError(200, [exceptions.ErrorEntry("", f"The answer has no '{key}'")])
    return Resource(found)


def admin_path(*parts: str) -> str:
    return _path("v1", "admin", *parts)


def given(**values: Any) -> dict[str, Any]:
    """Only what the caller gave: a key that is absent leaves the server's default, or the old value, alone."""
    return {key: value for key, value in values.items() if value is not None}


def pick(records: list[Resource], wanted: str, noun: str) -> Resource:
    """The one record whose id or name is `wanted`."""
    matches = [item for item in records if item.id == wanted] or [item for item in records if item.name == wanted]
    if len(matches) > 1:
        raise exceptions.BadInput(
            f"{len(matches)} {noun}s are called '{wanted}'",
            remedy="Use one of their ids: " + ", ".join(str(item.id) for item in matches),
        )
    if not matches:
        raise not_found(noun, wanted)
    return matches[0]


def not_found(noun: str, wanted: str) -> exceptions.NotFound:
    return exceptions.NotFound(
        404, [exceptions.ErrorEntry("not_found", f"No {noun} with a name or id of '{wanted}' exists")]
    )


def is_id(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True
