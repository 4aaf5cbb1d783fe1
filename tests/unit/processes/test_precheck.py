"""What the API finds on a cloud before it accepts a request."""

import dataclasses
from types import SimpleNamespace
from typing import Any

import pytest

from siterecovery.protector.clouds.base import CinderVolume, Server, VolumeType
from siterecovery.protector.domain.errors import TokenRejected
from siterecovery.protector.domain.member import Member, Rebuild, Volume
from siterecovery.protector.processes.precheck import CloudPrecheck

GOLD = VolumeType("t-gold", "gold", True, "async", "array")
NOVA = {
    "maxTotalInstances": 10,
    "totalInstancesUsed": 9,
    "maxTotalCores": -1,
    "totalCoresUsed": 50,
    "maxTotalRAMSize": 4096,
    "totalRAMUsed": 2048,
}
CINDER = {"maxTotalVolumes": 10, "totalVolumesUsed": 9, "maxTotalVolumeGigabytes": 100, "totalGigabytesUsed": 95}


@dataclasses.dataclass
class FakeClouds:
    """One site: these servers, volumes and types; `delegated` False: the tenant's trust does not work."""

    servers: list[Server]
    volumes: list[CinderVolume]
    delegated: bool = True

    def service(self, site_id: str, project_id: str) -> Any:
        mine = [server for server in self.servers if server.project_id == project_id]
        compute = SimpleNamespace(
            server=lambda wanted: next((s for s in self.servers if s.id == wanted), None), servers=lambda: mine
        )
        volumes = SimpleNamespace(
            volume_type=lambda wanted: GOLD if wanted in ("gold", "t-gold") else self._other(wanted),
            volumes=lambda volume_ids: [v for v in self.volumes if v.id in volume_ids],
        )
        return SimpleNamespace(project_id=project_id, compute=compute, volumes=volumes)

    def tenant(self, site_id: str, project_id: str) -> Any:
        if not self.delegated:
            raise TokenRejected("The trust is gone.", remedy="Create it again.")
        return SimpleNamespace(
            identity=SimpleNamespace(check=lambda age=0.0: None),
            networks=SimpleNamespace(networks=lambda wanted: [("n1", "web")] if wanted in ("n1", "web") else []),
            compute=SimpleNamespace(flavor=lambda wanted: "f1" if wanted == "m1" else None),
        )

    def _other(self, wanted: str) -> VolumeType | None:
        return {
            "tin": VolumeType("t", "tin", False, None, "lvm"),
            "pod": VolumeType("p", "pod", True, "sync", "a"),
        }.get(wanted)


def precheck(**given: Any) -> CloudPrecheck:
    servers = [Server("i-1", "web", "ACTIVE", volume_ids=("v1", "v2"), project_id="p")]
    servers += [Server("i-2", "theirs", "ACTIVE", project_id="q"), Server("i-3", "bare", "ACTIVE", project_id="p")]
    volumes = [CinderVolume("v1", "boot", "in-use", 1, volume_type="gold")]
    volumes += [CinderVolume("v2", "data", "in-use", 1, volume_type=given.pop("second", "gold"))]
    limits = (given.pop("nova", NOVA), given.pop("cinder", CINDER))
    clouds: Any = FakeClouds(servers, volumes, **given)
    return CloudPrecheck(clouds, lambda site, project: limits, lambda site_id: f"site-{site_id}")


@pytest.mark.parametrize(
    ("name", "codes"),
    [
        ("gold", []),
        ("t-gold", []),
        ("tin", ["volume_type.not_replicated"]),
        ("pod", ["volume_type.other_replication"]),
        ("lead", ["volume_type.not_found"]),
    ],
)
def test_a_volume_type_must_replicate_the_groups_way(name: str, codes: list[str]) -> None:
    """Told with the site's name."""
    found = precheck().volume_type("a", name, "async")
    assert [item.code for item in found.unmet] == codes
    assert all("site-a" in item.detail for item in found.unmet)


@pytest.mark.parametrize(
    ("name", "second", "codes"),
    [
        ("web", "gold", []),
        ("i-1", "gold", []),
        ("web", "tin", ["member.volume_type"]),
        ("bare", "gold", ["member.no_volumes"]),
        ("i-2", "gold", ["instance.not_found"]),
        ("theirs", "gold", ["instance.not_found"]),
        ("nobody", "gold", ["instance.not_found"]),
    ],
)
def test_an_instance_must_be_the_projects_own_and_on_the_groups_type(name: str, second: str, codes: list[str]) -> None:
    """Another project's instance is told as one that does not exist."""
    found = precheck(second=second).instance("a", "p", name, "gold")
    assert [item.code for item in found.unmet] == codes


def test_quota_tells_all_that_is_short() -> None:
    """With figures; -1 is no limit."""
    members = [Member(f"m{i}", "g", "i", "n", rebuild=Rebuild("f", "m", {"vcpus": 4, "ram": 1024})) for i in range(2)]
    volumes = [Volume("v", "g", "m0", "c", "disk", 6)]
    found = precheck().quota("b", "p", members, volumes)
    assert [item.detail.partition("room for ")[2] for item in found] == [
        "1 instances, 2 are needed.",
        "5 GiB of volumes, 6 are needed.",
    ]


def test_without_a_delegation_only_that_is_told() -> None:
    """Not a quota or a network that could not be looked at."""
    bare = precheck(delegated=False)
    assert [item.code for item in bare.delegated("b", "p")] == ["delegation.missing"]
    assert (bare.networks("b", "p", "web"), bare.flavors("b", "p", "m1")) == ([], [])
    assert precheck().delegated("b", "p") == []
    assert (precheck().networks("b", "p", "web"), precheck().flavors("b", "p", "m1")) == (["n1"], ["f1"])
