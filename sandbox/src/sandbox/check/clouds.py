"""One OpenStack site as its own APIs tell it to the service user, over all projects; or, when it is down, as the simulator's dump does."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from sandbox.check.places import CheckError
from sandbox.check.rest import call

KEY, GROUP, EPOCH, TEST = "protector:key", "protector:group", "protector:epoch", "protector:test"
"""The product's marks in the metadata of servers and volumes; `protector:key` also begins descriptions of ports and volume groups."""
SERVICE_USER = "protector"


@dataclass(frozen=True)
class Server:
    """`status` is Nova's."""

    id: str
    name: str
    status: str
    locked_reason: str | None = None
    locked: bool = False
    task_state: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    volume_ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class Volume:
    """`servers` are those it is attached to, `array_volume` its name on the array where Cinder tells."""

    id: str
    name: str
    status: str
    bootable: bool = False
    metadata: Mapping[str, str] = field(default_factory=dict)
    group_id: str | None = None
    servers: tuple[str, ...] = ()
    array_volume: str | None = None


@dataclass(frozen=True)
class VolumeGroup:
    id: str
    name: str
    status: str
    description: str = ""


@dataclass(frozen=True)
class Port:
    id: str
    name: str
    device_id: str = ""
    description: str = ""


@dataclass(frozen=True)
class Trust:
    """One that is given to the service user."""

    id: str
    project_id: str


@dataclass(frozen=True)
class Site:
    """`backdoor`: seen through the simulator's dump, because the APIs do not answer."""

    name: str
    servers: tuple[Server, ...] = ()
    volumes: tuple[Volume, ...] = ()
    groups: tuple[VolumeGroup, ...] = ()
    ports: tuple[Port, ...] = ()
    trusts: tuple[Trust, ...] = ()
    backdoor: bool = False


def login_of(clouds_yaml: Path | str, site: str) -> Mapping[str, str]:
    """The service user's entry `<site>-protector`; CheckError when the file has none."""
    try:
        content = yaml.safe_load(Path(clouds_yaml).read_text())
        auth: Mapping[str, str] = content["clouds"][f"{site}-{SERVICE_USER}"]["auth"]
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        raise CheckError(f"{clouds_yaml} has no cloud {site}-{SERVICE_USER} to look with: {error}") from error
    return auth


class _Session:
    """A token of the service user and the catalog that came with it."""

    def __init__(self, auth: Mapping[str, str]) -> None:
        user = {
            "name": auth["username"],
            "password": auth["password"],
            "domain": {"name": auth["user_domain_name"]},
        }
        scope = {"project": {"name": auth["project_name"], "domain": {"name": auth["project_domain_name"]}}}
        identity = {"methods": ["password"], "password": {"user": user}}
        asked = {"auth": {"identity": identity, "scope": scope}}
        answer, headers = call(f"{auth['auth_url']}/auth/tokens", body=asked)
        self.user_id = str(answer["token"]["user"]["id"])
        self._token = headers["X-Subject-Token"]
        self._urls = {item["type"]: item["endpoints"][0]["url"] for item in answer["token"]["catalog"]}

    def items(self, service: str, path: str, key: str, version: str = "") -> Iterable[dict[str, Any]]:
        """All pages of a list."""
        headers = {"X-Auth-Token": self._token, **({"OpenStack-API-Version": version} if version else {})}
        url: str | None = self._urls[service] + path
        while url is not None:
            body, _ = call(url, headers=headers)
            yield from body[key]
            links = body.get(f"{key}_links") or ()
            url = next((link["href"] for link in links if link["rel"] == "next"), None)


def read(site: str, auth: Mapping[str, str]) -> Site:
    """Through the APIs. Raises rest.Unanswered."""
    session = _Session(auth)
    everything = "detail?all_tenants=1"
    return Site(
        site,
        _all(_server, session.items("compute", f"/servers/{everything}", "servers", "compute 2.73")),
        _all(_volume, session.items("volumev3", f"/volumes/{everything}", "volumes", "volume 3.21")),
        _all(_group, session.items("volumev3", f"/groups/{everything}", "groups", "volume 3.38")),
        _all(_port, session.items("network", "/v2.0/ports", "ports")),
        _all(_trust, session.items("identity", f"/OS-TRUST/trusts?trustee_user_id={session.user_id}", "trusts")),
    )


def _all(make: Callable[[dict[str, Any]], Any], items: Iterable[dict[str, Any]]) -> tuple[Any, ...]:
    return tuple(make(item) for item in items)


def _server(body: dict[str, Any]) -> Server:
    return Server(
        body["id"],
        body["name"],
        body["status"],
        body.get("locked_reason"),
        bool(body.get("locked")),
        body.get("OS-EXT-STS:task_state"),
        body["metadata"],
        tuple(entry["id"] for entry in body["os-extended-volumes:volumes_attached"]),
    )


def _volume(body: dict[str, Any]) -> Volume:
    return Volume(
        body["id"],
        body.get("name") or "",
        body["status"],
        str(body.get("bootable")).lower() == "true",
        body["metadata"],
        body.get("group_id"),
        tuple(entry["server_id"] for entry in body["attachments"]),
        body.get("provider_id"),
    )


def _group(body: dict[str, Any]) -> VolumeGroup:
    return VolumeGroup(body["id"], body.get("name") or "", body["status"], body.get("description") or "")


def _port(body: dict[str, Any]) -> Port:
    return Port(body["id"], body.get("name") or "", body.get("device_id") or "", body.get("description") or "")


def _trust(body: dict[str, Any]) -> Trust:
    return Trust(body["id"], body.get("project_id") or "")


def of_dump(site: str, dump: Mapping[str, Any]) -> Site:
    """What the simulator says of a site whose APIs do not answer."""
    service = dump["users"].get(SERVICE_USER)
    return Site(
        site,
        tuple(_dumped_server(item) for item in dump["servers"]),
        tuple(_dumped_volume(item) for item in dump["volumes"]),
        _all(_group, dump["groups"]),
        _all(_port, dump["ports"]),
        tuple(_trust(item) for item in dump["trusts"] if item["trustee"] == service),
        backdoor=True,
    )


def _dumped_server(item: dict[str, Any]) -> Server:
    return Server(
        item["id"],
        item["name"],
        item["status"],
        item["lock_reason"],
        item["locked_by"] is not None,
        item["task_state"],
        item["metadata"],
        tuple(disk["volume_id"] for disk in item["disks"] if disk["volume_id"]),
    )


def _dumped_volume(item: dict[str, Any]) -> Volume:
    return Volume(
        item["id"],
        item["name"] or "",
        item["status"],
        item["bootable"],
        item["metadata"],
        item["group_id"],
        tuple(item["servers"]),
        item["array_volume"],
    )
