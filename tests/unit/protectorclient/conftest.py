"""Two fake sites, and `openstack` with the credentials of both."""

import pathlib
from collections.abc import Iterator

import pytest

from unit.protectorclient.fake_site import Body, FakeSite, group
from unit.protectorclient.harness import Openstack, make_openstack, register


@pytest.fixture
def site_a() -> Iterator[FakeSite]:
    site = FakeSite("site-a")
    yield site
    site.stop()


@pytest.fixture
def site_b() -> Iterator[FakeSite]:
    site = FakeSite("site-b")
    yield site
    site.stop()


@pytest.fixture
def web(site_a: FakeSite, site_b: FakeSite) -> Body:
    """The group prod-web-app, active on site-a, as site-a holds it. Site-b holds a copy."""
    register(site_a, site_b)
    record = group("prod-web-app")
    site_a.groups.append(record)
    site_b.groups.append(dict(record))
    return record


@pytest.fixture
def openstack(site_a: FakeSite, site_b: FakeSite, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Openstack:
    """Run `openstack …` with the credentials of both sites, polling without pause."""
    return make_openstack({"site-a": site_a.cloud, "site-b": site_b.cloud}, tmp_path, monkeypatch)
