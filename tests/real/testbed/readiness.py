"""When a site is ready: its APIs answer, and its workers have reported after this start.

A worker's row says "up" for a minute after its death, so only a report that is younger than the start counts.
"""

import datetime
import time
from collections.abc import Mapping
from typing import Any

import httpx

from .errors import StartError
from .layout import ADMIN_PASSWORD, BACKEND, Site
from .process import Supervisor, wait_until

NOVA_WORKERS = frozenset({"nova-conductor", "nova-scheduler", "nova-compute"})


def wait_for_keystone(site: Site, supervisor: Supervisor, seconds: float = 120) -> str:
    """A token of the bootstrap administrator, as soon as Keystone gives one."""
    client = httpx.Client(timeout=10, trust_env=False)

    def probe() -> str | None:
        supervisor.require(site.name)
        try:
            answer = client.post(
                f"{site.url('keystone')}/auth/tokens", json=_password("admin", ADMIN_PASSWORD, "admin")
            )
        except httpx.TransportError:
            return None
        return answer.headers["X-Subject-Token"] if answer.status_code == 201 else None

    with client:
        return wait_until(f"Keystone of {site.name}", probe, seconds=seconds)


def wait_for_site(site: Site, supervisor: Supervisor, since: float, seconds: float = 240) -> None:
    """Return when everything of a site works; `since` is when its start began (seconds since the epoch).

    StartError names what is missing, or shows the log of a process that died.
    """
    token = wait_for_keystone(site, supervisor, seconds)
    deadline = time.monotonic() + seconds
    with httpx.Client(timeout=20, trust_env=False, headers={"X-Auth-Token": token}) as client:
        while missing := _missing(client, site, since):
            supervisor.require(site.name)
            if time.monotonic() > deadline:
                raise StartError(f"{site.name} is not ready after {seconds:.0f} s, missing: {', '.join(missing)}")
            time.sleep(0.5)


def _missing(client: httpx.Client, site: Site, since: float) -> list[str]:
    """What does not answer or has not reported yet."""
    paths = {"placement": "/", "neutron": "/v2.0/networks", "glance": "/v2/images"}
    missing = [service for service, path in paths.items() if _get(client, site.url(service) + path) is None]
    nova = _services(client, site.url("nova") + "/v2.1/os-services")
    cinder = _services(client, site.url("cinder") + "/v3/os-services")
    missing += sorted(NOVA_WORKERS - {row["binary"] for row in nova if _reported(row, since)})
    workers = {"cinder-scheduler": site.name, "cinder-volume": f"{site.name}@{BACKEND}"}
    hosts = {(row["binary"], row["host"]) for row in cinder if _reported(row, since)}
    return missing + [binary for binary, host in workers.items() if (binary, host) not in hosts]


def _services(client: httpx.Client, url: str) -> list[Mapping[str, Any]]:
    body = _get(client, url)
    return body["services"] if body is not None else []


def _get(client: httpx.Client, url: str) -> Any:
    """The body of a good answer; None for any other, or none at all."""
    try:
        answer = client.get(url)
    except httpx.TransportError:
        return None
    return answer.json() if answer.status_code == 200 else None


def _reported(row: Mapping[str, Any], since: float) -> bool:
    """Whether a worker is up by a report of this start (rows carry whole seconds of UTC)."""
    if row["state"] != "up" or not row["updated_at"]:
        return False
    reported = datetime.datetime.fromisoformat(row["updated_at"]).replace(tzinfo=datetime.UTC)
    return reported.timestamp() >= int(since)


def _password(user: str, password: str, project: str) -> dict[str, Any]:
    """The body of a password authentication in the default domain, scoped to a project."""
    domain = {"id": "default"}
    account = {"name": user, "domain": domain, "password": password}
    scope = {"project": {"name": project, "domain": domain}}
    return {"auth": {"identity": {"methods": ["password"], "password": {"user": account}}, "scope": scope}}
