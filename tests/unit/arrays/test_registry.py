"""Which driver a group gets, and which addresses are ever called."""

import dataclasses
from pathlib import Path

import httpx
import pytest

from siterecovery.protector.arrays.flasharray.async_groups import AsyncGroups
from siterecovery.protector.arrays.flasharray.client import ArrayClient
from siterecovery.protector.arrays.mock.driver import MockStorageDriver
from siterecovery.protector.arrays.registry import ArrayDrivers, ArraySettings, PolicyOf, check_allowed
from siterecovery.protector.domain.errors import BadRequest, Forbidden, PreconditionFailed
from siterecovery.protector.domain.policy import Policy
from siterecovery.protector.domain.secret import Secret

POLICY = Policy("g1", "https://a.test", Secret("ta"), "b.test", Secret("tb"), "pg-1")
SETTINGS = ArraySettings(allowed_urls=("https://a.test/", "https://b.test"))


def drivers(policy_of: PolicyOf, settings: ArraySettings = SETTINGS) -> tuple[ArrayDrivers, list[str]]:
    """A registry whose clients reach nothing, and the addresses clients were made for."""
    made: list[str] = []

    def client(url: str, token: Secret) -> ArrayClient:
        made.append(url)
        return ArrayClient(url, token, settings, transport=httpx.MockTransport(lambda request: httpx.Response(500)))

    return ArrayDrivers(policy_of, settings, client=client), made


def test_a_group_without_a_policy_is_an_unmet_precondition() -> None:
    """The remedy names the command."""
    with pytest.raises(PreconditionFailed) as caught:
        drivers(lambda group: None)[0].driver("g1")
    assert "policy create" in caught.value.unmet[0].remedy


def test_one_driver_per_policy_and_one_client_per_array() -> None:
    """Two groups on the same arrays share connections; asking again changes nothing."""
    registry, made = drivers(lambda group: (POLICY, "s1", "s2"))
    assert registry.driver("g1") is registry.driver("g1")
    assert isinstance(registry.driver("g2"), AsyncGroups)
    assert made == ["https://a.test", "https://b.test"]


def test_a_changed_policy_gets_a_new_driver() -> None:
    """A new token is used at once; a new interval alone changes no connection."""
    policies = [POLICY]
    registry, _ = drivers(lambda group: (policies[-1], "s1", "s2"))
    first = registry.driver("g1")
    policies.append(dataclasses.replace(POLICY, replication_interval=900))
    assert registry.driver("g1") is first
    policies.append(dataclasses.replace(POLICY, primary_fa_token=Secret("new")))
    assert registry.driver("g1") is not first


@pytest.mark.parametrize("url", ["https://169.254.169.254", "https://a.test:8443", "https://a.test.evil.test"])
def test_addresses_nobody_allowed_are_never_called(url: str) -> None:
    """The refusal names the option an administrator can change, and no client is made."""
    registry, made = drivers(lambda group: (dataclasses.replace(POLICY, secondary_fa_url=url), "s1", "s2"))
    with pytest.raises(Forbidden) as caught:
        registry.driver("g1")
    assert "[storage] allowed_array_urls" in caught.value.remedy
    assert made == []


def test_allowed_addresses_are_compared_in_one_form() -> None:
    """A trailing slash or a missing scheme makes no difference."""
    assert check_allowed("a.test", SETTINGS) == "https://a.test"


@pytest.mark.parametrize("name", ["mock", "MockStorageDriver"])
def test_the_mock_needs_no_arrays(name: str, tmp_path: Path) -> None:
    """Both documented names are accepted, and no address is looked at."""
    settings = ArraySettings(driver=name, state_path=tmp_path)
    registry, made = drivers(lambda group: (POLICY, "s1", "s2"), settings)
    assert isinstance(registry.driver("g1"), MockStorageDriver)
    assert made == []


def test_an_unknown_driver_is_refused_at_start() -> None:
    """The message lists what there is."""
    with pytest.raises(BadRequest) as caught:
        drivers(lambda group: None, ArraySettings(driver="netapp"))
    assert "PureStorageDriver" in caught.value.remedy


def test_two_processes_share_the_mocks_arrays(tmp_path: Path) -> None:
    """What one driver made, another on the same file sees."""
    MockStorageDriver(tmp_path).create_volume("s1", "v1", 1 << 30)
    found = MockStorageDriver(tmp_path).volume("s1", "v1")
    assert found is not None
    assert found.size == 1 << 30
