"""Our clouds against the sandbox's two sites with the demo workload on site-a, one world for the whole folder."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import httpx
import pytest

from sandbox.latency import Latency
from sandbox.world import Running, WorldConfig, background
from siterecovery.protector.clouds.access import SiteAccess
from siterecovery.protector.clouds.base import Server
from siterecovery.protector.clouds.registry import SiteClouds
from siterecovery.protector.clouds.retry import Pace
from siterecovery.protector.domain.secret import Secret

T = TypeVar("T")
_COUNTER = itertools.count(1)


@dataclasses.dataclass
class Sites:
    """The clouds under test, and ways around them: the control port, tokens of people, and time."""

    world: Running
    clouds: SiteClouds
    trusts: dict[tuple[str, str], str]
    projects: dict[str, str]

    def control(self, method: str, path: str, body: Any = None) -> Any:
        answer = httpx.request(method, self.world.description["control"] + path, json=body, timeout=10)
        answer.raise_for_status()
        return answer.json()

    def fault(self, target: str, **rule: Any) -> None:
        self.control("POST", "/faults", {"target": target, **rule})

    def login(self, site: str, user: str = "operator", project: str = "production") -> tuple[Secret, str, str]:
        """(token, user id, project id) of a person."""
        domain = {"name": "Default"}
        auth = {
            "identity": {
                "methods": ["password"],
                "password": {"user": {"name": user, "password": "s3cr3t", "domain": domain}},
            },
            "scope": {"project": {"name": project, "domain": domain}},
        }
        url = self.world.description["sites"][site]["auth_url"].rstrip("/").removesuffix("/v3")
        answer = httpx.post(f"{url}/v3/auth/tokens", json={"auth": auth})
        answer.raise_for_status()
        token = answer.json()["token"]
        return Secret(answer.headers["X-Subject-Token"]), token["user"]["id"], token["project"]["id"]

    def delegate(self, site: str, user: str = "operator") -> None:
        """The tenant's trust, as the API makes it."""
        token, user_id, project = self.login(site, user)
        made = self.clouds.trusts(site).ensure(token, trustor_user_id=user_id, project_id=project)
        self.trusts[site, project] = made

    def until(self, ask: Callable[[], T], enough: Callable[[T], bool]) -> T:
        """Ask again while the world's time passes."""
        answer = ask()
        for _ in range(60):
            if enough(answer):
                return answer
            self.control("POST", "/clock/advance", {"seconds": 1})
            answer = ask()
        raise AssertionError(f"still {answer}")

    def server(self, name: str) -> Server:
        """One of the demo workload, on site-a."""
        found = self.clouds.service("site-a", self.projects["site-a"]).compute.servers()
        return next(server for server in found if server.name == name)

    def blank_volume(self, *, bootable: bool = False) -> str:
        """On site-a, made by the tenant's own hands, not through the code under test."""
        token, _, project = self.login("site-a")
        url = f"{self.world.description['sites']['site-a']['services']['volume']}/v3/{project}/volumes"
        body = {"volume": {"size": 1, "name": self.name("blank"), "volume_type": "replicated-ssd"}}
        answer = httpx.post(url, json=body, headers={"X-Auth-Token": token.reveal()})
        answer.raise_for_status()
        volume: str = answer.json()["volume"]["id"]
        cinder = self.clouds.service("site-a", project).volumes
        self.until(lambda: cinder.volume(volume), lambda seen: seen is not None and seen.status == "available")
        if bootable:
            cinder.set_bootable(volume, True)
        return volume

    def name(self, word: str) -> str:
        return f"{word}-{next(_COUNTER)}"


@pytest.fixture(scope="session")
def sites(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sites]:
    config = WorldConfig(workload=True, latency=Latency())
    with background(tmp_path_factory.mktemp("world"), config) as world:
        trusts: dict[tuple[str, str], str] = {}
        access = {
            site: SiteAccess(site, site, entry["auth_url"], "protector", Secret("protector-s3cr3t"), connect_timeout=2)
            for site, entry in world.description["sites"].items()
        }
        clouds = SiteClouds(
            access,
            own_site="site-a",
            delegation=lambda site, project: trusts.get((site, project)),
            pace=Pace(sleep=lambda seconds: None),
        )
        made = Sites(world, clouds, trusts, {})
        for site in access:
            made.projects[site] = made.login(site)[2]
            made.delegate(site)
        yield made
        clouds.close()


@pytest.fixture(autouse=True)
def whole_world(sites: Sites) -> Iterator[None]:
    """Whatever a test broke is mended."""
    yield
    sites.control("DELETE", "/faults")
