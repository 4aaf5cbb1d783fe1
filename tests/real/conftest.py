"""Fixtures of the tests that run on real OpenStack services."""

import os
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from real.dr import seen, workload
from real.dr.moving import SITES, Moving
from real.dr.pair import Pair
from real.testbed.environment import Sites
from real.testbed.layout import default_layout
from real.testbed.lifecycle import Testbed

SDK_WARNINGS = [f"ignore::openstack.warnings.RemovedInSDK{major}0Warning" for major in (5, 6)]
KEEP = "SITERECOVERY_KEEP_TESTBED"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What holds for every test with sites: minutes of preparation are not its time, the SDK's warnings not its own.

    openstacksdk calls methods of its own that it has deprecated, on nearly every request.
    """
    for item in items:
        if "sites" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.timeout(900, func_only=True))
            item.add_marker(pytest.mark.filterwarnings(*SDK_WARNINGS))


@pytest.fixture(scope="session")
def sites() -> Iterator[Sites]:
    """Both sites, up and as they were seeded; installed and initialised first where they are not (root on Debian).

    One session at a time has them. They are left down, whatever happens to the session, or up with
    SITERECOVERY_KEEP_TESTBED=1: the next session then takes them as they are.
    """
    testbed, keep = Testbed(default_layout(), print), os.environ.get(KEEP) == "1"
    with testbed.held(guarded=not keep):
        testbed.ensure()
        try:
            yield Sites(testbed)
        finally:
            if not keep:
                testbed.down()


@pytest.fixture(scope="session")
def pair(sites: Sites) -> Iterator[Pair]:
    """A Protector on each site, freshly installed and knowing one another."""
    made = Pair(sites)
    try:
        made.begin()
        yield made
    finally:
        made.end()


@pytest.fixture
def moving(pair: Pair) -> Moving:
    """A protected group of its own for each test, running on site a."""
    return _protected(pair, 1)[0]


@pytest.fixture
def two_groups(pair: Pair) -> list[Moving]:
    """Two groups, each not knowing of the other."""
    return _protected(pair, 2)


def _protected(pair: Pair, number: int) -> list[Moving]:
    before = {site: frozenset(seen.array_volumes(pair.sites, site)) for site in SITES}

    def make(_: int) -> Moving:
        name = f"g{uuid.uuid4().hex[:6]}"
        group = workload.made(pair.sites, name, 2 + 2 * (int(name[1:], 16) % 125))
        return Moving(pair, group, workload.protect(pair, group), before)

    with ThreadPoolExecutor(number) as workers:
        made = list(workers.map(make, range(number)))
    for group in made:
        group.siblings = [other for other in made if other is not group]
    return made
