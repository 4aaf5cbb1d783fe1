"""One FlashArray as its own REST API tells it; or, when it is down, as the simulator's dump does."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from sandbox.check.rest import Unanswered, call

NAMESPACE = "protector.siterecovery"
"""Where the product keeps its tags; Cinder's driver has a namespace of its own."""
COPY = re.compile(r"dr[a-z]*-[0-9a-f]{8}-[0-9a-f]{12}-\d{4}")
"""How the product calls the array volumes it copies, before Cinder renames them."""


@dataclass(frozen=True)
class ArrayVolume:
    """`tags` are the product's."""

    id: str
    name: str
    connected: bool = False
    destroyed: bool = False
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ArrayGroup:
    """`local`: made on this array; the others are replicas of another array's. `members` are volume names."""

    name: str
    local: bool = True
    scheduled: bool = False
    destroyed: bool = False
    members: frozenset[str] = frozenset()


@dataclass(frozen=True)
class ArraySnapshot:
    """Of a group: `name` is `<group>.<suffix>`."""

    name: str
    group: str
    suffix: str
    destroyed: bool = False


@dataclass(frozen=True)
class Array:
    """`site` is where it stands. What is destroyed is listed for as long as the array keeps it."""

    name: str
    site: str
    volumes: tuple[ArrayVolume, ...] = ()
    groups: tuple[ArrayGroup, ...] = ()
    snapshots: tuple[ArraySnapshot, ...] = ()
    backdoor: bool = False

    def volume(self, name_or_id: str) -> ArrayVolume | None:
        """One that is not destroyed."""
        return self._standing.get(name_or_id.lower())

    @cached_property
    def _standing(self) -> Mapping[str, ArrayVolume]:
        standing = [volume for volume in self.volumes if not volume.destroyed]
        return {called.lower(): volume for volume in standing for called in (volume.id, volume.name)}

    def group(self, name: str) -> ArrayGroup | None:
        """One that is not destroyed."""
        return next((g for g in self.groups if not g.destroyed and g.name.lower() == name.lower()), None)


class _Session:
    def __init__(self, url: str, token: str, ca_file: str) -> None:
        self._trust = ssl.create_default_context(cafile=ca_file or None)
        offered, _ = call(f"{url}/api/api_version", trust=self._trust)
        newest = max((v for v in offered["version"] if v.startswith("2.")), key=lambda v: int(v.partition(".")[2]))
        self._url = f"{url}/api/{newest}"
        _, headers = call(f"{self._url}/login", headers={"api-token": token}, body={}, trust=self._trust)
        self._headers = {"x-auth-token": headers["x-auth-token"]}

    def items(self, path: str, **query: str) -> Iterable[dict[str, Any]]:
        """All pages of a list."""
        asked = dict(query)
        while True:
            url = f"{self._url}/{path}" + (f"?{urlencode(asked)}" if asked else "")
            body, _ = call(url, headers=self._headers, trust=self._trust)
            yield from body["items"]
            if not body.get("continuation_token"):
                return
            asked["continuation_token"] = body["continuation_token"]

    def end(self) -> None:
        """An array has few places for sessions."""
        call(f"{self._url}/logout", headers=self._headers, body={}, trust=self._trust)


def read(name: str, site: str, described: Mapping[str, Any], ca_file: str) -> Array:
    """Through its REST API. Raises rest.Unanswered."""
    try:
        session = _Session(described["url"], described["token"], ca_file)
    except OSError as error:
        raise Unanswered(f"array {name}: {error}") from error
    tags: dict[str, dict[str, str]] = {}
    for item in session.items("volumes/tags", namespaces=NAMESPACE):
        tags.setdefault(item["resource"]["name"], {})[item["key"]] = item["value"]
    members: dict[str, set[str]] = {}
    for item in session.items("protection-groups/volumes"):
        members.setdefault(item["group"]["name"], set()).add(item["member"]["name"])
    found = Array(
        name,
        site,
        tuple(_volume(item, tags.get(item["name"], {})) for item in session.items("volumes")),
        tuple(_group(item, members.get(item["name"], set())) for item in session.items("protection-groups")),
        tuple(_snapshot(item) for item in session.items("protection-group-snapshots")),
    )
    session.end()
    return found


def _volume(item: Mapping[str, Any], tags: Mapping[str, str]) -> ArrayVolume:
    connected = int(item.get("connection_count") or 0) > 0
    return ArrayVolume(item["id"], item["name"], connected, bool(item.get("destroyed")), tags)


def _group(item: Mapping[str, Any], members: Iterable[str]) -> ArrayGroup:
    scheduled = bool((item.get("replication_schedule") or {}).get("enabled"))
    return ArrayGroup(
        item["name"], bool(item.get("is_local")), scheduled, bool(item.get("destroyed")), frozenset(members)
    )


def _snapshot(item: Mapping[str, Any]) -> ArraySnapshot:
    return ArraySnapshot(item["name"], item["source"]["name"], item["suffix"], bool(item.get("destroyed")))


def of_dump(name: str, site: str, dump: Mapping[str, Any]) -> Array:
    """What the simulator says of an array that does not answer."""
    names = {item["id"]: item["name"] for item in dump["volumes"]}
    return Array(
        name,
        site,
        tuple(_dumped_volume(item) for item in dump["volumes"]),
        tuple(
            ArrayGroup(
                item["name"],
                item["source_array"] is None,
                item["replication_schedule"]["enabled"],
                item["destroyed"],
                frozenset(names[member] for member in item["members"] if member in names),
            )
            for item in dump["groups"]
        ),
        tuple(
            ArraySnapshot(f"{item['name']}.{taken['name']}", item["name"], taken["name"], taken["destroyed"])
            for item in dump["groups"]
            for taken in item["snapshots"].values()
        ),
        backdoor=True,
    )


def _dumped_volume(item: Mapping[str, Any]) -> ArrayVolume:
    tags = {tag["key"]: tag["value"] for tag in item["tags"] if tag["namespace"] == NAMESPACE}
    return ArrayVolume(item["id"], item["name"], bool(item["connections"]), item["destroyed"], tags)
